package usher_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store/memory"
)

// leakList is a list of leaked passwords. Once leaked is set, it has every password.
type leakList struct {
	leaked atomic.Bool
	fails  atomic.Pointer[error]
	asked  atomic.Int64
	wait   func(context.Context) error // nil answers at once
}

func (l *leakList) Breached(ctx context.Context, _ [20]byte) (bool, error) {
	l.asked.Add(1)
	if l.wait != nil {
		if err := l.wait(ctx); err != nil {
			return false, err
		}
	}
	if err := l.fails.Load(); err != nil {
		return false, *err
	}
	return l.leaked.Load(), nil
}

// withLeakList sets what a sign-in with a leaked password does.
func withLeakList(l *leakList, action usher.BreachedAction) func(*usher.Config) {
	return func(c *usher.Config) { c.Password.Breached, c.BreachedAtSignIn = l, action }
}

// leakedKit returns a Service whose only user, with a verified address, has a password that
// has leaked since.
func leakedKit(t *testing.T, action usher.BreachedAction) (*kit, *leakList, *usher.Authentication) {
	t.Helper()
	l := &leakList{}
	k := newKit(t, withLeakList(l, action))
	a := k.signUpVerified(ann)
	l.leaked.Store(true)
	l.asked.Store(0)
	return k, l, a
}

// wantBreached requires that an error demands another password.
func wantBreached(t *testing.T, err error, byEmail bool) {
	t.Helper()
	var breached *usher.BreachedPasswordError
	if !errors.As(err, &breached) || breached.ByEmail != byEmail || errors.Is(err, usher.ErrPasswordExpired) == byEmail {
		t.Fatalf("got %v, want a BreachedPasswordError, by email: %t", err, byEmail)
	}
}

func TestPO09_TheSettingNeedsAList(t *testing.T) {
	for _, action := range []usher.BreachedAction{usher.BreachedNotified, usher.BreachedReplaced} {
		wantConfigError(t, "BreachedAtSignIn", func(c *usher.Config) { c.BreachedAtSignIn = action })
	}
	wantConfigError(t, "BreachedAtSignIn", withLeakList(&leakList{}, "refuse"))
	k, l, _ := leakedKit(t, usher.BreachedAllowed)
	k.signIn(ann, goodPassword, home)
	if n := l.asked.Load(); n != 0 {
		t.Errorf("by default, a sign-in asks the list %d times", n)
	}
}

func TestPO09_ALeakedPasswordSignsInAndTheUserIsNotified(t *testing.T) {
	t.Parallel()
	k, l, a := leakedKit(t, usher.BreachedNotified)
	signIn := func(lookUps int64, events, emails string) {
		t.Helper()
		k.events.reset()
		before, hashes := l.asked.Load(), k.Hashes()
		c := home
		c.Device = a.Device
		k.signIn(ann, goodPassword, c)
		if n := l.asked.Load() - before; n != lookUps {
			t.Errorf("%d look-ups, want %d", n, lookUps)
		}
		if n := k.Hashes() - hashes; n != 1 {
			t.Errorf("%d hashes, want one", n)
		}
		k.wantEvents(events)
		for _, m := range k.wantEmails(emails) {
			if m.To != ann || m.Link != "" || m.UserID != a.User.ID {
				t.Errorf("the notice is %+v", m)
			}
		}
	}
	signIn(1, "authn_password_breached:notified authn_login_success session_created", "password_breached")
	signIn(0, "authn_login_success session_created", "")
	k.clock.add(3 * 24 * time.Hour)
	signIn(1, "authn_login_success session_created", "")
	k.clock.add(5 * 24 * time.Hour)
	signIn(1, "authn_password_breached:notified authn_login_success session_created", "password_breached")

	// A sign-in by other means and a refresh look nothing up.
	before := l.asked.Load()
	b := k.startSession(a.User.ID, home)
	usher.Must(k.RefreshSession(ctx, b.Tokens.Refresh, home))
	if n := l.asked.Load() - before; n != 0 {
		t.Errorf("%d look-ups without a password", n)
	}
}

