package usher_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/store/sqlite"
)

// openSQLite returns a store in a new file.
func openSQLite(t *testing.T) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "usher.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// gate holds successes back until the expected number of attempts has been counted,
// so that the right password cannot reset the counter before all attempts were
// counted.
type gate struct {
	store.Store
	tries   atomic.Int64
	counted chan struct{}
}

// expect must be called once, before the attempts.
func (g *gate) expect(n int) {
	g.counted = make(chan struct{})
	g.tries.Store(int64(n))
}

// wait returns when all attempts are counted, or after a time limit.
func (g *gate) wait() {
	if g.counted == nil {
		return
	}
	select {
	case <-g.counted:
	case <-time.After(10 * time.Second):
	}
}

func (g *gate) TakeLimits(ctx context.Context, now time.Time, l []store.Limit) (store.LimitResult, error) {
	r, err := g.Store.TakeLimits(ctx, now, l)
	if g.tries.Add(-1) == 0 {
		close(g.counted)
	}
	return r, err
}

func (g *gate) StartSession(ctx context.Context, s store.SessionStart) ([]store.Event, error) {
	g.wait()
	return g.Store.StartSession(ctx, s)
}

func TestSI07_CountedBeforeTheCheckForAllInstancesTogether(t *testing.T) {
	for name, open := range map[string]func(*testing.T) store.Store{
		"memory": func(*testing.T) store.Store { return memory.New() },
		"sqlite": openSQLite,
	} {
		for _, instances := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, %d instances", name, instances), func(t *testing.T) {
				t.Parallel()
				store := &gate{Store: open(t)}
				k := newKitOn(t, store, newClock())
				all := []*kit{k, k}
				if instances == 2 {
					all[1] = k.secondInstance()
				}
				k.signUp("ann@example.com")
				before := all[0].Hashes() + all[1].Hashes()
				store.expect(100)
				var judged, limited atomic.Int64
				concurrently(100, func(i int) {
					pw := usher.Secret(fmt.Sprintf("wrong guess number %d", i))
					if i == 50 {
						pw = goodPassword
					}
					err := all[i%2].trySignIn("ann@example.com", pw, home)
					var l *usher.LimitError
					switch {
					case errors.As(err, &l):
						limited.Add(1)
					case err == nil || errors.Is(err, usher.ErrInvalidCredentials):
						judged.Add(1)
					default:
						t.Error(err)
					}
				})
				hashes := all[0].Hashes() + all[1].Hashes() - before
				if instances == 1 {
					hashes /= 2
				}
				if hashes > 5 || judged.Load() != 5 || limited.Load() != 95 {
					t.Errorf("%d hashes, %d judged, %d limited, want 5, 5 and 95", hashes, judged.Load(), limited.Load())
				}
			})
		}
	}
}

func TestSI08_ANetworkIsAnIPv4AddressOrASlash64(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	hashes := k.Hashes()
	for i := range 1000 {
		c := from(fmt.Sprintf("2001:db8:1:2:%x::%x", i, i+1))
		err := k.trySignIn(fmt.Sprintf("u%d@example.com", i), otherPassword, c)
		if i < 20 {
			wantErr(t, err, usher.ErrInvalidCredentials)
		} else {
			wantLimit(t, err)
		}
	}
	if n := k.Hashes() - hashes; n != 20 {
		t.Errorf("%d hashes, want 20", n)
	}
	k.failSignIn("u1@example.com", from("2001:db8:1:3::1"))

	// All spellings of an IPv4 address are one network; zones are ignored; clients
	// without an address share one network.
	for _, pair := range [][2]usher.Client{
		{from("192.0.2.7"), from("::ffff:192.0.2.7")},
		{from("fe80::1%eth0"), from("fe80::2%eth1")},
		{{}, {UserAgent: "another"}},
	} {
		for range 5 {
			k.failSignIn("bob@example.com", pair[0])
		}
		wantLimit(t, k.trySignIn("bob@example.com", otherPassword, pair[1]))
	}
	k.failSignIn("bob@example.com", from("192.0.2.8"))
}

