package usher_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

func TestRS11_CompletionEndsEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, other := twoInstances(t)
		first := k.signUpVerified(ann)
		second := other.signIn(ann, goodPassword, home)
		claims, _ := k.ValidateSession(ctx, first.Tokens.Session)
		if err := k.ChangeEmail(ctx, claims, usher.ChangeEmailParams{NewEmail: "new@example.com", CurrentPassword: goodPassword}, home); err != nil {
			t.Fatal(err)
		}
		var pending usher.Secret
		for _, m := range append(k.inbox(), other.inbox()...) {
			if m.Kind == usher.MessageChangeEmail {
				pending = tokenIn(t, m)
			}
		}
		k.requestReset(ann, home)
		k.requestReset(ann, home)
		var links []usher.Secret
		for _, m := range append(k.inbox(), other.inbox()...) {
			if m.Kind == usher.MessageResetPassword {
				links = append(links, tokenIn(t, m))
			}
		}
		if len(links) != 2 || pending == "" {
			t.Fatalf("%d links", len(links))
		}
		usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: links[0], NewPassword: otherPassword}, home))
		k.wantEnded(first)
		k.wantEnded(second)
		for _, a := range []*usher.Authentication{first, second} {
			_, err := other.RefreshSession(ctx, a.Tokens.Refresh, home)
			wantErr(t, err, usher.ErrInvalidSession)
		}
		time.Sleep(1500 * time.Millisecond) // the bubble's clock
		other.wantEnded(first)
		other.wantEnded(second)
		_, err := k.confirm(pending, home)
		wantErr(t, err, usher.ErrInvalidToken)
		_, err = k.ResetLink(ctx, links[1], home)
		wantErr(t, err, usher.ErrInvalidToken)
	})
}

func TestRS12_LinkGivesASessionForOnePasswordOnly(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	k.events.reset()
	rs := usher.Must(k.VerifyReset(ctx, raw, home))
	k.wantEvents("authn_password_reset_link:reset")
	if got := rs.ExpiresAt.Sub(k.clock.now()); got != 10*time.Minute {
		t.Fatalf("its lifetime is %s", got)
	}
	_, err := k.VerifyReset(ctx, raw, home)
	wantErr(t, err, usher.ErrInvalidToken)
	if !k.isLive(a) {
		t.Fatal("a verified link ended the owner's session")
	}

	_, err = k.ValidateSession(ctx, rs.Token)
	wantErr(t, err, token.ErrInvalid)
	_, err = k.RefreshSession(ctx, rs.Token, home)
	wantErr(t, err, usher.ErrInvalidSession)
	claims := usher.Must(k.ValidateReset(ctx, rs.Token))
	if !reflect.DeepEqual(claims.AMR, []string{"email"}) {
		t.Fatalf("amr is %v", claims.AMR)
	}
	for name, err := range map[string]error{
		"me":            errOf3(k.Me(ctx, claims)),
		"sessions":      errOf(k.Sessions(ctx, claims)),
		"revoke":        k.RevokeSession(ctx, claims, a.Session.ID, home),
		"everywhere":    k.SignOutEverywhere(ctx, claims, home),
		"profile":       errOf(k.UpdateProfile(ctx, claims, usher.Profile{}, home)),
		"verify e-mail": k.SendEmailVerification(ctx, claims, home),
		"change e-mail": k.ChangeEmail(ctx, claims, usher.ChangeEmailParams{NewEmail: "x@example.com", CurrentPassword: goodPassword}, home),
	} {
		t.Run(name, func(t *testing.T) { wantErr(t, err, usher.ErrForbidden) })
	}
	if list, _ := k.Sessions(ctx, usher.Must(k.ValidateSession(ctx, a.Tokens.Session))); len(list) != 1 {
		t.Fatalf("the reset session is among %d sessions", len(list))
	}

	k.events.reset()
	auth, err := k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword}, home)
	if err != nil || auth != nil {
		t.Fatal(auth, err)
	}
	if got := k.events.take(); !strings.HasPrefix(got, "authn_password_change:reset_session session_ended:password_changed") {
		t.Fatalf("events are %q", got)
	}
	_, err = k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: thirdPassword}, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.wantEnded(a)
	k.wantPassword(ann, otherPassword, thirdPassword)
}

