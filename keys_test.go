package usher_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

// kidOf returns the key id of a token.
func kidOf(t *testing.T, raw usher.Secret) string { return headerOf(t, raw)["kid"] }

func headerOf(t *testing.T, raw usher.Secret) map[string]string {
	t.Helper()
	head, _, _ := strings.Cut(raw.Reveal(), ".")
	b, err := base64.RawURLEncoding.DecodeString(head)
	m := map[string]string{}
	if err != nil || json.Unmarshal(b, &m) != nil {
		t.Fatal("not a token")
	}
	return m
}

// publishedKids returns the key ids of the JWK Set, in order.
func (k *kit) publishedKids() []string {
	k.t.Helper()
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal(k.JWKS(), &set); err != nil {
		k.t.Fatal(err)
	}
	var kids []string
	for _, key := range set.Keys {
		kids = append(kids, key.Kid)
	}
	return kids
}

// Keys rotate on two instances under load, on schedule and on request, and no token
// is refused before it expires.
func TestJK07_RotationRefusesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, other := twoInstances(t, func(c *usher.Config) {
			c.Sessions = usher.SessionConfig{Absolute: 3 * time.Hour}
			c.Rotation = usher.Rotation{Every: 2 * time.Hour, PublishAhead: 10 * time.Minute}
		})
		instances := []*kit{k, other}
		live := k.signUpVerified(ann)
		known := map[string]bool{} // published a minute ago, on both
		used := map[string]bool{}
		var held []*usher.Authentication
		for minute := range 9 * 60 {
			for _, id := range k.publishedKids() {
				known[id] = true
			}
			time.Sleep(time.Minute) // the bubble's clock
			here, there := instances[minute%2], instances[(minute+1)%2]
			if minute%150 == 149 {
				live = here.signIn(ann, goodPassword, home)
			}
			if minute == 60 {
				if err := here.Operator("test").RotateKeys(ctx, usher.RotateKeysParams{}); err != nil {
					t.Fatal(err)
				}
			}
			next, err := here.RefreshSession(ctx, live.Tokens.Refresh, home)
			if err != nil {
				t.Fatalf("minute %d: %v", minute, err)
			}
			live = next
			kid := kidOf(t, live.Tokens.Session)
			if used[kid] = true; !known[kid] {
				t.Fatalf("minute %d: a key signs that was not published before", minute)
			}
			held = append(held, live)
			for len(held) > 0 && !time.Now().Before(held[0].Tokens.SessionExpiresAt) {
				held = held[1:]
			}
			for _, a := range held {
				for _, m := range []*kit{here, there} {
					if _, err := m.ValidateSession(ctx, a.Tokens.Session); err != nil {
						t.Fatalf("minute %d: %v", minute, err)
					}
				}
			}
		}
		if len(used) < 4 {
			t.Fatalf("%d keys signed", len(used))
		}
		if n := len(k.publishedKids()); n > 4 {
			t.Fatalf("%d keys are still published", n)
		}
		if a, b := string(k.JWKS()), string(other.JWKS()); a != b {
			t.Fatal("the instances publish different keys")
		}
	})
}

func TestJK07_CompromisedKeysAreOutAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, other := twoInstances(t)
		a := k.signUpVerified(ann)
		if !other.isLive(a) {
			t.Fatal("not valid elsewhere")
		}
		if err := k.Operator("test").RotateKeys(ctx, usher.RotateKeysParams{Compromised: true}); err != nil {
			t.Fatal(err)
		}
		k.wantEvents("crypto_keys_rotated:forced")
		for _, raw := range []usher.Secret{a.Tokens.Session, a.Tokens.Refresh} {
			if _, err := k.ValidateSession(ctx, raw); !errors.Is(err, token.ErrInvalid) {
				t.Fatalf("here: %v", err)
			}
		}
		_, err := k.RefreshSession(ctx, a.Tokens.Refresh, home)
		wantErr(t, err, usher.ErrInvalidSession)
		time.Sleep(6 * time.Second) // the bubble's clock; the other instance got no token
		_, err = other.ValidateSession(ctx, a.Tokens.Session)
		wantErr(t, err, token.ErrInvalid)
		_, err = other.RefreshSession(ctx, a.Tokens.Refresh, home)
		wantErr(t, err, usher.ErrInvalidSession)
		if strings.Join(k.publishedKids(), " ") == kidOf(t, a.Tokens.Session) || len(other.publishedKids()) != 1 {
			t.Fatalf("published are %v and %v", k.publishedKids(), other.publishedKids())
		}

		// The first token of a key that the other instance has not read.
		time.Sleep(time.Second)
		if err := k.Operator("test").RotateKeys(ctx, usher.RotateKeysParams{Compromised: true}); err != nil {
			t.Fatal(err)
		}
		if b := k.signIn(ann, goodPassword, home); !other.isLive(b) {
			t.Fatal("the first token of a new key is refused elsewhere")
		}
	})
}

