package usher_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// neverMailer is a mail server that takes for ever.
var neverMailer = usher.MailerFunc(func(ctx context.Context, _ usher.Message) error {
	<-ctx.Done()
	return ctx.Err()
})

// The same store, the same work: how many steps an answer takes does not tell
// who exists, however slow the disk is.
func TestEN03_TheStoreDoesTheSameWork(t *testing.T) {
	store := &stepCounter{Store: memory.New()}
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
	store.Store
	writes atomic.Int64
}

func (s *stepCounter) TakeLimits(ctx context.Context, now time.Time, l []store.Limit) (store.LimitResult, error) {
	s.writes.Add(1)
	return s.Store.TakeLimits(ctx, now, l)
}

func (s *stepCounter) GiveBackLimits(ctx context.Context, keys []string) error {
	s.writes.Add(1)
	return s.Store.GiveBackLimits(ctx, keys)
}

func (s *stepCounter) CreateUser(ctx context.Context, c store.UserCreation) error {
	s.writes.Add(1)
	return s.Store.CreateUser(ctx, c)
}

func (s *stepCounter) AddOneTimeToken(ctx context.Context, a store.TokenAddition) error {
	s.writes.Add(1)
	return s.Store.AddOneTimeToken(ctx, a)
}

func (s *stepCounter) Record(ctx context.Context, fx store.Effects) error {
	s.writes.Add(1)
	return s.Store.Record(ctx, fx)
}
