package usher_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// failSignIn signs in with a wrong password and expects ErrInvalidCredentials.
func (k *kit) failSignIn(loginID string, c usher.Client) {
	k.t.Helper()
	if err := k.trySignIn(loginID, otherPassword, c); err != usher.ErrInvalidCredentials {
		k.t.Fatalf("error is %v, want the one of every failure", err)
	}
}

func TestSI01_FiveFailuresThenLongerAndLongerWaits(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUp("ann@example.com")
	k.events.reset()
	for range 5 {
		k.failSignIn("ann@example.com", home)
	}
	if n := k.events.count(usher.EventSignInFailed); n != 5 {
		t.Errorf("%d failures recorded, want 5", n)
	}
	k.events.reset()
	for _, wait := range []time.Duration{30, 60, 120, 240, 480, 960, 1920, 3600, 3600} {
		wait *= time.Second
		hashes := k.Hashes()
		for _, pw := range []usher.Secret{otherPassword, goodPassword} {
			l := wantLimit(t, k.trySignIn("ann@example.com", pw, home))
			if l.RetryAfter != wait {
				t.Errorf("wait is %s, want %s", l.RetryAfter, wait)
			}
		}
		if k.Hashes() != hashes {
			t.Error("a refused attempt was hashed")
		}
		if got, want := k.events.take(), "excess_rate_limit_exceeded:login_id excess_rate_limit_exceeded:login_id"; got != want {
			t.Errorf("events are %q, want %q", got, want)
		}
		k.clock.add(wait - time.Microsecond)
		wantLimit(t, k.trySignIn("ann@example.com", goodPassword, home))
		k.clock.add(time.Microsecond)
		k.failSignIn("ann@example.com", home)
		k.events.reset()
	}
	k.clock.add(time.Hour)
	k.signIn("ann@example.com", goodPassword, home)
	for range 5 { // the success reset the counter
		k.failSignIn("ann@example.com", home)
	}
}

func TestSI02_AHundredFailuresDisableThePassword(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified("ann@example.com")
	for i := range 100 {
		k.failSignIn("ann@example.com", nth(i))
	}
	if n := k.events.count(usher.EventPasswordLocked); n != 1 {
		t.Errorf("%d events of a locked password, want once", n)
	}
	k.events.reset()

	// Every unknown browser is refused, with the error of a wrong password.
	for _, c := range []usher.Client{home, nth(200), from("203.0.113.9")} {
		if err := k.trySignIn("ann@example.com", goodPassword, c); err != usher.ErrInvalidCredentials {
			t.Errorf("error is %v, want the one of every failure", err)
		}
	}
	want := strings.TrimSpace(strings.Repeat(" authn_login_fail:locked", 3))
	if got := k.events.take(); got != want {
		t.Errorf("events are %q, want %q", got, want)
	}
	wantErr(t, k.replace("ann@example.com", goodPassword, otherPassword), usher.ErrInvalidCredentials)
	if _, err := k.RefreshSession(ctx, a.Tokens.Refresh, home); err != nil {
		t.Errorf("a running session: %v", err)
	}

	link := k.resetToken("ann@example.com", usher.MessageResetPassword)
	if _, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: link, NewPassword: thirdPassword}, home); err != nil {
		t.Fatal(err)
	}
	k.signIn("ann@example.com", thirdPassword, nth(201))
}

func TestSI02_TheLockMayComeEarlier(t *testing.T) {
	k := newKit(t, func(c *usher.Config) { c.Password.LockAttempts = 3 })
	k.signUp("ann@example.com")
	for i := range 2 {
		k.failSignIn("ann@example.com", nth(i))
	}
	k.signIn("ann@example.com", goodPassword, nth(2)) // only consecutive failures count
	for i := range 3 {
		k.failSignIn("ann@example.com", nth(i))
	}
	wantErr(t, k.trySignIn("ann@example.com", goodPassword, nth(3)), usher.ErrInvalidCredentials)
}

