//go:build !race

package usher_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/store/sqlite"
)

// stopwatch records the durations of several functions, one of each in a round.
type stopwatch struct {
	acts  []func(i int)
	times [][]time.Duration
}

// measure runs n more rounds. The order changes from round to round, so that periodic
// disturbances do not always hit the same function.
func (w *stopwatch) measure(n int) {
	w.times = append(w.times, make([][]time.Duration, len(w.acts)-len(w.times))...)
	for i := range n {
		for _, j := range rand.Perm(len(w.acts)) {
			begin := time.Now()
			w.acts[j](i)
			w.times[j] = append(w.times[j], time.Since(begin))
		}
	}
}

// at returns a quantile of the durations of each function: 1/part of its runs are
// shorter.
func (w *stopwatch) at(part int) []time.Duration {
	var out []time.Duration
	for _, all := range w.times {
		out = append(out, slices.Sorted(slices.Values(all))[len(all)/part])
	}
	return out
}

// difference returns the interval that holds the median of what function j takes
// longer than the first in the same round. It is the sign test's interval at four
// standard deviations, so a wrong one is expected once in 16,000.
func (w *stopwatch) difference(j int) (from, to time.Duration) {
	var all []time.Duration
	for i, d := range w.times[j] {
		all = append(all, d-w.times[0][i])
	}
	slices.Sort(all)
	half := int(2 * math.Sqrt(float64(len(all))))
	return all[max(0, len(all)/2-half)], all[min(len(all)-1, len(all)/2+half)]
}

// allowed is the difference from d that counts as the same time: 5 % or 5 ms.
func allowed(d time.Duration) time.Duration { return max(5*time.Millisecond, d/20) }

// sameTime reports whether all are within what is allowed of the first.
func sameTime(times []time.Duration) bool {
	return !slices.ContainsFunc(times, func(d time.Duration) bool { return (d - times[0]).Abs() > allowed(times[0]) })
}

// The race detector slows our own code down by a factor of ten but not a hash, so
// durations under it mean nothing. These tests run without it.

// wantSameTime fails if the functions take different times. Work that only one of
// them does shifts its median and its fastest runs by the same amount. Other load on
// the computer shifts the median more, in which case the measurement is repeated. If
// the times still differ, the test fails when the difference exceeds the scatter that
// the load causes.
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
	for j := range acts {
		from, to := w.difference(j)
		t.Logf("function %d takes %v to %v longer than the first", j, from, to)
		if limit := allowed(w.at(2)[0]); from > limit || to < -limit {
			t.Errorf("function %d takes another time than the first, by more than 5 %% and 5 ms", j)
		}
	}
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