// An address that was not verified may be another person's.
func TestPO09_AnUnverifiedAddressGetsNoNotice(t *testing.T) {
	t.Parallel()
	for _, action := range []usher.BreachedAction{usher.BreachedNotified, usher.BreachedReplaced} {
		l := &leakList{}
		k := newKit(t, withLeakList(l, action))
		k.signUp(ann)
		k.wantEmails("verify_email")
		l.leaked.Store(true)
		k.events.reset()
		_ = k.trySignIn(ann, goodPassword, home)
		k.wantEmails("")
		if n := k.events.count(usher.EventPasswordBreached); n != 1 {
			t.Errorf("%q: %d events, want one", action, n)
		}
	}
}

func TestPO10_OnlyAnEmailedLinkReplacesALeakedPassword(t *testing.T) {
	t.Parallel()
	k, l, a := leakedKit(t, usher.BreachedReplaced)
	wantErr(t, k.trySignIn(ann, otherPassword, home), usher.ErrInvalidCredentials)
	k.events.reset()
	hashes := k.Hashes()
	for range 2 {
		wantBreached(t, k.trySignIn(ann, goodPassword, home), true)
		wantBreached(t, k.replace(ann, goodPassword, otherPassword), true)
	}
	k.wantEvents("authn_password_breached:must_be_replaced authn_password_expired:breached authn_password_expired:breached authn_password_expired:breached authn_password_expired:breached")
	k.wantEmails("password_breached")
	if n := l.asked.Load(); n != 1 || k.Hashes()-hashes != 4 {
		t.Errorf("%d look-ups and %d hashes, want one and four", n, k.Hashes()-hashes)
	}
	if !k.isLive(a) {
		t.Error("the sessions from before have ended")
	}

	// Neither an operator who lets the password expire nor an outage of the list makes it
	// replaceable again, and it cannot be chosen again.
	if err := k.Operator("ops").ExpirePassword(ctx, a.User.ID); err != nil {
		t.Fatal(err)
	}
	outage := errors.New("out of reach")
	l.fails.Store(&outage)
	wantBreached(t, k.trySignIn(ann, goodPassword, home), true)
	wantBreached(t, k.replace(ann, goodPassword, otherPassword), true)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	_, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: goodPassword}, home)
	wantPolicy(t, err, password.CodeReused)
	usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: thirdPassword}, home))
	k.signIn(ann, thirdPassword, home)
}

// The demand cannot be avoided by a replacement without a sign-in before it, nor by the
// confirmation of a session.
func TestPO10_NoOtherWayTakesALeakedPassword(t *testing.T) {
	t.Parallel()
	k, _, _ := leakedKit(t, usher.BreachedReplaced)
	wantBreached(t, k.replace(ann, goodPassword, otherPassword), true)

	k, l, a := leakedKit(t, usher.BreachedReplaced)
	_, err := k.reauthenticate(a, goodPassword)
	wantBreached(t, err, true)
	if !k.isLive(a) {
		t.Error("the session has ended")
	}
	// The session and the password together set another one, as a recent session alone does.
	l.leaked.Store(false)
	in := usher.UpdatePasswordParams{NewPassword: thirdPassword, CurrentPassword: goodPassword}
	a = usher.Must(k.UpdatePassword(ctx, k.claims(a), in, home))
	usher.Must(k.reauthenticate(a, thirdPassword))
}

// A user whom no email can reach replaces the password with the password itself.
func TestPO10_WithoutAVerifiedAddressThePasswordReplacesItself(t *testing.T) {
	t.Parallel()
	for _, id := range []string{ann, "ann"} {
		l := &leakList{}
		k := newKit(t, withLeakList(l, usher.BreachedReplaced))
		k.signUp(id)
		l.leaked.Store(true)
		wantBreached(t, k.trySignIn(id, goodPassword, home), false)
		l.leaked.Store(false) // the new one is not in the list
		wantPolicy(t, k.replace(id, goodPassword, goodPassword), password.CodeReused)
		wantErr(t, k.replace(id, otherPassword, thirdPassword), usher.ErrInvalidCredentials)
		if err := k.replace(id, goodPassword, thirdPassword); err != nil {
			t.Fatal(err)
		}
		k.signIn(id, thirdPassword, home)
	}
}

