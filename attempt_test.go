package usher_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// slowStore needs that long to look up an account.
type slowStore struct {
	store.Store
	takes time.Duration
}

func (s slowStore) AccountByLoginID(ctx context.Context, canonical string) (store.Account, error) {
	select {
	case <-time.After(s.takes):
		return s.Store.AccountByLoginID(ctx, canonical)
	case <-ctx.Done():
		return store.Account{}, ctx.Err()
	}
}

// callCounter counts the store calls that attempts cause.
type callCounter struct {
	store.Store
	reads, counts atomic.Int64
}

func (s *callCounter) AccountByLoginID(ctx context.Context, canonical string) (store.Account, error) {
	s.reads.Add(1)
	return s.Store.AccountByLoginID(ctx, canonical)
}

func (s *callCounter) TakeLimits(ctx context.Context, now time.Time, l []store.Limit) (store.LimitResult, error) {
	s.counts.Add(1)
	return s.Store.TakeLimits(ctx, now, l)
}

// In a storm of sign-ins, only those that can be hashed in time reach the store. A device
// token of another user, which any number of clients can share, does not change that.
func TestLM02_AStormIsTurnedAwayBeforeTheStore(t *testing.T) {
	for name, withToken := range map[string]bool{"unknown browsers": false, "with the device token of another user": true} {
		t.Run(name, func(t *testing.T) { storm(t, withToken) })
	}
}

func storm(t *testing.T, withToken bool) {
	store := &callCounter{Store: memory.New()}
	k := newKitOn(t, store, newClock(), withRealHash, func(c *usher.Config) {
		c.Hashing.Slots, c.Hashing.QueueWait = 1, 200*time.Millisecond
	})
	device := k.signUp("ann@example.com").Device // measures how long a hash takes
	store.reads.Store(0)
	store.counts.Store(0)
	k.events.reset()
	var judged, busy atomic.Int64
	concurrently(500, func(i int) {
		c := nth(i)
		if withToken {
			c.Device = device
		}
		err := k.trySignIn(fmt.Sprintf("u%d@example.com", i), otherPassword, c)
		var l *usher.LimitError
		switch {
		case errors.Is(err, usher.ErrInvalidCredentials):
			judged.Add(1)
		case errors.As(err, &l) && l.Limit == "hashing" && l.RetryAfter >= time.Second:
			busy.Add(1)
		default:
			t.Error(err)
		}
	})
	// At most the admitted number at a time, and those that came while the queue had
	// room.
	if most := judged.Load() + 100; store.counts.Load() > most || !withToken && store.reads.Load() > most {
		t.Errorf("%d look-ups and %d counts for %d checked attempts of 500", store.reads.Load(), store.counts.Load(), judged.Load())
	}
	if got := k.events.count(usher.EventThrottled); judged.Load() == 0 || int64(got) != busy.Load() {
		t.Errorf("%d checked, %d refused, %d events of refusals", judged.Load(), busy.Load(), got)
	}
	k.signIn("ann@example.com", goodPassword, home)
}

// An attempt that waits too long is refused: as one too many if the store only has much
// to do, and as an outage if the store does not answer.
func TestLM02_FB06_OnlyABusyStoreIsALimit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		calls     int
		takes     time.Duration // a look-up in the store
		busy, out int           // refusals
	}{
		"fast":                 {40, 10 * time.Millisecond, 0, 0},
		"busy":                 {100, 90 * time.Millisecond, 100 - 2*32, 0},
		"hangs":                {40, time.Hour, 0, 40},
		"hangs, a storm":       {400, time.Hour, 0, 400},
		"slower than the wait": {100, 150 * time.Millisecond, 0, 100 - 32},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var busy, out, events atomic.Int64
				k := newInstance(t, slowStore{memory.New(), c.takes}, func(c *usher.Config) {
					c.Hashing.QueueWait = 110 * time.Millisecond
					c.OnEvent = func(_ context.Context, e usher.Event) {
						if e.Name == usher.EventThrottled && e.Reason == "hashing" && e.Address != "" {
							events.Add(1)
						}
					}
				})
				concurrently(c.calls, func(i int) {
					call, cancel := context.WithTimeout(ctx, 5*time.Second)
					defer cancel()
					_, err := k.SignIn(call, usher.SignInParams{LoginID: fmt.Sprintf("u%d@example.com", i), Password: otherPassword}, nth(i))
					var l *usher.LimitError
					switch {
					case errors.As(err, &l):
						busy.Add(1)
					case errors.Is(err, usher.ErrUnavailable):
						out.Add(1)
					}
				})
				if synctest.Wait(); busy.Load() != int64(c.busy) || events.Load() != int64(c.busy) || out.Load() != int64(c.out) {
					t.Errorf("of %d sign-ins %d were too many (%d events) and %d met an outage, want %d and %d", c.calls, busy.Load(), events.Load(), out.Load(), c.busy, c.out)
				}
			})
		})
	}
	k := newKit(t)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := k.SignIn(gone, usher.SignInParams{LoginID: "ann@example.com", Password: otherPassword}, home); err == nil {
		t.Error("a caller that hung up got a result")
	}
}

