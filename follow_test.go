package usher_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// aging is a store whose list of revocations a test sets.
type aging struct {
	store.Store
	mu   sync.Mutex
	list []store.Revocation
	down bool
	wake func()
	asks int
}

func (a *aging) Revocations(_ context.Context, after int64) ([]store.Revocation, error) {
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

func (a *aging) set(down bool, list ...store.Revocation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down, a.list = down, list
}

// telling is an aging store that can notify.
type telling struct{ *aging }

func (a telling) NotifyRevocations(ctx context.Context, wake func()) error {
	a.mu.Lock()
	a.wake = wake
	a.mu.Unlock()
	wake()
	<-ctx.Done()
	return ctx.Err()
}

// followed is a machine on such a store, and its log.
func followed(t *testing.T, store store.Store, change ...func(*usher.Config)) (*kit, *syncBuffer) {
	t.Helper()
	var log syncBuffer
	change = append(change, func(c *usher.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	return machine(t, store, change...), &log
}

func (k *kit) revocation(id int64, a *usher.Authentication) store.Revocation {
	return store.Revocation{ID: id, SessionID: a.Session.ID, Until: time.Now().Add(12 * time.Minute)}
}

// Where a backup was restored the ids begin anew below those that were read.
// What is revoked from then on must hold as soon as ever, and somebody be told.
func TestSE06_AStoreThatWentBackIsNoticed(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]bool{"after an outage": true, "unseen": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &aging{Store: memory.New()}
				k, log := followed(t, st)
				a, b, c := k.signUp("a@example.com"), k.signUp("b@example.com"), k.signUp("c@example.com")
				st.set(false, k.revocation(5000, a))
				time.Sleep(2 * time.Minute)
				if k.alive(a) {
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
				if k.alive(b) || k.alive(a) || !k.alive(c) {
					t.Fatal("the list after the restore is not the list of this machine")
				}
				if !strings.Contains(log.String(), "older copy") {
					t.Fatalf("nobody was told: %s", log)
				}
				// From now on everything is as ever, at every distance from the restore.
				ids := []store.Revocation{k.revocation(7, b)}
				for i := range 20 {
					d := k.signUpFrom(fmt.Sprintf("d%d@example.com", i), i)
					ids = append(ids, k.revocation(int64(8+i), d))
					st.set(false, ids...)
					time.Sleep(2 * time.Second)
					if k.alive(d) {
						t.Fatalf("revocation %d after the restore was not read in time", i)
					}
					time.Sleep(3 * time.Second)
				}
				if n := strings.Count(log.String(), "older copy"); n != 1 {
					t.Fatalf("it was told %d times", n)
				}
			})
		})
	}
}

// signUpFrom signs up from the i-th of many networks.
func (k *kit) signUpFrom(loginID string, i int) *usher.Authentication {
	k.t.Helper()
	a, err := k.SignUp(ctx, usher.SignUp{LoginID: loginID, Password: goodPassword}, nth(i))
	if err != nil {
		k.t.Fatal(err)
	}
	return a
}

// What expired and was removed is no older copy.
func TestSE06_RemovedRevocationsAreNoAlarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &aging{Store: memory.New()}
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

// A revocation by a machine whose clock is slow holds for as long as a token of
// the session may pass here.
func TestSE06_ASlowClockElsewhereRevivesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &aging{Store: memory.New()}
		k, _ := followed(t, st)
		a := k.signUp("a@example.com")
		st.set(false, store.Revocation{ID: 1, SessionID: a.Session.ID, Until: time.Now().Add(2 * time.Minute)})
		for range 12 {
			time.Sleep(time.Minute)
			if k.alive(a) {
				t.Fatal("the session came back to life")
			}
		}
	})
}

// Notifications are followed at once, and a flood of them is no flood of reads.
func TestSE06_ANotificationIsFollowedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := telling{&aging{Store: memory.New()}}
		k, _ := followed(t, store)
		a := k.signUp("a@example.com")
		time.Sleep(5*time.Second + 300*time.Millisecond) // between two polls
		store.set(false, k.revocation(1, a))
		store.wake()
		time.Sleep(time.Millisecond)
		if k.alive(a) {
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