// An attempt without a result is not counted: neither a busy instance nor an outage
// uses up a user's attempts.
func TestSI07_WhatWasNotJudgedIsGivenBack(t *testing.T) {
	k := newKit(t)
	k.signUp("ann@example.com")
	for range 4 {
		k.failSignIn("ann@example.com", home)
	}
	k.events.reset()
	store := &hangUp{Store: k.store}
	b := newKitOn(t, store, k.clock)
	for range 10 {
		var gone context.Context
		gone, store.cancel = context.WithCancel(ctx)
		_, err := b.SignIn(gone, usher.SignInParams{LoginID: "ann@example.com", Password: goodPassword}, home)
		wantErr(t, err, usher.ErrUnavailable)
	}
	if b.Hashes() != 0 {
		t.Error("a hash was computed for a client that hung up")
	}
	k.failSignIn("ann@example.com", home)
	wantLimit(t, k.trySignIn("ann@example.com", goodPassword, home))
}

// hangUp cancels the client's context as soon as the attempt has been counted.
type hangUp struct {
	store.Store
	cancel func()
}

func (h *hangUp) TakeLimits(ctx context.Context, now time.Time, l []store.Limit) (store.LimitResult, error) {
	defer h.cancel()
	return h.Store.TakeLimits(context.WithoutCancel(ctx), now, l)
}

// A client that hangs up while its guess is being checked is still counted and
// recorded.
func TestSI01_HangingUpHidesNothing(t *testing.T) {
	k := newKit(t)
	k.signUp("ann@example.com")
	k.events.reset()
	gone, cancel := context.WithCancel(ctx)
	b := newKitOn(t, &hangUpLater{Store: k.store, cancel: cancel}, k.clock)
	_, err := b.SignIn(gone, usher.SignInParams{LoginID: "ann@example.com", Password: otherPassword}, home)
	wantErr(t, err, usher.ErrInvalidCredentials)
	page, err := k.Operator("test").Events(ctx, usher.EventQuery{Name: usher.EventSignInFailed})
	if err != nil || len(page.Events) != 1 || page.Events[0].Reason != "wrong_password" {
		t.Errorf("the audit table has %v, %v", page.Events, err)
	}
	for range 4 {
		k.failSignIn("ann@example.com", home)
	}
	wantLimit(t, k.trySignIn("ann@example.com", goodPassword, home))
}

// hangUpLater cancels the client's context when the result is stored.
type hangUpLater struct {
	store.Store
	cancel func()
}

func (h *hangUpLater) Record(ctx context.Context, fx store.Effects) error {
	h.cancel()
	return h.Store.Record(ctx, fx)
}

// The count of consecutive failures never expires, so it must be deleted with the
// user.
func TestADeletedUserLeavesNoCounterBehind(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "usher.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	k := newKitOn(t, store, newClock())
	a := k.signUp("ann@example.com")
	if _, err := k.SignIn(ctx, usher.SignInParams{LoginID: "ann@example.com", Password: "not the one of ann"}, home); err == nil {
		t.Fatal("a wrong password is right")
	}
	left := func() (rows int) {
		t.Helper()
		if _, err := store.DeleteExpired(ctx, expiry(k.clock.now().AddDate(1, 0, 0))); err != nil {
			t.Fatal(err)
		}
		if err := store.DB().QueryRow(`SELECT count(*) FROM usher_limits`).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if left() != 1 {
		t.Fatal("a year later the consecutive failures are not counted")
	}
	if err := k.Operator("test").Delete(ctx, a.User.ID); err != nil {
		t.Fatal(err)
	}
	if n := left(); n != 0 {
		t.Errorf("%d counters are left", n)
	}
}

func TestML04_QueueIsBounded(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Limits.OutboxSize = 2 })
	known := k.signUpVerified("known@example.com")
	k.Close(ctx) // no instance sends
	k.signUp("a@example.com")
	k.signUp("b@example.com")
	k.events.reset()
	a := k.signUp("c@example.com")
	k.wantEvents("mail_dropped:queue_full verify_email user_created session_created")
	if !k.isLive(a) || k.waiting() != 2 {
		t.Fatalf("%d waiting", k.waiting())
	}
	k.requestReset("known@example.com", home)
	k.wantEvents("mail_dropped:queue_full reset_password authn_password_reset_request:too_many_mails")
	if err := k.SendEmailVerification(ctx, k.claims(a), home); err != nil {
		t.Fatal(err)
	}
	if k.waiting() != 2 {
		t.Fatalf("%d waiting", k.waiting())
	}
	// The owner of a proven address is notified of a change all the same.
	usher.Must(k.UpdatePassword(ctx, k.claims(known), usher.UpdatePasswordParams{NewPassword: otherPassword}, home))
	if k.waiting() != 3 {
		t.Fatal("the notice was dropped")
	}
	// What waited survives the restart.
	k.secondInstance()
	if got := k.emailKinds(); got != "password_changed verify_email verify_email" {
		t.Fatalf("emails are %q", got)
	}
}