// An event hook or a log handler that hangs delays only the refused requests.
func TestLG05_AHookThatHangsDelaysOnlyRefusedRequests(t *testing.T) {
	hang := make(chan struct{})
	stuck := make(chan struct{}, 100)
	k := newKitOn(t, memory.New(), newClock(), func(c *usher.Config) {
		c.Hashing.QueueWait = 200 * time.Millisecond
		c.OnEvent = func(_ context.Context, e usher.Event) {
			if e.Name == usher.EventThrottled && e.Reason != "hashing" {
				stuck <- struct{}{}
				<-hang
			}
		}
	})
	k.signUp("ann@example.com")
	for i := range 20 { // afterwards this network is refused
		_ = k.trySignIn(fmt.Sprintf("x%d@example.com", i), otherPassword, nth(7))
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() { _ = k.trySignIn(fmt.Sprintf("x%d@example.com", i), otherPassword, nth(7)) })
	}
	for range 40 {
		<-stuck
	}
	if err := k.trySignIn("ann@example.com", goodPassword, nth(100)); err != nil {
		t.Errorf("the sign-in of another user: %v", err)
	}
	close(hang)
	wg.Wait()
}

func withNetworkAttempts(n int) func(*usher.Config) {
	return func(c *usher.Config) { c.Limits.NetworkAttempts = n }
}

// Sign-ins with the right password count too, so that a client with an account
// cannot keep the instance hashing.
func TestLM02_RightPasswordsAreCountedToo(t *testing.T) {
	t.Parallel()
	k := newKit(t, withNetworkAttempts(10))
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
	_, err := k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{NewPassword: otherPassword, CurrentPassword: goodPassword}, home)
	wantLimit(t, err)

	k.signIn(ann, goodPassword, nth(1)) // another network
	k.clock.add(5 * time.Minute)
	k.signIn(ann, goodPassword, home)
}

// A known browser is not blocked by the attempts of others in its network, and has
// no more attempts than they have.
func TestSI04_NeighboursDoNotUseUpTheOwnersAttempts(t *testing.T) {
	t.Parallel()
	k := newKit(t, withNetworkAttempts(10))
	owner := home
	owner.Device = k.signUp(ann).Device
	k.signUp("eve@example.com")
	for range 10 {
		k.signIn("eve@example.com", goodPassword, home)
	}
	wantLimit(t, k.trySignIn("eve@example.com", goodPassword, home))

	// All known browsers of an account share one counter, whatever their network.
	for i := range 10 {
		a := k.signIn(ann, goodPassword, owner)
		owner = nth(i)
		owner.Device = a.Device
	}
	wantLimit(t, k.trySignIn(ann, goodPassword, owner))
}

// An office behind one address does not reach the default: one sign-in a second for
// five minutes.
func TestLM02_AttemptsOfANetworkByDefault(t *testing.T) {
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

// limitSpy records the limits of the last TakeLimits.
type limitSpy struct {
	store.Store
	last []store.Limit
}

func (s *limitSpy) TakeLimits(ctx context.Context, now time.Time, l []store.Limit) (store.LimitResult, error) {
	s.last = l
	return s.Store.TakeLimits(ctx, now, l)
}

// A device token issued before the last password change, or before the owner claimed
// the account, is ignored.
func TestSI04_ADeviceOfAnEarlierPasswordIsAnUnknownBrowser(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(k *kit, a *usher.Authentication){
		"claim": func(k *kit, _ *usher.Authentication) {
			raw := k.resetToken(ann, usher.MessageConfirmAndReset)
			usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, home))
		},
		"update": func(k *kit, a *usher.Authentication) {
			usher.Must(k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{NewPassword: otherPassword}, home))
		},
		"replace": func(k *kit, _ *usher.Authentication) {
			if err := k.replace(ann, goodPassword, otherPassword); err != nil {
				k.t.Fatal(err)
			}
		},
		"operator": func(k *kit, a *usher.Authentication) {
			if err := k.Operator("test").SetPassword(ctx, a.User.ID, otherPassword, false); err != nil {
				k.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			a := k.signUp(ann)
			earlier := from("203.0.113.9")
			earlier.Device = a.Device
			k.clock.add(time.Minute)
			k.signIn(ann, goodPassword, earlier)
			if k.events.count(usher.EventSignInNewDevice) != 0 {
				t.Fatal("the browser is not known before the change")
			}
			change(k, a)
			k.clock.add(time.Second)
			k.events.reset()
			k.signIn(ann, otherPassword, earlier)
			if k.events.count(usher.EventSignInNewDevice) != 1 {
				t.Error("the browser is still known after the change")
			}
		})
	}
}

