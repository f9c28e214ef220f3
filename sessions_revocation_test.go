package usher_test

import (
	"context"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

func TestSE06_SignOutHoldsHereAtOnceAndElsewhereInASecond(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]func(k *kit, a *usher.Authentication) error{
		"session token": func(k *kit, a *usher.Authentication) error { return k.SignOut(ctx, k.claims(a), home) },
		"refresh token": func(k *kit, a *usher.Authentication) error { return k.signOutByRefreshToken(a.Tokens.Refresh) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, other := twoInstances(t)
				a, b := k.signUp(ann), k.signUp("bob@example.com")
				k.inbox()
				if !other.isLive(a) {
					t.Fatal("not valid elsewhere")
				}
				k.events.reset()
				if err := out(k, a); err != nil {
					t.Fatal(err)
				}
				k.wantEvents("authn_logout session_ended:signed_out")
				k.wantEnded(a)
				_, err := other.RefreshSession(ctx, a.Tokens.Refresh, home)
				wantErr(t, err, usher.ErrInvalidSession)
				time.Sleep(1100 * time.Millisecond) // the bubble's clock
				_, err = other.ValidateSession(ctx, a.Tokens.Session)
				wantErr(t, err, token.ErrRevoked)
				if !k.isLive(b) || !other.isLive(b) {
					t.Fatal("another session ended")
				}
				// Signing out again is not an error and causes no further event
				// except for the refused refresh.
				k.events.reset()
				if err := k.signOutByRefreshToken(a.Tokens.Refresh); err != nil {
					t.Fatal(err)
				}
				k.wantEvents("")
			})
		})
	}
}

// An instance that starts later reads the revocation before it serves requests.
func TestSE06_AnInstanceThatStartsLater(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(ann)
	if err := k.SignOut(ctx, k.claims(a), home); err != nil {
		t.Fatal(err)
	}
	_, err := k.secondInstance().ValidateSession(ctx, a.Tokens.Session)
	wantErr(t, err, token.ErrRevoked)
}

// A transaction of another instance may become visible after a later one. The next
// poll still finds its revocation.
func TestSE06_RevocationsThatShowOutOfOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &revocationLog{Store: memory.New()}
		k := newInstance(t, st)
		var all []*usher.Authentication
		for i := range 4 {
			all = append(all, k.signUp(fmt.Sprintf("u%d@example.com", i)))
		}
		time.Sleep(47 * time.Second) // the bubble's clock
		late := []store.Revocation{k.revocation(11, all[0]), k.revocation(13, all[1]), k.revocation(12, all[2]), k.revocation(10, all[3])}
		for i := range late {
			list := slices.Clone(late[:i+1])
			slices.SortFunc(list, func(a, b store.Revocation) int { return int(a.ID - b.ID) })
			st.set(false, list...)
			time.Sleep(1100 * time.Millisecond)
			for j, a := range all {
				if k.isLive(a) != (j > i) {
					t.Fatalf("after revocation %d, session %d is alive: %v", late[i].ID, j, k.isLive(a))
				}
			}
			time.Sleep(7 * time.Second)
		}
	})
}