func TestSI03_GuessingAcrossAccountsIsLimitedPerNetwork(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for i := range 30 {
		id := fmt.Sprintf("u%d@example.com", i)
		if i < 20 {
			k.failSignIn(id, home)
			continue
		}
		hashes := k.Hashes()
		l := wantLimit(t, k.trySignIn(id, otherPassword, home))
		if l.RetryAfter != 5*time.Minute || l.Limit != "network" || k.Hashes() != hashes {
			t.Errorf("attempt %d: wait %s for %s, %d hashes", i, l.RetryAfter, l.Limit, k.Hashes()-hashes)
		}
	}
	k.failSignIn("u1@example.com", from("198.51.100.1"))
	k.clock.add(5 * time.Minute)
	k.failSignIn("u2@example.com", home)
}

func TestSI04_UnknownBrowsersCannotKeepTheOwnerOut(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	owner := from("203.0.113.9")
	owner.Device = k.signUpVerified("ann@example.com").Device
	for i := range 50 { // 50 failures, which also block the network
		k.failSignIn("ann@example.com", nth(i/5))
	}
	wantLimit(t, k.trySignIn("ann@example.com", goodPassword, nth(0)))
	auth := k.signIn("ann@example.com", goodPassword, owner)

	// The owner can also sign in from the network of the attackers, such as a café.
	for i := range 5 {
		k.failSignIn("ann@example.com", nth(100+i/5))
	}
	here := nth(100)
	wantLimit(t, k.trySignIn("ann@example.com", goodPassword, here))
	here.Device = auth.Device
	k.signIn("ann@example.com", goodPassword, here)
	k.emailKinds()
	k.resetToken("ann@example.com", usher.MessageResetPassword)
}

// A device token belongs to one account, is sealed, and expires.
func TestSI04_TheDeviceTokenOpensNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	ann := k.signUp("ann@example.com")
	bob := k.signUp("bob@example.com")
	forged := []byte(ann.Device.Reveal())
	forged[len(forged)/2] ^= 1
	for i, device := range []usher.Secret{bob.Device, usher.Secret(forged), "x", ann.Tokens.Session} {
		unknown := nth(i)
		unknown.Device = device
		for range 5 {
			k.failSignIn("ann@example.com", unknown)
		}
		unknown.Device = ""
		wantLimit(t, k.trySignIn("ann@example.com", goodPassword, unknown))
	}

	// A thief of the token shares the failures of that browser and gets no more.
	thief := from("198.51.100.1")
	thief.Device = ann.Device
	for range 5 {
		k.failSignIn("ann@example.com", thief)
	}
	thief.Address = from("198.51.100.2").Address
	wantLimit(t, k.trySignIn("ann@example.com", goodPassword, thief))

	k.clock.add(181 * 24 * time.Hour)
	k.events.reset()
	k.signIn("ann@example.com", goodPassword, thief)
	if n := k.events.count(usher.EventSignInNewDevice); n != 1 {
		t.Error("half a year later the browser is still known")
	}
}

func TestSI05_ASuccessClearsTheAccountsCounterOnly(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	attacker := from("198.51.100.1")
	if _, err := k.SignUp(ctx, usher.SignUpParams{LoginID: "mallory@example.com", Password: goodPassword}, attacker); err != nil {
		t.Fatal(err)
	}
	failures := 0
	for victim := 0; failures < 20; victim++ {
		for range 4 {
			k.failSignIn(fmt.Sprintf("v%d@example.com", victim), attacker)
			failures++
		}
		if failures < 20 {
			k.signIn("mallory@example.com", goodPassword, attacker)
		}
	}
	l := wantLimit(t, k.trySignIn("v9@example.com", otherPassword, attacker))
	if l.Limit != "network" {
		t.Errorf("the limit is %s, want network", l.Limit)
	}
	wantLimit(t, k.trySignIn("mallory@example.com", goodPassword, attacker))
}

