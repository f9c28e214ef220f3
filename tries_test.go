package usher_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

func withTries(n int) func(*usher.Config) {
	return func(c *usher.Config) { c.Limits.NetworkTries = n }
}

// Nobody keeps the machine hashing with a password of his own.
func TestLM02_RightPasswordsAreCountedToo(t *testing.T) {
	t.Parallel()
	k := newKit(t, withTries(10))
	a := k.signUp(ann)
	for range 10 {
		k.signIn(ann, goodPassword, home)
	}
	hashes := k.Hashes()
	l := wantLimit(t, k.trySignIn(ann, goodPassword, home))
	if l.Limit != "network_tries" || l.RetryAfter != 5*time.Minute || k.Hashes() != hashes {
		t.Errorf("wait %s for %s, %d hashes", l.RetryAfter, l.Limit, k.Hashes()-hashes)
	}
	wantLimit(t, k.replace(ann, goodPassword, otherPassword))
	wantLimit(t, k.trySignIn("unknown@example.com", goodPassword, home))
	_, err := k.UpdatePassword(ctx, k.claims(a), usher.UpdatePassword{NewPassword: otherPassword, CurrentPassword: goodPassword}, home)
	wantLimit(t, err)

	k.signIn(ann, goodPassword, nth(1)) // another network
	k.clock.add(5 * time.Minute)
	k.signIn(ann, goodPassword, home)
}

// A known browser is not kept out by what others do in its network, and has no
// more tries than they have.
func TestSI04_NeighboursDoNotUseUpTheOwnersTries(t *testing.T) {
	t.Parallel()
	k := newKit(t, withTries(10))
	owner := home
	owner.Device = k.signUp(ann).Device
	k.signUp("eve@example.com")
	for range 10 {
		k.signIn("eve@example.com", goodPassword, home)
	}
	wantLimit(t, k.trySignIn("eve@example.com", goodPassword, home))

	// All browsers of an account count together, wherever they are.
	for i := range 10 {
		a := k.signIn(ann, goodPassword, owner)
		owner = nth(i)
		owner.Device = a.Device
	}
	wantLimit(t, k.trySignIn(ann, goodPassword, owner))
}

// The default is a number that an office behind one address does not reach: a
// sign-in each second for five minutes.
func TestLM02_TriesOfANetworkByDefault(t *testing.T) {
	t.Parallel()
	spy := &limitSpy{Store: memory.New()}
	k := newKitOn(t, spy, newClock())
	k.signUp(ann)
	k.signIn(ann, goodPassword, home)
	tries := func(l store.Limit) bool { return l.Max == 300 && l.Window == 5*time.Minute && l.Backoff == 0 }
	if !slices.ContainsFunc(spy.last, tries) {
		t.Errorf("the limits of a sign-in are %+v", spy.last)
	}
}

// limitSpy keeps the limits that were taken last.
type limitSpy struct {
	store.Store
	last []store.Limit
}

func (s *limitSpy) TakeLimits(ctx context.Context, now time.Time, l []store.Limit) (store.LimitResult, error) {
	s.last = l
	return s.Store.TakeLimits(ctx, now, l)
}