// Revocation is by session, not by the bytes of a token.
func TestSE07_OtherBytesOfTheSameTokenStayRevoked(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(ann)
	raw := a.Tokens.Session.Reveal()
	twisted := otherSignature(t, raw)
	if _, err := k.ValidateSession(ctx, usher.Secret(twisted)); err != nil {
		t.Fatalf("the twisted signature must verify, or this test proves nothing: %v", err)
	}
	if err := k.SignOut(ctx, k.claims(a), home); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{"same": raw, "s' = n - s": twisted} {
		_, err := k.ValidateSession(ctx, usher.Secret(raw))
		t.Run(name, func(t *testing.T) { wantErr(t, err, token.ErrRevoked) })
	}
	// The 86 characters of an ES256 signature end in four unused bits.
	spare := raw[:len(raw)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", raw[len(raw)-1])^1])
	_, err := k.ValidateSession(ctx, usher.Secret(spare))
	wantErr(t, err, token.ErrInvalid)
	_, err = k.RefreshSession(ctx, usher.Secret(otherSignature(t, a.Tokens.Refresh.Reveal())), home)
	wantErr(t, err, usher.ErrInvalidSession)
}

// otherSignature returns the token with the other valid ES256 signature.
func otherSignature(t *testing.T, raw string) string {
	t.Helper()
	i := strings.LastIndexByte(raw, '.')
	sig, err := base64.RawURLEncoding.DecodeString(raw[i+1:])
	if err != nil || len(sig) != 64 {
		t.Fatal("not an ES256 signature")
	}
	s := new(big.Int).SetBytes(sig[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
	return raw[:i+1] + base64.RawURLEncoding.EncodeToString(sig)
}

// Expired rows are removed. A revocation is kept until every token of its session
// has expired.
func TestExpiredRowsAreRemoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		k := newInstance(t, store, func(c *usher.Config) { c.Sessions.Idle = 15 * time.Minute })
		a := k.signUp(ann)
		b := k.signIn(ann, goodPassword, home)
		k.inbox()
		if err := k.SignOut(ctx, k.claims(a), home); err != nil {
			t.Fatal(err)
		}
		revoked := func() int { return len(usher.Must(store.Revocations(ctx, 0))) }
		time.Sleep(10 * time.Minute) // the bubble's clock
		if revoked() != 1 {
			t.Fatal("a revocation went while a token of it may live")
		}
		time.Sleep(6 * time.Minute)
		if _, err := store.Session(ctx, b.Session.ID); err == nil {
			t.Fatal("an idle session is still there")
		}
		time.Sleep(time.Hour)
		if revoked() != 0 {
			t.Fatal("the revocation is still there")
		}
		if n := len(usher.Must(k.Operator("test").Events(ctx, usher.EventQuery{})).Events); n == 0 {
			t.Fatal("the audit trail went too")
		}
	})
}

// revocationLog is a store whose list of revocations a test sets.
type revocationLog struct {
	store.Store
	mu   sync.Mutex
	list []store.Revocation
	down bool
	wake func()
	asks int
}

func (a *revocationLog) Revocations(_ context.Context, after int64) ([]store.Revocation, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asks++
	if a.down {
		return nil, errors.New("out of reach")
	}
	var out []store.Revocation
	for _, r := range a.list {
		if r.ID > after {
			out = append(out, r)
		}
	}
	return out, nil
}

func (a *revocationLog) set(down bool, list ...store.Revocation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down, a.list = down, list
}

// notifyingStore is a revocationLog that implements store.Notifier.
type notifyingStore struct{ *revocationLog }

func (a notifyingStore) NotifyRevocations(ctx context.Context, wake func()) error {
	a.mu.Lock()
	a.wake = wake
	a.mu.Unlock()
	wake()
	<-ctx.Done()
	return ctx.Err()
}

// followed returns an instance on the store, and its log.
func followed(t *testing.T, store store.Store, change ...func(*usher.Config)) (*kit, *syncBuffer) {
	t.Helper()
	var log syncBuffer
	change = append(change, func(c *usher.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	return newInstance(t, store, change...), &log
}

func (k *kit) revocation(id int64, a *usher.Authentication) store.Revocation {
	return store.Revocation{ID: id, SessionID: a.Session.ID, Until: time.Now().Add(12 * time.Minute)}
}

// After a restore from a backup, new revocations get ids below those already read.
// They must take effect as fast as before, and a warning must be logged.
func TestSE06_AStoreThatWentBackIsNoticed(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]bool{"after an outage": true, "unseen": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &revocationLog{Store: memory.New()}
				k, log := followed(t, st)
				a, b, c := k.signUp("a@example.com"), k.signUp("b@example.com"), k.signUp("c@example.com")
				st.set(false, k.revocation(5000, a))
				time.Sleep(2 * time.Minute)
				if k.isLive(a) {
					t.Fatal("a revocation was not read")
				}
				soon := 2 * time.Second
				if down {
					st.set(true)
					time.Sleep(10 * time.Second)
				} else {
					soon = 31 * time.Second
				}
				st.set(false, k.revocation(7, b))
				time.Sleep(soon)
				if k.isLive(b) || k.isLive(a) || !k.isLive(c) {
					t.Fatal("the list after the restore is not the list of this instance")
				}
				if !strings.Contains(log.String(), "older copy") {
					t.Fatalf("no log message: %s", log)
				}
				// Afterwards revocations take effect as usual, however long ago the
				// restore was.
				ids := []store.Revocation{k.revocation(7, b)}
				for i := range 20 {
					d := k.signUpFrom(fmt.Sprintf("d%d@example.com", i), i)
					ids = append(ids, k.revocation(int64(8+i), d))
					st.set(false, ids...)
					time.Sleep(2 * time.Second)
					if k.isLive(d) {
						t.Fatalf("revocation %d after the restore was not read in time", i)
					}
					time.Sleep(3 * time.Second)
				}
				if n := strings.Count(log.String(), "older copy"); n != 1 {
					t.Fatalf("it was logged %d times", n)
				}
			})
		})
	}
}

