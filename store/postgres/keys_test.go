package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store/postgres"
)

// keyIDs returns the ids of the keys that an instance publishes.
func (m *instance) keyIDs(t *testing.T) (ids []string) {
	t.Helper()
	var set struct {
		Keys []struct {
			ID string `json:"kid"`
		}
	}
	if err := json.Unmarshal(m.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		ids = append(ids, k.ID)
	}
	return ids
}

// load refreshes sessions on one instance and validates them on all others, until
// ctx ends. It returns how often that went well, and everything that did not.
func (f *fleet) load(ctx context.Context) (good int64, bad []string) {
	var (
		done sync.WaitGroup
		mu   sync.Mutex
		n    atomic.Int64
	)
	for i := range f.instances {
		_, a := f.signUp()
		done.Go(func() {
			for round := i; ctx.Err() == nil; round++ {
				b, err := f.at(round).RefreshSession(context.WithoutCancel(ctx), a.Tokens.Refresh, f.client())
				if err == nil {
					a = b
					for _, m := range f.instances {
						if _, err = m.ValidateSession(context.WithoutCancel(ctx), a.Tokens.Session); err != nil {
							break
						}
					}
				}
				if err != nil {
					mu.Lock()
					bad = append(bad, err.Error())
					mu.Unlock()
				}
				n.Add(1)
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	done.Wait()
	return n.Load(), bad
}

// Keys turn by themselves, under load, and nothing is refused.
func TestJK07_RotationUnderLoadRefusesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, func(c *usher.Config) {
		c.Rotation = usher.Rotation{Every: 10 * time.Second, PublishAhead: 7 * time.Second}
	})
	first := f.at(0).keyIDs(t)
	ctx, cancel := context.WithTimeout(t.Context(), 13*time.Second)
	defer cancel()
	good, bad := f.load(ctx)
	if len(bad) > 0 || good < 100 {
		t.Fatalf("%d of %d were refused: %.300v", len(bad), good, bad)
	}
	_, a := f.signUp()
	if now := f.at(0).keyIDs(t); len(now) < 2 || kid(t, a) == first[0] {
		t.Fatalf("the keys did not turn: %v, then %v, and %s signs", first, now, kid(t, a))
	}
	t.Logf("%d refreshes, each validated on %d instances, none refused", good, len(f.instances))
}

// kid is the id of the key that signed the session token.
func kid(t *testing.T, a *usher.Authentication) string {
	t.Helper()
	var header struct {
		ID string `json:"kid"`
	}
	if err := json.Unmarshal(headerOf(t, a.Tokens.Session.Reveal()), &header); err != nil {
		t.Fatal(err)
	}
	return header.ID
}

func TestJK07_ACompromisedKeyIsOutEverywhere(t *testing.T) {
	overInstances(t, func(t *testing.T, f *fleet) {
		for round := range 2 {
			id, a := f.signUp()
			for _, m := range f.instances {
				if !m.alive(t, a) {
					t.Fatal("a good token is refused")
				}
			}
			if err := f.at(round).Operator("test").RotateKeys(t.Context(), usher.RotateKeysParams{Compromised: true}); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			// A sign-in does not wait until all instances have the new key.
			fresh := f.signIn(f.at(round), id, goodPassword)
			for i, m := range f.instances {
				if !m.alive(t, fresh) {
					t.Fatalf("instance %d refuses a token of the new key", i)
				}
			}
			for i, m := range f.instances {
				for m.alive(t, a) {
					if time.Since(start) > 10*time.Second {
						t.Fatalf("instance %d accepts the removed key after 10 s", i)
					}
					time.Sleep(5 * time.Millisecond)
				}
				if _, err := m.RefreshSession(t.Context(), a.Tokens.Refresh, f.client()); !errors.Is(err, usher.ErrInvalidSession) {
					t.Fatalf("instance %d refreshes with the removed key: %v", i, err)
				}
			}
			t.Logf("out on all instances after %s", time.Since(start).Round(time.Millisecond))
			time.Sleep(1100 * time.Millisecond) // an unknown key is looked up once a second
		}
	})
}

// Five instances start on an empty database and rotate by order, at one instant:
// no key is lost, and all have the same.
func TestJK07_InstancesAgreeOnKeys(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	f.at(0).Close(context.Background())
	if _, err := f.at(0).store.DB().Exec(`DELETE FROM usher_signing_keys`); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	url := f.url
	f.instances = nil
	errs := together(5, func(int) error {
		store, err := postgres.Open(t.Context(), url)
		if err != nil {
			return err
		}
		s, err := usher.New(context.Background(), store, usher.Config{Secret: secret, BaseURL: "https://app.example", Mailer: f.mail})
		if err != nil {
			return errors.Join(err, store.Close())
		}
		t.Cleanup(func() { s.Close(context.Background()); store.Close() })
		mu.Lock()
		defer mu.Unlock()
		f.instances = append(f.instances, &instance{s, store})
		return nil
	})
	winners(t, errs)
	for i, m := range f.instances {
		if ids := m.keyIDs(t); len(ids) != 1 || ids[0] != f.at(0).keyIDs(t)[0] {
			t.Fatalf("instance %d made a key of its own", i)
		}
	}
	winners(t, together(5, func(i int) error { return f.at(i).Operator("test").RotateKeys(t.Context(), usher.RotateKeysParams{}) }))
	want := 6 // every rotation took effect, and none was undone
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		same := true
		for _, m := range f.instances {
			same = same && fmt.Sprint(m.keyIDs(t)) == fmt.Sprint(f.at(0).keyIDs(t))
		}
		if same && len(f.at(0).keyIDs(t)) == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d keys after five orders, want %d on every instance", len(f.at(0).keyIDs(t)), want)
		}
	}
}