func TestSI06_AllWaysCountTogether(t *testing.T) {
	k := newKit(t)
	a := k.signUpVerified("ann@example.com")
	claims, err := k.ValidateSession(ctx, a.Tokens.Session)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		k.failSignIn("ann@example.com", home)
	}
	wantErr(t, k.replace("ANN@Example.COM", otherPassword, thirdPassword), usher.ErrInvalidCredentials)
	_, err = k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: thirdPassword, CurrentPassword: otherPassword}, home)
	wantErr(t, err, usher.ErrInvalidCredentials)
	err = k.ChangeEmail(ctx, claims, usher.ChangeEmailParams{NewEmail: "ann@example.net", CurrentPassword: otherPassword}, home)
	wantErr(t, err, usher.ErrInvalidCredentials)

	hashes := k.Hashes()
	wantLimit(t, k.trySignIn("Ann@example.com", goodPassword, home))
	wantLimit(t, k.replace("ann@EXAMPLE.com", goodPassword, thirdPassword))
	_, err = k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: thirdPassword, CurrentPassword: goodPassword}, home)
	wantLimit(t, err)
	wantLimit(t, k.ChangeEmail(ctx, claims, usher.ChangeEmailParams{NewEmail: "ann@example.net", CurrentPassword: goodPassword}, home))
	if n := k.Hashes() - hashes; n != 0 {
		t.Errorf("%d hashes, want none", n)
	}
}

func TestSI09_TheOwnerIsNotified(t *testing.T) {
	k := newKit(t)
	a := k.signUpVerified("ann@example.com")
	known := home
	known.Device = a.Device
	k.signIn("ann@example.com", goodPassword, known)
	if got, want := k.events.take(), "authn_login_success session_created"; got != want {
		t.Errorf("known browser: events are %q, want %q", got, want)
	}
	k.signIn("ann@example.com", goodPassword, home)
	if got, want := k.events.take(), "authn_login_success session_created authn_login_newdevice"; got != want {
		t.Errorf("new browser: events are %q, want %q", got, want)
	}
	for range 5 {
		k.failSignIn("ann@example.com", home)
	}
	k.events.reset()
	if got := k.emailKinds(); got != "" {
		t.Errorf("emails are %q, want none so far", got)
	}
	k.clock.add(30 * time.Second)
	k.signIn("ann@example.com", goodPassword, known)
	if got, want := k.events.take(), "authn_login_success session_created authn_login_successafterfail"; got != want {
		t.Errorf("after failures: events are %q, want %q", got, want)
	}
	m := k.lastEmail(usher.MessageSignInNotice)
	if got := k.emailKinds(); got != "sign_in_notice" {
		t.Errorf("emails are %q, want one notice", got)
	}
	if m.Link != "" || m.To != "ann@example.com" || !m.At.Equal(k.clock.now()) || m.Address != "192.0.2.1" || m.UserAgent != "test" {
		t.Errorf("the notice is %+v", m)
	}
	k.signIn("ann@example.com", goodPassword, known)
	if n := k.events.count(usher.EventSignInAfterFailures); n != 0 {
		t.Error("the next sign-in reports failures that were reported before")
	}
}

// Keyboards of phones add a blank after an address that they complete. Blanks at both
// ends do not count on any route, and nothing else is folded.
func TestSU06_BlanksAroundALoginIDDoNotCount(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	const typed = "  Ann@example.com "
	r := usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: typed, Email: " ann@example.com", Password: goodPassword}, home))
	if r.User.LoginID() != "Ann@example.com" || r.User.Email != "ann@example.com" {
		t.Errorf("stored as %q with the address %q", r.User.LoginID(), r.User.Email)
	}
	k.wantEmails("verify_email")
	usher.Must(k.SignIn(ctx, usher.SignInParams{LoginID: typed, Password: goodPassword}, home))
	usher.Must(k.ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: typed, OldPassword: goodPassword, NewPassword: otherPassword}, home))
	a := usher.Must(k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: otherPassword}, home))
	usher.Must(k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{LoginID: typed, CurrentPassword: otherPassword, NewPassword: thirdPassword}, home))
	if err := k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: typed}, home); err != nil {
		t.Error(err)
	}
	a = usher.Must(k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: thirdPassword}, home))
	err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmailParams{NewEmail: " new@example.com ", CurrentPassword: thirdPassword}, home)
	if err != nil {
		t.Fatal(err)
	}
	if p := usher.Must(k.PendingEmail(ctx, a.User.ID)); p.Address != "new@example.com" {
		t.Errorf("the pending address is %q", p.Address)
	}
	o := k.Operator("test")
	if u := usher.Must(o.UserByLoginID(ctx, typed)); u.ID != a.User.ID {
		t.Error("another user has the login id")
	}
	given := usher.ImportUserParams{LoginIDs: []string{" bob@example.com "}, Password: goodPassword}
	if u := usher.Must(o.ImportUser(ctx, given)); u.LoginID() != "bob@example.com" || u.Email != "bob@example.com" || given.LoginIDs[0] != " bob@example.com " {
		t.Errorf("imported as %q with the address %q, from %q", u.LoginID(), u.Email, given.LoginIDs)
	}
	for _, id := range []string{"ann @example.com", "ann@ example.com", "\u00a0ann@example.com", "\tann@example.com", " "} {
		_, err := k.SignIn(ctx, usher.SignInParams{LoginID: id, Password: thirdPassword}, home)
		wantField(t, err, "loginId")
	}
}