func errOf[T any](_ T, err error) error          { return err }
func errOf3[T, U any](_ T, _ U, err error) error { return err }

func TestRS12_ResetSessionEndsAfterTenMinutes(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.importUser(ann)
	rs := usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageResetPassword), home))
	claims := usher.Must(k.ValidateReset(ctx, rs.Token))
	k.clock.add(10 * time.Minute)
	_, err := k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword}, home)
	wantErr(t, err, usher.ErrInvalidSession)
	k.clock.add(time.Minute)
	_, err = k.ValidateReset(ctx, rs.Token)
	wantErr(t, err, token.ErrExpired)
}

func TestRS12_SigningInByResetIsAnOption(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ResetSignsIn = true })
	other := k.signUp("other@example.com")
	k.wantEmails("verify_email")
	k.importUser(ann)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	c := home
	c.SessionID = other.Session.ID
	k.events.reset()
	a, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: goodPassword}, c)
	if err != nil || !k.isLive(a) || !reflect.DeepEqual(a.Session.AMR, []string{"email"}) {
		t.Fatal(a, err)
	}
	k.wantEvents("authn_password_reset:reset authn_password_change:reset session_created:reset session_ended:replaced")
	if k.isLive(other) {
		t.Fatal("the previous session is still live")
	}
}

func TestRS14_EveryNewPasswordNotifiesTheOwner(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	claims := usher.Must(k.ValidateSession(ctx, a.Tokens.Session))
	usher.Must(k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword}, home))
	notices := k.wantEmails("password_changed")
	usher.Must(k.ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: ann, OldPassword: otherPassword, NewPassword: thirdPassword}, home))
	notices = append(notices, k.wantEmails("password_changed")...)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	k.wantEmails("reset_password")
	usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: goodPassword}, home))
	notices = append(notices, k.wantEmails("password_changed")...)
	if err := k.Operator("test").SetPassword(ctx, a.User.ID, otherPassword, false); err != nil {
		t.Fatal(err)
	}
	notices = append(notices, k.wantEmails("password_changed")...)

	b := k.signIn(ann, otherPassword, home)
	claims = usher.Must(k.ValidateSession(ctx, b.Tokens.Session))
	if err := k.ChangeEmail(ctx, claims, usher.ChangeEmailParams{NewEmail: "new@example.com", CurrentPassword: otherPassword}, home); err != nil {
		t.Fatal(err)
	}
	var link usher.Secret
	for _, m := range k.wantEmails("change_email email_changing") {
		if m.Kind == usher.MessageChangeEmail {
			link = tokenIn(t, m)
			continue
		}
		notices = append(notices, m)
	}
	usher.Must(k.VerifyEmail(ctx, claims, usher.VerifyEmailParams{Token: link}, home))
	notices = append(notices, k.wantEmails("email_changed")...)

	for _, m := range notices {
		if m.To != ann {
			t.Errorf("%s went to %s", m.Kind, m.To)
		}
		if m.Link != "" {
			t.Errorf("%s has a link", m.Kind)
		}
		text := allText(m)
		for _, s := range []usher.Secret{goodPassword, otherPassword, thirdPassword, raw, link} {
			if strings.Contains(text, s.Reveal()) {
				t.Errorf("%s holds a password or a token", m.Kind)
			}
		}
	}
}

// If the owner changes the password between the two reads of a request in a reset
// session, the owner's change stands.
func TestRS12_AChangeMeanwhileEndsTheResetSession(t *testing.T) {
	t.Parallel()
	store := &afterSessionRead{Store: memory.New()}
	k := newKitOn(t, store, newClock())
	k.signUpVerified(ann)
	reset := usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageResetPassword), home))
	claims := usher.Must(k.ValidateReset(ctx, reset.Token))
	store.session = func() {
		usher.Must(k.ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: ann, OldPassword: goodPassword, NewPassword: otherPassword}, home))
	}
	if _, err := k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: thirdPassword}, home); err == nil {
		t.Error("the reset session has set a password after the owner had")
	}
	k.signIn(ann, otherPassword, home)
}