func TestML04_FiveMailsPerAddressAndHour(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Limits.ResetEmails = 100; c.ConfirmFirst = true })
	k.importUser(ann)
	var others []*usher.Authentication
	for i := range 6 {
		others = append(others, k.signUpConfirmed(fmt.Sprintf("bob%d@example.com", i)))
	}
	for i := range 50 {
		switch i % 3 {
		case 0:
			k.requestReset("ANN@example.com", nth(i))
		case 1:
			_, err := k.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: otherPassword}, nth(i))
			if err != nil {
				t.Fatal(err)
			}
		default:
			in := usher.ChangeEmailParams{NewEmail: "ann@EXAMPLE.com", CurrentPassword: goodPassword}
			if err := k.ChangeEmail(ctx, k.claims(others[i/9]), in, nth(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	n := 0
	for _, m := range k.inbox() {
		if m.To == ann {
			n++
		}
	}
	if n != 5 {
		t.Fatalf("%d emails", n)
	}
	// Notices of a change do not count and are always sent.
	u := usher.Must(k.Operator("test").UserByLoginID(ctx, ann))
	for _, pw := range []usher.Secret{goodPassword, otherPassword, thirdPassword} {
		if err := k.Operator("test").SetPassword(ctx, u.ID, pw, false); err != nil {
			t.Fatal(err)
		}
	}
	k.inbox()
	if n := k.mail.has(usher.MessagePasswordChanged); n != 3 {
		t.Fatalf("%d notices", n)
	}
	k.clock.add(time.Hour)
	before := k.mail.has(usher.MessageResetPassword)
	k.requestReset(ann, home)
	k.inbox()
	if k.mail.has(usher.MessageResetPassword) != before+1 {
		t.Fatal("an hour later the next one must go out")
	}
}

// A hundred failures by others refuse the right password to unknown browsers. The
// owner's known browser has a count of its own.
func TestSI02_TheLockLeavesTheOwnersBrowserIn(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Password.LockAttempts = 10 })
	a := k.signUpVerified(ann)
	owner := from("203.0.113.9")
	owner.Device = a.Device
	claims := k.claims(a)
	lock := func() {
		t.Helper()
		for i := range 10 {
			k.failSignIn(ann, nth(i))
		}
		wantErr(t, k.trySignIn(ann, goodPassword, nth(20)), usher.ErrInvalidCredentials)
		k.clock.add(25 * time.Hour)
	}
	lock()
	in := usher.UpdatePasswordParams{NewPassword: thirdPassword, CurrentPassword: goodPassword}
	b := usher.Must(k.UpdatePassword(ctx, claims, in, owner))
	k.signIn(ann, thirdPassword, nth(21)) // the owner's success ends the row of failures

	owner.Device = b.Device
	for i := range 10 {
		k.failSignIn(ann, nth(i))
	}
	k.clock.add(time.Minute)
	k.events.reset()
	k.signIn(ann, thirdPassword, owner)
	if n := k.events.count(usher.EventSignInAfterFailures); n != 1 {
		t.Errorf("%d events of a sign-in after failures, want one", n)
	}

	// The same limit holds for the known browser's own failures.
	for range 10 {
		k.clock.add(25 * time.Hour)
		k.failSignIn(ann, owner)
	}
	k.clock.add(25 * time.Hour)
	wantErr(t, k.trySignIn(ann, otherPassword, owner), usher.ErrInvalidCredentials)
}

// A customer with a /48 of IPv6 has 65,536 networks of a /64.
func TestSI08_WiderNetworksHaveHigherLimits(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUp(ann)
	at := func(i int) usher.Client { return from(fmt.Sprintf("2001:db8:1:%x::1", i)) } // a /64 of its own
	failures := 0
	for i := range 200 {
		if err := k.trySignIn(ann, otherPassword, at(i*256)); errors.Is(err, usher.ErrInvalidCredentials) {
			failures++
		} else {
			wantLimit(t, err)
		}
	}
	if failures != 80 { // 5 free ones × 4 × 4
		t.Errorf("one /48 guessed %d times, want 80", failures)
	}
	for i := range 200 {
		err := k.trySignIn("bob@example.com", otherPassword, from(fmt.Sprintf("2001:db8:2:%x::1", i)))
		if i < 20 != errors.Is(err, usher.ErrInvalidCredentials) {
			t.Fatalf("attempt %d of one /56: %v, want 20 free ones", i, err)
		}
	}
}