// The secret changes in three steps, each instance after the other, while people
// go on: first every instance can open what the new secret seals, then seals with
// it, then forgets the old one.
func TestJK07_ANewSecretWithoutDowntime(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2)
	id, a := f.signUp()
	check := func(step string) {
		t.Helper()
		for i, m := range f.instances {
			b, err := m.RefreshSession(t.Context(), a.Tokens.Refresh, f.client())
			if err != nil {
				t.Fatalf("%s: instance %d: %v", step, i, err)
			}
			a = b
			for j, other := range f.instances {
				if !other.alive(t, a) {
					t.Fatalf("%s: instance %d refuses what instance %d signed", step, j, i)
				}
			}
			f.signIn(m, id, goodPassword)
		}
	}
	check("before")
	for _, step := range []struct {
		name string
		set  func(*usher.Config)
	}{
		{"knows the new one", func(c *usher.Config) { c.OldSecrets = []usher.Secret{nextSecret} }},
		{"seals with the new one", func(c *usher.Config) { c.Secret, c.OldSecrets = nextSecret, []usher.Secret{secret} }},
		{"forgets the old one", func(c *usher.Config) { c.Secret = nextSecret }},
	} {
		for i := range f.instances {
			old := f.instances[i]
			f.instances[i] = f.add(step.set)
			f.instances = f.instances[:2]
			check(step.name)
			if err := errors.Join(old.Close(context.Background()), old.store.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The keys are gone, as after a restore: the next ones have a version that was
// there before. No instance takes them for those it has.
func TestJK07_KeysThatWentBackAreNoticed(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2)
	id, a := f.signUp()
	if _, err := f.at(0).store.DB().Exec(`DELETE FROM usher_signing_keys`); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); f.at(0).alive(t, a) || f.at(1).alive(t, a); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a key that the store does not have is in use after 10 s")
		}
	}
	for i := range f.instances {
		b := f.signIn(f.at(i), id, goodPassword)
		for j, m := range f.instances {
			if !m.alive(t, b) {
				t.Fatalf("instance %d refuses what instance %d signs", j, i)
			}
		}
	}
}