// The demand of an emailed link stays if an operator takes the verified address away: the new
// one proves nothing until an email was answered there.
func TestPO10_AnAddressOfAnOperatorDoesNotMeetTheDemand(t *testing.T) {
	t.Parallel()
	const moved = "moved@example.com"
	for name, address := range map[string]usher.EmailAddress{"unverified": {Address: moved}, "none": {}, "verified": {Address: moved, Verified: true}} {
		k, l, a := leakedKit(t, usher.BreachedReplaced)
		wantBreached(t, k.trySignIn(ann, goodPassword, home), true)
		usher.Must(k.Operator("ops").UpdateUser(ctx, a.User.ID, usher.UpdateUserParams{Email: &address}))
		l.leaked.Store(false) // the new one is not in the list
		if name == "verified" {
			wantBreached(t, k.trySignIn(ann, goodPassword, home), true)
			wantBreached(t, k.replace(ann, goodPassword, thirdPassword), true)
		} else {
			wantErr(t, k.trySignIn(ann, goodPassword, home), usher.ErrInvalidCredentials)
			wantErr(t, k.replace(ann, goodPassword, thirdPassword), usher.ErrInvalidCredentials)
		}
		if !k.isLive(a) {
			t.Errorf("%s: the session has ended", name)
		}
		if name == "none" {
			if err := k.Operator("ops").SetPassword(ctx, a.User.ID, thirdPassword, false); err != nil {
				t.Fatal(err)
			}
		} else {
			kind := map[bool]usher.MessageKind{true: usher.MessageResetPassword, false: usher.MessageConfirmAndReset}[address.Verified]
			raw := k.resetToken(ann, kind)
			_, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: goodPassword}, home)
			wantPolicy(t, err, password.CodeReused)
			usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: thirdPassword}, home))
		}
		k.signIn(ann, thirdPassword, home)
	}
}

// Attempts that wait for the list at the same time all wait for its answer: none signs in
// because another one is looking the password up.
func TestPO10_OfManySignInsAtOnceNoneIsLetIn(t *testing.T) {
	t.Parallel()
	k, l, _ := leakedKit(t, usher.BreachedReplaced)
	kits := []*kit{k, k.secondInstance()}
	all := make(chan bool)
	var waiting atomic.Int64
	l.wait = func(context.Context) error {
		if waiting.Add(1) == 64 {
			close(all)
		}
		select {
		case <-all:
		case <-time.After(10 * time.Second):
			t.Error("an attempt did not wait for the answer of the list")
		}
		return nil
	}
	concurrently(64, func(i int) {
		var breached *usher.BreachedPasswordError
		if err := kits[i%2].trySignIn(ann, goodPassword, nth(i)); !errors.As(err, &breached) {
			t.Errorf("a sign-in: %v", err)
		}
	})
	k.wantEmails("password_breached")
	if n := len(usher.Must(k.Operator("ops").Events(ctx, usher.EventQuery{Name: usher.EventPasswordBreached})).Events); n != 1 {
		t.Errorf("%d events, want one", n)
	}
}

// Neither a wrong password nor a user who may not sign in is looked up, and the answer and
// its cost do not depend on the list.
func TestPO11_OnlyTheRightPasswordIsLookedUp(t *testing.T) {
	t.Parallel()
	for _, action := range []usher.BreachedAction{usher.BreachedNotified, usher.BreachedReplaced} {
		k, l, a := leakedKit(t, action)
		hashes := k.Hashes()
		for _, id := range []string{ann, "nobody@example.com"} {
			if err := k.trySignIn(id, otherPassword, home); err != usher.ErrInvalidCredentials {
				t.Errorf("%q, %s: %v", action, id, err)
			}
			if err := k.replace(id, otherPassword, thirdPassword); err != usher.ErrInvalidCredentials {
				t.Errorf("%q, replacement for %s: %v", action, id, err)
			}
		}
		if n := k.Hashes() - hashes; n != 4 {
			t.Errorf("%q: 4 attempts cost %d hashes", action, n)
		}
		if err := k.Operator("ops").Disable(ctx, a.User.ID); err != nil {
			t.Fatal(err)
		}
		wantErr(t, k.trySignIn(ann, goodPassword, home), usher.ErrUserDisabled)
		wantErr(t, k.replace(ann, goodPassword, thirdPassword), usher.ErrUserDisabled)
		if n := l.asked.Load(); n != 0 {
			t.Errorf("%q: %d look-ups", action, n)
		}
	}
	l := &leakList{}
	k := newKit(t, withLeakList(l, usher.BreachedReplaced), func(c *usher.Config) { c.ConfirmFirst = true })
	usher.Must(k.Service.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: goodPassword}, home))
	l.leaked.Store(true)
	before := l.asked.Load()
	wantErr(t, k.trySignIn(ann, goodPassword, home), usher.ErrInvalidCredentials)
	if n := l.asked.Load() - before; n != 0 {
		t.Errorf("%d look-ups for an address that is not confirmed", n)
	}
}