// The allocations of a sign-in and a refresh stay below bounds that are close to the measured
// numbers, so that a change that adds a statement or a copy to every call fails. With SQLite
// most of them are statements and rows; without it, two signatures and JSON. The race
// detector allocates too, so the test does not run under it.
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
		{"memory", func(*testing.T) store.Store { return memory.New() }, 490, 430},
		{"sqlite", file, 1320, 820},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKitOn(t, c.store(t), newClock(), func(c *usher.Config) { c.OnEvent = nil })
			a := k.signUp("ann@example.com")
			// The work in the background allocates too, so the least of several measurements counts.
			least := func(call func()) float64 {
				return min(testing.AllocsPerRun(10, call), testing.AllocsPerRun(10, call), testing.AllocsPerRun(10, call))
			}
			signIn := least(func() { k.signIn("ann@example.com", goodPassword, home) })
			refresh := least(func() {
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

// conflictAtStart is a store in which the password changes just before a session starts.
type conflictAtStart struct {
	store.Store
	on bool
}

func (c *conflictAtStart) StartSession(ctx context.Context, in store.SessionStart) ([]store.Event, error) {
	if c.on {
		return nil, store.ErrConflict
	}
	return c.Store.StartSession(ctx, in)
}

// A sign-in after failures that loses against a change of the password sends no notice, so
// it does not use up the emails of the address.
func TestML04_AConflictUsesUpNoEmail(t *testing.T) {
	t.Parallel()
	st := &conflictAtStart{Store: memory.New()}
	k := newKitOn(t, st, newClock())
	known := home
	known.Device = k.signUpVerified(ann).Device
	for i := range 5 {
		k.failSignIn(ann, nth(i))
	}
	st.on = true
	for range 4 {
		wantErr(t, k.trySignIn(ann, goodPassword, known), usher.ErrInvalidCredentials)
	}
	st.on = false
	k.clock.add(time.Minute)
	k.signIn(ann, goodPassword, known)
	k.wantEmails("sign_in_notice")
}

// The program's rule is asked for every sign-up alike, so its refusal does not reveal
// which login ids are free. It counts as a sign-up, and computes no hash.
func TestEN09_TheRuleOnSignUpsRevealsNothing(t *testing.T) {
	t.Parallel()
	for _, confirm := range []bool{true, false} {
		refused := &usher.Rejection{Code: "not_invited", Field: "loginId"}
		k := newKit(t, func(c *usher.Config) {
			c.ConfirmFirst = confirm
			c.SignUpRule = func(_ context.Context, u usher.User) error {
				switch {
				case u.Name == "panic":
					panic("the rule")
				case u.Name == "fails":
					return errors.New("the rule has no database")
				case strings.HasSuffix(u.LoginID(), "@example.com") && u.Email == u.LoginID():
					return nil
				}
				return refused
			}
		})
		k.signUpRaw(ann, "")
		k.importUser("taken@example.net")
		k.inbox()
		k.events.reset()
		hashes := k.Hashes()
		for _, id := range []string{"taken@example.net", "free@example.net"} {
			if err := k.signUpRaw(id, ""); !errors.Is(err, refused) {
				t.Errorf("%s: %v", id, err)
			}
		}
		k.wantEvents("user_create_fail:rejected user_create_fail:rejected")
		for _, name := range []string{"panic", "fails"} {
			if err := k.signUpRaw("bob@example.com", name); err == nil || !strings.Contains(err.Error(), "Config.SignUpRule") || errors.As(err, new(*usher.Rejection)) {
				t.Errorf("a rule that %s: %v", name, err)
			}
		}
		if n := k.Hashes() - hashes; n != 0 {
			t.Errorf("%d hashes", n)
		}
		k.wantEmails("verify_email")
		for range 3 * 10 {
			_ = k.signUpRaw("free@example.net", "")
		}
		if l := wantLimit(t, k.signUpRaw("free@example.net", "")); l.Limit != "sign_up_requests" {
			t.Errorf("the limit is %q", l.Limit)
		}
	}
}

// signUpRaw signs up with a name, and returns the error alone.
func (k *kit) signUpRaw(loginID, name string) error {
	in := usher.SignUpParams{LoginID: loginID, Password: goodPassword, Profile: usher.Profile{Name: &name}}
	return errOf(k.Service.SignUp(ctx, in, home))
}

// conflictingChange is a store in which every change of a password loses.
type conflictingChange struct {
	store.Store
	on bool
}

func (c *conflictingChange) ChangePassword(ctx context.Context, in store.PasswordChange) ([]store.Event, error) {
	if c.on {
		return nil, store.ErrConflict
	}
	return c.Store.ChangePassword(ctx, in)
}

// A change that loses sends no notice, so it does not use up the notices of the account, or
// the emails of an address that is not confirmed.
func TestML04_AChangeThatLosesUsesUpNoNotice(t *testing.T) {
	t.Parallel()
	st := &conflictingChange{Store: memory.New()}
	k := newKitOn(t, st, newClock())
	claims := k.claims(k.signUp(ann))
	k.wantEmails("verify_email")
	in := usher.UpdatePasswordParams{NewPassword: otherPassword}
	st.on = true
	for range 4 { // the fifth email of the hour is reserved for a reset
		wantErr(t, errOf(k.UpdatePassword(ctx, claims, in, home)), usher.ErrConflict)
	}
	for range 4 {
		wantErr(t, k.Operator("test").SetPassword(ctx, claims.Subject, otherPassword, false), usher.ErrConflict)
	}
	st.on = false
	usher.Must(k.UpdatePassword(ctx, claims, in, home))
	k.wantEmails("password_changed")
}

// A wrong code takes the same time whether the login id has three open codes, none, or no
// user.
func TestCO08_WrongCodesTakeTheSameTime(t *testing.T) {
	k := newKitOn(t, openSQLite(t), newClock(), func(c *usher.Config) {
		c.InsecureNoThrottle, c.BaseURL = true, "https://localhost"
	})
	k.importUser(ann)
	k.importUser("bob@example.com")
	for range 3 {
		k.resetEmail(ann, home)
	}
	wrong := k.wrongCode()
	var acts []func(int)
	for _, id := range []string{"nobody@example.com", ann, "bob@example.com"} {
		acts = append(acts, func(int) {
			if err := k.byCode(id, wrong, home); err != usher.ErrInvalidCode {
				t.Fatalf("%s: %v", id, err)
			}
		})
	}
	wantSameTime(t, 100, acts...)
}