// lostClient is a store during whose next change of a user the client hangs up.
type lostClient struct {
	store.Store
	end func()
}

func (h *lostClient) CreateUser(ctx context.Context, c store.UserCreation) ([]store.Event, error) {
	defer h.end()
	return h.Store.CreateUser(ctx, c)
}

func (h *lostClient) ChangePassword(ctx context.Context, c store.PasswordChange) ([]store.Event, error) {
	defer h.end()
	return h.Store.ChangePassword(ctx, c)
}

func (h *lostClient) ResetPassword(ctx context.Context, s store.TokenSpend, c store.PasswordChange) ([]store.Event, error) {
	defer h.end()
	return h.Store.ResetPassword(ctx, s, c)
}

func (h *lostClient) StartSession(ctx context.Context, s store.SessionStart) ([]store.Event, error) {
	defer h.end()
	return h.Store.StartSession(ctx, s)
}

// The session that the browser had belongs to another user.
func TestSE15_TheSessionBeforeEndsAlthoughTheClientHangsUp(t *testing.T) {
	t.Parallel()
	reset := func(ctx context.Context, k *kit, c usher.Client) error {
		_, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: k.resetToken(ann, usher.MessageResetPassword), NewPassword: otherPassword}, c)
		return err
	}
	for name, call := range map[string]func(ctx context.Context, k *kit, c usher.Client) error{
		"sign-up": func(ctx context.Context, k *kit, c usher.Client) error {
			_, err := k.SignUp(ctx, usher.SignUpParams{LoginID: "new@example.com", Password: goodPassword}, c)
			return err
		},
		"sign-in": func(ctx context.Context, k *kit, c usher.Client) error {
			_, err := k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: goodPassword}, c)
			return err
		},
		"replace": func(ctx context.Context, k *kit, c usher.Client) error {
			in := usher.ReplacePasswordParams{LoginID: ann, OldPassword: goodPassword, NewPassword: otherPassword}
			_, err := k.ReplacePassword(ctx, in, c)
			return err
		},
		"reset": reset, "reset that signs in": reset,
	} {
		st := &lostClient{memory.New(), func() {}}
		k := newKitOn(t, st, newClock(), func(c *usher.Config) { c.ResetSignsIn = strings.HasSuffix(name, "signs in") })
		k.signUpVerified(ann)
		k.signUpVerified(mallory)
		before := k.signIn(mallory, goodPassword, home)
		c := home
		c.SessionID = before.Session.ID
		k.events.reset()
		client, gone := context.WithCancel(ctx)
		st.end = gone
		err := call(client, k, c)
		st.end = func() {}
		if client.Err() == nil {
			t.Fatalf("%s: the client did not hang up", name)
		}
		k.wantEnded(before)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		events := usher.Must(k.store.Events(ctx, usher.EventQuery{Name: usher.EventSessionEnded, UserID: before.User.ID, Limit: 10})).Events
		if len(events) != 1 || events[0].SessionID != before.Session.ID || events[0].Reason != "replaced" {
			t.Errorf("%s: the audit table has %v", name, events)
		}
	}
}