// A reset session ends when the link that started it would be void.
func TestRS09_AResetSessionDiesWithTheAddress(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*kit, *usher.Authentication){
		"by the user": func(k *kit, a *usher.Authentication) {
			in := usher.ChangeEmailParams{NewEmail: "new@example.com", CurrentPassword: goodPassword}
			if err := k.ChangeEmail(ctx, k.claims(a), in, home); err != nil {
				k.t.Fatal(err)
			}
			for _, m := range k.inbox() {
				if m.Kind == usher.MessageChangeEmail {
					usher.Must(k.confirm(tokenIn(k.t, m), home))
				}
			}
		},
		"by an operator": func(k *kit, a *usher.Authentication) {
			address := &usher.EmailAddress{Address: "new@example.com", Verified: true}
			usher.Must(k.Operator("test").UpdateUser(ctx, a.User.ID, usher.UpdateUserParams{Email: address}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			a := k.signUpVerified(ann)
			reset := usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageResetPassword), home))
			change(k, a)
			claims := usher.Must(k.ValidateReset(ctx, reset.Token))
			_, err := k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword}, home)
			wantErr(t, err, usher.ErrInvalidSession)
			if !k.isLive(a) {
				t.Error("a full session ended as well")
			}
		})
	}
}

// Emails of other kinds, which any client can cause, do not use up the owner's reset
// emails.
func TestSI04_UnknownBrowsersCannotBlockTheResetEmail(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.importUser(ann)
	for i := range 6 {
		in := usher.SignUpParams{LoginID: fmt.Sprint("mallory", i), Email: ann, Password: goodPassword}
		usher.Must(k.SignUp(ctx, in, nth(1)))
	}
	k.resetToken(ann, usher.MessageResetPassword)
	if n := len(k.inbox()); n > 5 {
		t.Errorf("%d emails", n)
	}
}

