package usher_test

import (
	"testing"

	"github.com/usherkit/usher"
)

// The whole life of an account, with everything that happens on the way.
func TestWholeLife(t *testing.T) {
	k := newKit(t)
	step := func(what, events, mail string) {
		t.Helper()
		if got := k.mailed(); got != mail {
			t.Fatalf("%s: mails are %q, want %q", what, got, mail)
		}
		if got := k.events.take(); got != events {
			t.Fatalf("%s: events are\n%q, want\n%q", what, got, events)
		}
		k.mail.mu.Lock()
		k.mail.all = nil
		k.mail.mu.Unlock()
	}

	a := k.signUp("Ann@Example.com")
	if !a.FirstSeen || a.User.EmailVerified || a.User.Email != "Ann@Example.com" {
		t.Fatalf("signed up as %+v", a.User)
	}
	link := k.lastMail(usher.MessageVerifyEmail)
	step("sign-up", "user_created session_created", "verify_email")

	if _, err := k.confirm(tokenIn(t, link), home); err != nil {
		t.Fatal(err)
	}
	step("verify", "user_email_verify", "")

	b := k.signIn("ann@example.com", goodPassword, home)
	step("sign-in", "authn_login_success session_created authn_login_newdevice", "")

	claims, err := k.ValidateSession(ctx, b.Tokens.Session.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject != a.User.ID || !claims.EmailVerified || claims.SessionID != b.Session.ID {
		t.Fatalf("claims are %+v", claims)
	}
	list, err := k.Sessions(ctx, claims)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d sessions, %v", len(list), err)
	}

	c, err := k.UpdatePassword(ctx, claims, usher.UpdatePassword{NewPassword: otherPassword}, home)
	if err != nil {
		t.Fatal(err)
	}
	step("update", "authn_password_change:update session_ended:password_changed", "password_changed")
	if k.alive(a) || !k.alive(b) || !k.alive(c) {
		t.Fatal("an update must end the other sessions and keep this one")
	}

	d, err := k.ReplacePassword(ctx, usher.ReplacePassword{
		LoginID: "ann@example.com", OldPassword: otherPassword, NewPassword: thirdPassword,
	}, home)
	if err != nil {
		t.Fatal(err)
	}
	step("replace", "session_created authn_password_change:replace session_ended:password_changed", "password_changed")
	if k.alive(c) || !k.alive(d) {
		t.Fatal("a replacement must end the sessions before it")
	}

	reset := k.resetToken("ann@example.com", usher.MessageResetPassword)
	step("forget", "authn_password_reset_request", "reset_password")
	if s, err := k.ResetPassword(ctx, usher.ResetPassword{Token: reset, NewPassword: goodPassword}, home); err != nil || s != nil {
		t.Fatal(s, err)
	}
	step("reset", "authn_password_reset:reset authn_password_change:reset session_ended:password_changed", "password_changed")
	if k.alive(d) {
		t.Fatal("a reset must end all sessions")
	}
	_, err = k.SignIn(ctx, usher.SignIn{LoginID: "ann@example.com", Password: thirdPassword}, home)
	wantErr(t, err, usher.ErrInvalidCredentials)
	step("old password", "authn_login_fail:wrong_password", "")

	e := k.signIn("ann@example.com", goodPassword, home)
	f := k.signIn("ann@example.com", goodPassword, home)
	k.events.reset()
	claims, _ = k.ValidateSession(ctx, f.Tokens.Session.Reveal())
	if err := k.RevokeSession(ctx, claims, e.Session.ID, home); err != nil {
		t.Fatal(err)
	}
	step("revoke", "session_ended:revoked", "")
	if k.alive(e) || !k.alive(f) {
		t.Fatal("one session was to end")
	}

	g, err := k.RefreshSession(ctx, f.Tokens.Refresh, home)
	if err != nil {
		t.Fatal(err)
	}
	step("refresh", "session_renewed", "")
	if err := k.SignOutEverywhere(ctx, claims, home); err != nil {
		t.Fatal(err)
	}
	step("sign out everywhere", "authn_logout:everywhere", "")
	if k.alive(f) || k.alive(g) {
		t.Fatal("all sessions were to end")
	}
	_, err = k.RefreshSession(ctx, g.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrInvalidSession)
}
