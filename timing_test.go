package usher_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/storetest"
)

// stopwatch keeps the times of some acts.
type stopwatch struct {
	acts  []func(i int)
	times [][]time.Duration
}

// measure runs each act n times more, in rounds of changing order so that
// nothing that comes back at regular intervals meets always the same one.
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

// at returns for each act the time that one in so many runs stays under.
func (w *stopwatch) at(part int) []time.Duration {
	var out []time.Duration
	for _, all := range w.times {
		out = append(out, all[len(all)/part])
	}
	return out
}

// alike says whether all are within 5 % or 5 ms of the first.
func alike(times []time.Duration) bool {
	allowed := max(5*time.Millisecond, times[0]/20)
	return !slices.ContainsFunc(times, func(d time.Duration) bool { return (d - times[0]).Abs() > allowed })
}

// wantSameTime fails if the acts take different times. Work that one of them
// does and another does not moves its median and its fastest runs alike; a
// machine that is busy with something else moves the median more, and gets a
// second chance.
func wantSameTime(t *testing.T, n int, acts ...func(i int)) {
	t.Helper()
	w := &stopwatch{acts: acts}
	for range 2 {
		w.measure(n)
		medians, fastest := w.at(2), w.at(25)
		t.Logf("medians are %v, the fastest %v", medians, fastest)
		if alike(medians) || alike(fastest) {
			return
		}
	}
	t.Error("the times differ by more than 5 % and 5 ms, twice")
}

func TestEN02_FailuresTakeTheSameTime(t *testing.T) {
	k := newKitOn(t, openSQLite(t), newClock(), func(c *usher.Config) {
		c.Password.LockAttempts = 60
		c.ConfirmFirst = true
		c.Mailer = neverMailer
	})
	all := append(people(k), usher.SignIn{LoginID: "unconfirmed@example.com", Password: goodPassword})
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

// neverMailer is a mail server that takes for ever.
var neverMailer = usher.MailerFunc(func(ctx context.Context, _ usher.Message) error {
	<-ctx.Done()
	return ctx.Err()
})

func TestEN03_ResetsAnswerAlikeInTheSameTime(t *testing.T) {
	k := newKitOn(t, openSQLite(t), newClock(), func(c *usher.Config) { c.Mailer = neverMailer })
	for _, id := range []string{"verified@example.com", "disabled@example.com"} {
		if _, err := k.ImportUser(ctx, usher.UserImport{LoginIDs: []string{id}, EmailVerified: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.DisableUser(ctx, k.account("disabled@example.com").User.ID); err != nil {
		t.Fatal(err)
	}
	for _, in := range []usher.UserImport{{LoginIDs: []string{"unverified@example.com"}}, {LoginIDs: []string{"bob"}}} {
		if _, err := k.ImportUser(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	var acts []func(int)
	for _, id := range []string{"unknown@example.com", "verified@example.com", "unverified@example.com", "disabled@example.com", "bob"} {
		acts = append(acts, func(i int) {
			// Within the limits in the first half, beyond them in the second.
			if i < 20 {
				k.clock.add(time.Hour)
			}
			asked++
			if err := k.SendPasswordReset(ctx, usher.SendPasswordReset{LoginID: id}, nth(asked)); err != nil {
				t.Fatalf("%s: %v", id, err)
			}
		})
	}
	wantSameTime(t, 40, acts...)
}

// The same store, the same work: how many steps an answer takes does not tell
// who exists, however slow the disk is.
func TestEN03_TheStoreDoesTheSameWork(t *testing.T) {
	store := &stepCounter{Store: storetest.NewMemory()}
	k := newKitOn(t, store, newClock(), func(c *usher.Config) { c.ConfirmFirst = true; c.Mailer = neverMailer })
	for _, in := range []usher.UserImport{
		{LoginIDs: []string{"verified@example.com"}, EmailVerified: true},
		{LoginIDs: []string{"unverified@example.com"}},
		{LoginIDs: []string{"disabled@example.com"}, Disabled: true},
		{LoginIDs: []string{"bob"}},
	} {
		if _, err := k.ImportUser(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	for name, act := range map[string]func(loginID string) error{
		"reset": func(id string) error { return k.SendPasswordReset(ctx, usher.SendPasswordReset{LoginID: id}, home) },
		"sign-up": func(id string) error {
			_, err := k.SignUp(ctx, usher.SignUp{LoginID: id, Email: map[bool]string{true: "b@example.com"}[id == "bob"], Password: goodPassword}, home)
			return err
		},
		"sign-in": func(id string) error {
			if err := k.trySignIn(id, otherPassword, home); err != usher.ErrInvalidCredentials {
				return err
			}
			return nil
		},
	} {
		want := int64(-1)
		for _, id := range []string{
			"unknown-" + name + "@example.com", "verified@example.com", "unverified@example.com", "disabled@example.com", "bob",
		} {
			store.writes.Store(0)
			if err := act(id); err != nil {
				t.Fatalf("%s of %s: %v", name, id, err)
			}
			got := store.writes.Load()
			if want < 0 {
				want = got
			}
			if got != want || got == 0 {
				t.Errorf("%s of %s: %d steps that write, want %d as for somebody unknown", name, id, got, want)
			}
		}
	}
}

// stepCounter counts the steps that must reach the disk.
type stepCounter struct {
	usher.Store
	writes atomic.Int64
}

func (s *stepCounter) TakeLimits(ctx context.Context, now time.Time, l []usher.Limit) (usher.LimitResult, error) {
	s.writes.Add(1)
	return s.Store.TakeLimits(ctx, now, l)
}

func (s *stepCounter) GiveBackLimits(ctx context.Context, keys []string) error {
	s.writes.Add(1)
	return s.Store.GiveBackLimits(ctx, keys)
}

func (s *stepCounter) CreateUser(ctx context.Context, c usher.UserCreation) error {
	s.writes.Add(1)
	return s.Store.CreateUser(ctx, c)
}

func (s *stepCounter) AddOneTimeToken(ctx context.Context, t usher.OneTimeToken, n int, fx usher.Effects) error {
	s.writes.Add(1)
	return s.Store.AddOneTimeToken(ctx, t, n, fx)
}

func (s *stepCounter) Record(ctx context.Context, fx usher.Effects) error {
	s.writes.Add(1)
	return s.Store.Record(ctx, fx)
}