// Each revocation has one event, with the owner of the session, in the table and for
// the hook.
func TestLG06_EveryEndedSessionHasItsEvent(t *testing.T) {
	t.Parallel()
	const bob = "bob@example.com"
	in := func(k *kit, loginID string, c usher.Client) *usher.Authentication {
		return k.signIn(loginID, goodPassword, c)
	}
	for name, end := range map[string]func(k *kit, a *usher.Authentication, inAnnsBrowser usher.Client) error{
		"sign-in":        func(k *kit, a *usher.Authentication, c usher.Client) error { in(k, ann, c); return nil },
		"sign-in of Bob": func(k *kit, a *usher.Authentication, c usher.Client) error { in(k, bob, c); return nil },
		"too many": func(k *kit, a *usher.Authentication, c usher.Client) error {
			for range 2 {
				k.clock.add(time.Second)
				in(k, ann, home)
			}
			return nil
		},
		"sign-out": func(k *kit, a *usher.Authentication, c usher.Client) error { return k.SignOut(ctx, k.claims(a), c) },
		"everywhere": func(k *kit, a *usher.Authentication, c usher.Client) error {
			return k.SignOutEverywhere(ctx, k.claims(a), c)
		},
		"operator": func(k *kit, a *usher.Authentication, _ usher.Client) error {
			return k.Operator("o").SignOutUser(ctx, a.User.ID)
		},
		"disable": func(k *kit, a *usher.Authentication, _ usher.Client) error {
			return k.Operator("o").Disable(ctx, a.User.ID)
		},
		"delete": func(k *kit, a *usher.Authentication, _ usher.Client) error {
			return k.Operator("o").Delete(ctx, a.User.ID)
		},
		"expired password": func(k *kit, a *usher.Authentication, _ usher.Client) error {
			return k.Operator("o").ExpirePassword(ctx, a.User.ID)
		},
		"set password": func(k *kit, a *usher.Authentication, _ usher.Client) error {
			return k.Operator("o").SetPassword(ctx, a.User.ID, otherPassword, true)
		},
		"revoke": func(k *kit, a *usher.Authentication, c usher.Client) error {
			return k.RevokeSession(ctx, k.claims(a), a.Session.ID, c)
		},
		"sign-up": func(k *kit, _ *usher.Authentication, c usher.Client) error {
			_, err := k.SignUp(ctx, usher.SignUpParams{LoginID: "new@example.com", Password: goodPassword}, c)
			return err
		},
		"update": func(k *kit, a *usher.Authentication, c usher.Client) error {
			_, err := k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{CurrentPassword: goodPassword, NewPassword: otherPassword}, c)
			return err
		},
		"replace in another's browser": func(k *kit, a *usher.Authentication, c usher.Client) error {
			_, err := k.ReplacePassword(ctx, usher.ReplacePasswordParams{LoginID: bob, OldPassword: goodPassword, NewPassword: otherPassword}, c)
			return err
		},
		"reset in another's browser": func(k *kit, a *usher.Authentication, c usher.Client) error {
			_, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: k.resetToken(bob, usher.MessageConfirmAndReset), NewPassword: otherPassword}, c)
			return err
		},
		"reset session": func(k *kit, a *usher.Authentication, c usher.Client) error {
			_, err := k.VerifyReset(ctx, k.resetToken(bob, usher.MessageConfirmAndReset), c)
			return err
		},
		"reuse": func(k *kit, a *usher.Authentication, c usher.Client) error {
			next := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, c))
			k.clock.add(time.Hour)
			usher.Must(k.RefreshSession(ctx, next.Tokens.Refresh, c))
			_, err := k.RefreshSession(ctx, a.Tokens.Refresh, c)
			if !errors.Is(err, usher.ErrInvalidSession) {
				return err
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, func(c *usher.Config) { c.Sessions.Max, c.ResetSignsIn = 2, true })
			b := k.signUp(bob)
			a := k.signUpVerified(ann)
			owners := map[string]string{b.Session.ID: b.User.ID, a.Session.ID: a.User.ID}
			c := from("192.0.2.77")
			c.SessionID = a.Session.ID
			k.events.reset()
			if err := end(k, a, c); err != nil {
				t.Fatal(err)
			}
			var heard []usher.Event
			for _, e := range k.events.all {
				if e.Name == usher.EventSessionEnded {
					heard = append(heard, e)
				}
			}
			stored := usher.Must(k.Operator("o").Events(ctx, usher.EventQuery{Name: usher.EventSessionEnded})).Events
			byID := func(a, b usher.Event) int { return strings.Compare(a.ID, b.ID) }
			slices.SortFunc(heard, byID)
			slices.SortFunc(stored, byID)
			if !reflect.DeepEqual(heard, stored) {
				t.Errorf("the hook heard %+v, the table has %+v", heard, stored)
			}
			ended := usher.Must(k.store.Revocations(ctx, 0))
			if len(ended) == 0 || len(ended) != len(stored) {
				t.Fatalf("%d sessions ended with %d events", len(ended), len(stored))
			}
			for _, e := range stored {
				if !slices.ContainsFunc(ended, func(r store.Revocation) bool { return r.SessionID == e.SessionID }) {
					t.Errorf("session %s did not end: %+v", e.SessionID, e)
				}
				if e.UserID != owners[e.SessionID] || e.Reason == "" || (e.Address == "") != (e.Actor == "o") {
					t.Errorf("the event is %+v, the owner %s", e, owners[e.SessionID])
				}
			}
		})
	}
}

// A password that the policy refuses does not spend the link.
func TestRS04_WeakPasswordSpendsNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.importUser(ann)
	raw := k.resetToken(ann, usher.MessageResetPassword)
	for _, weak := range []usher.Secret{"passwordpassword", "short", ""} {
		if _, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: weak}, home); err == nil {
			t.Fatal("a weak password was taken")
		}
	}
	if _, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: goodPassword}, home); err != nil {
		t.Fatal(err)
	}
}