// Unknown key ids cause at most one read of the store per second, and an outage of
// the store is not reported as an invalid token.
func TestJK07_UnknownKeysCostNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &keyWatch{Store: memory.New()}
		k := newInstance(t, store)
		a := k.signUp(ann)
		forged := func(i int) string {
			_, rest, _ := strings.Cut(a.Tokens.Session.Reveal(), ".")
			head := fmt.Sprintf(`{"alg":"ES256","typ":%q,"kid":"k%d"}`, headerOf(t, a.Tokens.Session)["typ"], i)
			return base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + rest
		}
		store.reads.Store(0)
		for i := range 1000 {
			_, err := k.ValidateSession(ctx, usher.Secret(forged(i)))
			wantErr(t, err, token.ErrInvalid)
		}
		if n := store.reads.Load(); n != 1 {
			t.Fatalf("%d reads", n)
		}
		time.Sleep(2 * time.Second) // the bubble's clock
		store.down.Store(true)
		for i := range 2 {
			_, err := k.ValidateSession(ctx, usher.Secret(forged(i)))
			wantErr(t, err, token.ErrUnavailable)
		}
		if !k.isLive(a) {
			t.Fatal("a known key does not serve during an outage")
		}
	})
}

// keyWatch counts how often the keys are read.
type keyWatch struct {
	store.Store
	reads atomic.Int64
	down  atomic.Bool
}

func (w *keyWatch) SigningKeys(ctx context.Context) (store.SigningKeys, error) {
	w.reads.Add(1)
	if w.down.Load() {
		return store.SigningKeys{}, errors.New("out of reach")
	}
	return w.Store.SigningKeys(ctx)
}

// If several instances start or rotate at the same time, one wins and all use its
// key.
func TestJK07_InstancesThatStartAtOnce(t *testing.T) {
	t.Parallel()
	store, c := memory.New(), newClock()
	kits := make([]*kit, 8)
	concurrently(len(kits), func(i int) { kits[i] = newKitOn(t, store, c) })
	for _, k := range kits {
		if k == nil {
			t.Fatal("an instance did not start")
		}
		if got := k.publishedKids(); len(got) != 1 || got[0] != kits[0].publishedKids()[0] {
			t.Fatalf("published are %v", got)
		}
	}
	concurrently(len(kits), func(i int) {
		if err := kits[i].Operator("test").RotateKeys(ctx, usher.RotateKeysParams{}); err != nil {
			t.Errorf("RotateKeys: %v", err)
		}
	})
	if n := len(usher.Must(store.SigningKeys(ctx)).Keys); n != 9 {
		t.Fatalf("%d keys after 8 rotations", n)
	}
	if n := len(usher.Must(kits[0].Operator("test").Events(ctx, usher.EventQuery{Name: usher.EventKeysRotated})).Events); n != 9 {
		t.Fatalf("%d events", n)
	}
}

func TestJK08_Algorithms(t *testing.T) {
	t.Parallel()
	for alg, want := range map[token.Algorithm]string{"": "ES256", token.EdDSA: "EdDSA", token.RS256: "RS256"} {
		k := newKit(t, func(c *usher.Config) { c.Algorithm = alg })
		a := k.signUp(ann)
		for _, raw := range []usher.Secret{a.Tokens.Session, a.Tokens.Refresh} {
			if got := headerOf(t, raw)["alg"]; got != want {
				t.Errorf("%q signs with %s", alg, got)
			}
		}
		if !k.isLive(a) {
			t.Errorf("%q does not verify", alg)
		}
	}
	k := newKit(t)
	for _, alg := range []token.Algorithm{token.HS256, "none", "ES512"} {
		cfg := k.cfg
		cfg.Algorithm = alg
		if _, err := usher.New(ctx, k.store, cfg); err == nil || !strings.Contains(err.Error(), "Config.Algorithm") {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

// A key with another algorithm is introduced like any other key, and no token is
// refused.
func TestJK08_ChangeOfAlgorithm(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(ann)
	next := newKitOn(t, k.store, k.clock, func(c *usher.Config) { c.Algorithm = token.EdDSA })
	if !next.isLive(a) || headerOf(t, next.signIn(ann, goodPassword, home).Tokens.Session)["alg"] != "ES256" {
		t.Fatal("the new key must be published before it signs")
	}
	k.clock.add(25 * time.Hour)
	b := next.signIn(ann, goodPassword, home)
	if headerOf(t, b.Tokens.Session)["alg"] != "EdDSA" {
		t.Fatal("the new key does not sign")
	}
	if _, err := next.RefreshSession(ctx, a.Tokens.Refresh, home); err != nil {
		t.Fatalf("a token of the old key: %v", err)
	}
}