// signUpFrom signs up from the i-th of many networks.
func (k *kit) signUpFrom(loginID string, i int) *usher.Authentication {
	k.t.Helper()
	a, err := k.SignUp(ctx, usher.SignUpParams{LoginID: loginID, Password: goodPassword}, nth(i))
	if err != nil {
		k.t.Fatal(err)
	}
	return a
}

// Removing expired revocations is not mistaken for a restore.
func TestSE06_RemovedRevocationsAreNoAlarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &revocationLog{Store: memory.New()}
		k, log := followed(t, store)
		store.set(false, k.revocation(5000, k.signUp("a@example.com")))
		time.Sleep(11 * time.Minute)
		store.set(false)
		time.Sleep(10 * time.Minute)
		if strings.Contains(log.String(), "older copy") {
			t.Fatal(log)
		}
	})
}

// A revocation by an instance with a slow clock holds for as long as this instance
// may accept a token of the session.
func TestSE06_ASlowClockElsewhereRevivesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &revocationLog{Store: memory.New()}
		k, _ := followed(t, st)
		a := k.signUp("a@example.com")
		st.set(false, store.Revocation{ID: 1, SessionID: a.Session.ID, Until: time.Now().Add(2 * time.Minute)})
		for range 12 {
			time.Sleep(time.Minute)
			if k.isLive(a) {
				t.Fatal("the session is valid again")
			}
		}
	})
}

// A notification causes a read at once, and a flood of notifications does not cause
// a flood of reads.
func TestSE06_ANotificationIsFollowedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := notifyingStore{&revocationLog{Store: memory.New()}}
		k, _ := followed(t, store)
		a := k.signUp("a@example.com")
		time.Sleep(5*time.Second + 300*time.Millisecond) // between two polls
		store.set(false, k.revocation(1, a))
		store.wake()
		time.Sleep(time.Millisecond)
		if k.isLive(a) {
			t.Fatal("the notification changed nothing")
		}
		store.mu.Lock()
		before := store.asks
		store.mu.Unlock()
		for range 10_000 {
			store.wake()
			time.Sleep(100 * time.Microsecond) // one second in all
		}
		store.mu.Lock()
		defer store.mu.Unlock()
		if n := store.asks - before; n < 5 || n > 15 {
			t.Fatalf("10,000 notifications within a second made %d reads", n)
		}
	})
}

func TestSE09_RefreshReadsRolesAndStateAgain(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	roles := []string{"admin", "editor"}
	usher.Must(k.Operator("test").UpdateUser(ctx, a.User.ID, usher.UpdateUserParams{Roles: &roles}))
	a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if c := k.claims(a); !c.HasRole("admin") || !c.HasRole("editor") {
		t.Fatalf("roles are %v", c.Roles)
	}
	roles = []string{"editor"}
	usher.Must(k.Operator("test").UpdateUser(ctx, a.User.ID, usher.UpdateUserParams{Roles: &roles}))
	a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if c := k.claims(a); c.HasRole("admin") || !c.HasRole("editor") {
		t.Fatalf("roles are %v", c.Roles)
	}
	// A repeated refresh reads them as well.
	roles = nil
	usher.Must(k.Operator("test").UpdateUser(ctx, a.User.ID, usher.UpdateUserParams{Roles: &roles}))
	b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if c := k.claims(b); len(c.Roles) != 0 {
		t.Fatalf("roles are %v", c.Roles)
	}
}