// The browser that changed the password stays known and keeps its counter.
func TestSI04_WhoChangesThePasswordStaysKnown(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	owner := from("203.0.113.9")
	a := k.signUp(ann)
	owner.Device = a.Device
	k.clock.add(time.Minute)

	updated := usher.Must(k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{NewPassword: otherPassword}, owner))
	owner.Device = updated.Device
	k.clock.add(time.Minute)
	k.events.reset()
	k.signIn(ann, otherPassword, owner)
	k.wantEvents("authn_login_success session_created")

	replaced := usher.Must(k.ReplacePassword(ctx, usher.ReplacePasswordParams{
		LoginID: ann, OldPassword: otherPassword, NewPassword: thirdPassword,
	}, owner))
	owner.Device = replaced.Device
	k.clock.add(time.Minute)
	k.events.reset()
	k.signIn(ann, thirdPassword, owner)
	k.wantEvents("authn_login_success session_created")

	// One browser has one counter: the new token does not add five free failures.
	for range 3 {
		k.failSignIn(ann, owner)
	}
	again := usher.Must(k.UpdatePassword(ctx, k.claims(replaced), usher.UpdatePasswordParams{NewPassword: "quiet badger paints sky"}, owner))
	owner.Device = again.Device
	for range 2 {
		k.failSignIn(ann, owner)
	}
	wantLimit(t, k.trySignIn(ann, "quiet badger paints sky", owner))
}

// A change of the secret opens no locked password, nor does it start the run of
// failures again.
func TestSI02_ALockOutlivesAChangeOfSecret(t *testing.T) {
	t.Parallel()
	lockAt3 := func(c *usher.Config) { c.Password.LockAttempts = 3 }
	before := newKit(t, lockAt3)
	before.signUp(ann)
	before.signUp("bob@example.com")
	for i := range 3 {
		before.failSignIn(ann, nth(i))
		if i > 0 {
			before.failSignIn("bob@example.com", nth(i))
		}
	}
	before.Close(ctx)

	sendsNothing := func(c *usher.Config) { c.NoBackground = true }
	k := newKitOn(t, before.store, before.clock, lockAt3, withSecrets(secret2, secret), sendsNothing)
	wantErr(t, k.trySignIn(ann, goodPassword, nth(10)), usher.ErrInvalidCredentials)
	k.wantEvents("authn_login_lock authn_login_fail:locked") // with a new secret, a lock is reported again
	k.failSignIn("bob@example.com", nth(11))
	k.wantEvents("authn_login_fail:wrong_password authn_login_lock")
	wantErr(t, k.trySignIn("bob@example.com", goodPassword, nth(12)), usher.ErrInvalidCredentials)

	// During the change instances have the secrets in different order.
	other := newKitOn(t, before.store, before.clock, lockAt3, withSecrets(secret, secret2))
	wantErr(t, other.trySignIn(ann, goodPassword, nth(13)), usher.ErrInvalidCredentials)
	raw := other.resetToken(ann, usher.MessageConfirmAndReset)
	usher.Must(other.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, home))
	k.signIn(ann, otherPassword, nth(14))
}

// A change costs a hash, whichever of many changes at the same time wins. One account
// or one link must not occupy the hashing slots of all users.
func TestSI10_ChangesOfThePasswordAreCountedBeforeTheyHash(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	claims := k.claims(k.signUpVerified(ann))
	k.signUpVerified("bob@example.com")
	raw := k.resetToken("bob@example.com", usher.MessageResetPassword)
	for _, c := range []struct {
		name   string
		hashes uint64
		change func(pw usher.Secret, c usher.Client) error
	}{
		{"by a recent session", 5, func(pw usher.Secret, c usher.Client) error {
			return errOf(k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: pw}, c))
		}},
		{"by a link", 5, func(pw usher.Secret, c usher.Client) error {
			return errOf(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: pw}, c))
		}},
	} {
		before := k.Hashes()
		concurrently(64, func(i int) {
			err := c.change(usher.Secret(fmt.Sprintf("another password %d", i)), nth(i))
			var limit *usher.LimitError
			if errors.As(err, &limit) && limit.Limit != "password_changes" {
				t.Errorf("%s: %v", c.name, err)
			}
		})
		if n := k.Hashes() - before; n > c.hashes {
			t.Errorf("%s: 64 changes at once computed %d hashes, at most %d are meant", c.name, n, c.hashes)
		}
	}
}