// While the list fails, users sign in, and the next sign-in asks again.
func TestPO11_AnOutageOfTheListRefusesNoSignIn(t *testing.T) {
	t.Parallel()
	for _, action := range []usher.BreachedAction{usher.BreachedNotified, usher.BreachedReplaced} {
		var failures atomic.Int64
		l := &leakList{}
		k := newKit(t, withLeakList(l, action), func(c *usher.Config) { c.Password.OnBreachError = func(error) { failures.Add(1) } })
		k.signUpVerified(ann)
		l.leaked.Store(true)
		l.asked.Store(0)
		outage := errors.New("out of reach")
		l.fails.Store(&outage)
		for range 3 {
			k.signIn(ann, goodPassword, home)
		}
		if n := failures.Load(); n != 3 || l.asked.Load() != 3 {
			t.Errorf("%q: %d failures of %d look-ups were reported, want 3", action, n, l.asked.Load())
		}
		if n := len(usher.Must(k.Operator("ops").Events(ctx, usher.EventQuery{Name: usher.EventBreachCheckFailed})).Events); n != 1 {
			t.Errorf("%q: %d events in the table, want one in a minute", action, n)
		}
		l.fails.Store(nil)
		_ = k.trySignIn(ann, goodPassword, home)
		if n := k.events.count(usher.EventPasswordBreached); n != 1 {
			t.Errorf("%q: %d events after the outage", action, n)
		}
	}
}

func TestPO11_AListThatHangsDelaysASignInByASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &leakList{}
		k := newInstance(t, memory.New(), withLeakList(l, usher.BreachedReplaced), func(c *usher.Config) { c.Hashing = testhash.Config() })
		k.signUp(ann)
		l.wait = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		start := time.Now()
		k.signIn(ann, goodPassword, home)
		if d := time.Since(start); d != time.Second {
			t.Errorf("the sign-in took %s, want 1s", d)
		}
	})
}

// If the demand cannot be stored, nobody signs in.
func TestPO11_AnOutageOfTheStoreFailsClosed(t *testing.T) {
	t.Parallel()
	for action, method := range map[usher.BreachedAction]string{usher.BreachedReplaced: "ChangePassword", usher.BreachedNotified: "Record"} {
		l := &leakList{}
		f := &faulty{Store: memory.New(), mode: "fail"}
		k := newKitOn(t, f, newClock(), withLeakList(l, action))
		k.signUpVerified(ann)
		l.leaked.Store(true)
		for f.at = 1; ; f.at++ {
			f.calls.Store(0)
			f.hit = nil
			r, err := k.Service.SignIn(countedContext(ctx), usher.SignInParams{LoginID: ann, Password: goodPassword}, home)
			if len(f.hit) == 0 {
				t.Fatalf("%q: no sign-in calls %s", action, method)
			}
			if f.hit[0] == method {
				wantErr(t, err, usher.ErrUnavailable)
				if r.Authentication != nil {
					t.Error("signed in")
				}
				break
			}
		}
		f.at = 0
		_ = k.trySignIn(ann, goodPassword, home)
		k.wantEmails("password_breached")
	}
}

func TestPO09_HangingUpPreventsNoNotice(t *testing.T) {
	t.Parallel()
	l, s := &leakList{}, &cut{Store: memory.New()}
	k := newKitOn(t, s, newClock(), withLeakList(l, usher.BreachedNotified))
	k.signUpVerified(ann)
	l.leaked.Store(true)
	_, _ = k.SignIn(s.next("Record"), usher.SignInParams{LoginID: ann, Password: goodPassword}, home)
	k.signIn(ann, goodPassword, home)
	k.wantEmails("password_breached")
}
