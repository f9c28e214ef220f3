//go:build !race

package usher_test

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/store/sqlite"
)

// stopwatch records the durations of several functions.
type stopwatch struct {
	acts  []func(i int)
	times [][]time.Duration
}

// measure runs each function n more times, in rounds of changing order, so that
// periodic disturbances do not always hit the same one.
func (w *stopwatch) measure(n int) {
	w.times = append(w.times, make([][]time.Duration, len(w.acts)-len(w.times))...)
	for i := range n {
		for _, j := range rand.Perm(len(w.acts)) {
			begin := time.Now()
			w.acts[j](i)
			w.times[j] = append(w.times[j], time.Since(begin))
		}
	}
	for _, all := range w.times {
		slices.Sort(all)
	}
}

// at returns a quantile of the durations of each function: 1/part of its runs are
// shorter.
func (w *stopwatch) at(part int) []time.Duration {
	var out []time.Duration
	for _, all := range w.times {
		out = append(out, all[len(all)/part])
	}
	return out
}

// sameTime reports whether all are within 5 % or 5 ms of the first.
func sameTime(times []time.Duration) bool {
	allowed := max(5*time.Millisecond, times[0]/20)
	return !slices.ContainsFunc(times, func(d time.Duration) bool { return (d - times[0]).Abs() > allowed })
}

// The race detector slows our own code down by a factor of ten but not a hash, so
// durations under it mean nothing. These tests run without it.

// wantSameTime fails if the functions take different times. Work that only one of
// them does shifts its median and its fastest runs by the same amount. Other load on
// the computer shifts the median more, in which case the measurement is repeated.
func wantSameTime(t *testing.T, n int, acts ...func(i int)) {
	t.Helper()
	w := &stopwatch{acts: acts}
	for range 4 {
		w.measure(n)
		medians, fastest := w.at(2), w.at(25)
		t.Logf("medians are %v, the fastest %v", medians, fastest)
		if sameTime(medians) || sameTime(fastest) {
			return
		}
	}
	t.Error("the times differ by more than 5 % and 5 ms, every time")
}

func TestEN02_FailuresTakeTheSameTime(t *testing.T) {
	k := newKitOn(t, openSQLite(t), newClock(), func(c *usher.Config) {
		c.Password.LockAttempts = 60
		c.ConfirmFirst = true
		c.Mailer = neverMailer
	})
	all := append(failingAccounts(k), usher.SignInParams{LoginID: "unconfirmed@example.com", Password: goodPassword})
	k.signUp("unconfirmed@example.com")
	tries := 0
	var acts []func(int)
	for _, in := range all {
		acts = append(acts, func(int) {
			tries++
			if err := k.trySignIn(in.LoginID, in.Password, nth(tries)); err != usher.ErrInvalidCredentials {
				t.Fatalf("%s: %v", in.LoginID, err)
			}
		})
	}
	wantSameTime(t, 25, acts...)
}

func TestEN03_ResetsAnswerAlikeInTheSameTime(t *testing.T) {
	k := newKitOn(t, openSQLite(t), newClock(), func(c *usher.Config) { c.Mailer = neverMailer })
	for _, id := range []string{"verified@example.com", "disabled@example.com"} {
		if _, err := k.Operator("test").ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{id}, EmailVerified: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Operator("test").Disable(ctx, k.account("disabled@example.com").User.ID); err != nil {
		t.Fatal(err)
	}
	for _, in := range []usher.ImportUserParams{{LoginIDs: []string{"unverified@example.com"}}, {LoginIDs: []string{"bob"}}} {
		if _, err := k.Operator("test").ImportUser(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	var acts []func(int)
	for _, id := range []string{"unknown@example.com", "verified@example.com", "unverified@example.com", "disabled@example.com", "bob"} {
		acts = append(acts, func(i int) {
			// The first half is within the limits, the second half beyond them.
			if i < 20 {
				k.clock.add(time.Hour)
			}
			asked++
			if err := k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: id}, nth(asked)); err != nil {
				t.Fatalf("%s: %v", id, err)
			}
		})
	}
	wantSameTime(t, 40, acts...)
}

// The allocations of a sign-in and a refresh stay below bounds that are a fifth above
// the measured numbers, so that a change that adds a statement or a copy to every call
// fails. With SQLite most of them are statements and rows; without it, two signatures
// and JSON. The race detector allocates too, so the test does not run under it.
func TestAllocations(t *testing.T) {
	file := func(t *testing.T) store.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "usher.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	for _, c := range []struct {
		name            string
		store           func(t *testing.T) store.Store
		signIn, refresh float64
	}{
		{"memory", func(*testing.T) store.Store { return memory.New() }, 490, 420},
		{"sqlite", file, 1320, 820},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKitOn(t, c.store(t), newClock(), func(c *usher.Config) { c.OnEvent = nil })
			a := k.signUp("ann@example.com")
			signIn := testing.AllocsPerRun(10, func() { k.signIn("ann@example.com", goodPassword, home) })
			refresh := testing.AllocsPerRun(10, func() {
				var err error
				if a, err = k.RefreshSession(ctx, a.Tokens.Refresh, home); err != nil {
					t.Fatal(err)
				}
			})
			t.Logf("sign-in %.0f, refresh %.0f", signIn, refresh)
			if signIn > c.signIn || refresh > c.refresh {
				t.Errorf("a sign-in allocates %.0f times, at most %.0f is meant; a refresh %.0f, at most %.0f", signIn, c.signIn, refresh, c.refresh)
			}
		})
	}
}
