package usher_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

// startSession starts a session by a passkey and fails the test on an error.
func (k *kit) startSession(userID string, c usher.Client) *usher.Authentication {
	k.t.Helper()
	a, err := k.StartSession(ctx, userID, usher.Proof{Methods: []string{"hwk", "user"}, At: k.clock.now()}, c)
	if err != nil {
		k.t.Fatalf("StartSession: %v", err)
	}
	return a
}

func TestOP01_AProofOfTheProgramStartsASession(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := k.signUpVerified(ann).User
	at := k.clock.now()
	k.clock.add(time.Hour)
	a := usher.Must(k.StartSession(ctx, u.ID, usher.Proof{Methods: []string{"hwk", "user"}, At: at}, home))
	k.wantEvents("authn_login_success:hwk user session_created:proof hwk user authn_login_newdevice")
	claims := k.claims(a)
	if !slices.Equal(claims.AMR, []string{"hwk", "user"}) || !claims.AuthTime.Equal(at.Truncate(time.Second)) || claims.Subject != u.ID || !claims.EmailVerified {
		t.Errorf("claims are %+v", claims)
	}
	if a.Session.ExpiresAt != at.Add(30*24*time.Hour) {
		t.Errorf("the session ends at %s: its lifetime must count from the proof", a.Session.ExpiresAt)
	}
	if _, err := k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword}, home); !errors.Is(err, usher.ErrRecentSignInRequired) {
		t.Errorf("a proof of an hour ago counts as a recent sign-in: %v", err)
	}
	refreshed := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if again := k.claims(refreshed); !slices.Equal(again.AMR, claims.AMR) || !again.AuthTime.Equal(claims.AuthTime) {
		t.Errorf("after a refresh the claims are %+v", again)
	}
	k.events.reset()
	known := home
	known.Device, known.SessionID = a.Device, a.Session.ID
	k.startSession(u.ID, known)
	k.wantEvents("authn_login_success:hwk user session_created:proof hwk user session_ended:replaced")
	k.wantEnded(a)
}

func TestOP01_AProofMustNameMethodsAndAPlausibleTime(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := k.signUpVerified(ann).User
	now := k.clock.now()
	for name, c := range map[string]struct {
		methods []string
		at      time.Time
		field   string
	}{
		"no method":           {nil, now, "methods"},
		"empty method":        {[]string{"pwd", ""}, now, "methods"},
		"blank":               {[]string{"h wk"}, now, "methods"},
		"quote":               {[]string{`a"b`}, now, "methods"},
		"line end":            {[]string{"otp\n"}, now, "methods"},
		"letter with accent":  {[]string{"clé"}, now, "methods"},
		"long method":         {[]string{strings.Repeat("a", 33)}, now, "methods"},
		"many methods":        {slices.Repeat([]string{"otp"}, 9), now, "methods"},
		"no time":             {[]string{"otp"}, time.Time{}, "at"},
		"future":              {[]string{"otp"}, now.Add(time.Minute + time.Second), "at"},
		"as old as a session": {[]string{"otp"}, now.Add(-30 * 24 * time.Hour), "at"},
	} {
		_, err := k.StartSession(ctx, u.ID, usher.Proof{Methods: c.methods, At: c.at}, home)
		var field *usher.FieldError
		if !errors.As(err, &field) || field.Field != c.field {
			t.Errorf("%s: %v, want an error of the field %s", name, err, c.field)
		}
	}
	ahead := usher.Must(k.StartSession(ctx, u.ID, usher.Proof{Methods: []string{"x_9.-Z"}, At: now.Add(time.Minute)}, home))
	if ahead.Session.CreatedAt.After(now) {
		t.Errorf("the session begins in the future: %s", ahead.Session.CreatedAt)
	}
}

func TestOP02_AStartedSessionObeysWhatASignInObeys(t *testing.T) {
	t.Parallel()
	refusal := errors.New("not today")
	var claims error
	k := newKit(t, func(c *usher.Config) {
		c.ConfirmFirst, c.Sessions.Max = true, 2
		c.Claims = func(context.Context, usher.User) (map[string]any, error) { return nil, claims }
	})
	first := k.signUpConfirmed(ann)
	proof := usher.Proof{Methods: []string{"otp"}, At: k.clock.now()}
	start := func(userID string) error { _, err := k.StartSession(ctx, userID, proof, home); return err }

	k.clock.add(time.Second)
	second := k.startSession(first.User.ID, home)
	k.clock.add(time.Second)
	k.startSession(first.User.ID, home)
	k.wantEnded(first)
	if !k.isLive(second) {
		t.Error("only the oldest session was to end")
	}
	claims = refusal
	if err := start(first.User.ID); !errors.Is(err, refusal) {
		t.Errorf("Config.Claims refuses, and the error is %v", err)
	}
	claims = nil
	if err := start("nobody"); !errors.Is(err, usher.ErrNotFound) {
		t.Errorf("unknown user: %v", err)
	}
	usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: "new@example.com", Password: goodPassword}, home))
	unconfirmed := usher.Must(k.Operator("test").UserByLoginID(ctx, "new@example.com"))
	k.events.reset()
	if err := start(unconfirmed.ID); !errors.Is(err, usher.ErrEmailNotVerified) {
		t.Errorf("an unconfirmed user: %v", err)
	}
	k.wantEvents("authn_login_fail:unverified")
	if err := k.Operator("test").Disable(ctx, first.User.ID); err != nil {
		t.Fatal(err)
	}
	k.events.reset()
	if err := start(first.User.ID); !errors.Is(err, usher.ErrUserDisabled) {
		t.Errorf("a disabled user: %v", err)
	}
	k.wantEvents("authn_login_fail:disabled")
}

func TestOP02_AProofTooLargeForTheBrowserChangesNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	c := home
	c.SessionID, c.PrepareDelivery = a.Session.ID, func(token.Pair) error { return errors.New("too large") }
	if _, err := k.StartSession(ctx, a.User.ID, usher.Proof{Methods: []string{"otp"}, At: k.clock.now()}, c); err == nil {
		t.Fatal("no error although the tokens cannot be delivered")
	}
	if !k.isLive(a) || len(usher.Must(k.Sessions(ctx, k.claims(a)))) != 1 {
		t.Error("a session ended or was left behind")
	}
}

// invite invites an address with a role, and returns the token of the link.
func (k *kit) invite(email string) usher.Secret {
	k.t.Helper()
	k.inbox() // emails are sent concurrently: an earlier one could arrive after this one
	usher.Must(k.Operator("ops:olga").Invite(ctx, usher.InviteParams{
		Email: email, Roles: []string{"admin"}, Tenants: map[string]token.Tenant{"t": {Roles: []string{"lead"}}},
	}))
	return tokenIn(k.t, k.lastEmail(usher.MessageInvitation))
}

func (k *kit) accept(raw usher.Secret, c usher.Client) (usher.Result, error) {
	return k.AcceptInvitation(ctx, usher.AcceptInvitationParams{Token: raw, NewPassword: otherPassword}, c)
}

// wantRoles fails the test unless the user with that login id has exactly the roles of
// the invitation, or none.
func (k *kit) wantRoles(loginID string, invited bool) {
	k.t.Helper()
	u := usher.Must(k.Operator("test").UserByLoginID(ctx, loginID))
	if got := slices.Equal(u.Roles, []string{"admin"}) && slices.Equal(u.Tenants["t"].Roles, []string{"lead"}); got != invited || !invited && len(u.Roles) > 0 {
		k.t.Errorf("%s has the roles %q and tenants %v, invited: %t", loginID, u.Roles, u.Tenants, invited)
	}
}

func TestAD12_AnInvitationCreatesTheUserAndSignsIn(t *testing.T) {
	t.Parallel()
	for _, closed := range []bool{false, true} {
		k := newKit(t, func(c *usher.Config) { c.SignUpClosed = closed })
		raw := k.invite(strings.ToUpper(ann))
		id := usher.Must(k.Operator("test").Invitations(ctx, usher.InvitationQuery{})).Invitations[0].ID
		link := usher.Must(k.InvitationLink(ctx, raw, home))
		if link.HasAccount || link.UserID != "" || link.Email != strings.ToUpper(ann) {
			t.Errorf("the link is %+v", link)
		}
		result := usher.Must(k.accept(raw, home))
		open := usher.Must(k.Operator("test").Invitations(ctx, usher.InvitationQuery{}))
		if len(open.Invitations) > 0 {
			t.Errorf("open: %+v", open)
		}
		k.wantEvents("invitation_sent:" + id + " user_created:invitation invitation_accepted:" + id + " user_email_verify:invitation session_created:invitation")
		a := result.Authentication
		if result.Next != usher.NextSignedIn || !a.User.EmailVerified || !a.UserCreated || !k.isLive(a) {
			t.Errorf("the result is %+v", result)
		}
		claims := usher.Must(k.ValidateSession(ctx, a.Tokens.Session))
		if !claims.EmailVerified || !slices.Equal(claims.Roles, []string{"admin"}) {
			t.Errorf("the claims are %+v", claims)
		}
		k.wantRoles(ann, true)
		k.signIn(ann, otherPassword, home)
		if _, err := k.accept(raw, home); !errors.Is(err, usher.ErrInvalidToken) {
			t.Errorf("the link again: %v", err)
		}
	}
}

func TestAD13_AnInvitationIsRepeatedWithdrawnAndExpires(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	ops := k.Operator("ops:olga")
	dead := func(what string, raw usher.Secret) {
		t.Helper()
		if _, err := k.InvitationLink(ctx, raw, home); !errors.Is(err, usher.ErrInvalidToken) {
			t.Errorf("the link, %s: %v", what, err)
		}
		if _, err := k.accept(raw, home); !errors.Is(err, usher.ErrInvalidToken) {
			t.Errorf("accepted, %s: %v", what, err)
		}
	}
	first := k.invite(ann)
	second := k.invite(ann)
	dead("replaced", first)
	k.clock.add(7*24*time.Hour - time.Second)
	usher.Must(k.InvitationLink(ctx, second, home))
	k.clock.add(time.Second)
	dead("expired", second)
	if err := ops.WithdrawInvitation(ctx, ann); !errors.Is(err, usher.ErrNotFound) {
		t.Errorf("an expired invitation is withdrawn: %v", err)
	}
	third := k.invite(ann)
	page := usher.Must(ops.Invitations(ctx, usher.InvitationQuery{}))
	if len(page.Invitations) != 1 || page.Invitations[0].Email != ann || page.Next != "" {
		t.Errorf("open: %+v", page)
	}
	usher.Must(0, ops.WithdrawInvitation(ctx, strings.ToUpper(ann)))
	dead("withdrawn", third)
	u := usher.Must(k.accept(k.invite(ann), home)).Authentication.User
	usher.Must(0, ops.Delete(ctx, u.ID))
	if again := usher.Must(k.accept(k.invite(ann), home)).Authentication.User; again.ID == u.ID {
		t.Error("the new user has the id of the deleted one")
	}
	for field, in := range map[string]usher.InviteParams{
		"email":    {Email: "ann"},
		"lifetime": {Email: ann, Lifetime: 31 * 24 * time.Hour},
	} {
		var bad *usher.FieldError
		if _, err := ops.Invite(ctx, in); !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%+v: %v", in, err)
		}
	}
}

func TestAD13_OpenInvitationsComeInPages(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	ops := k.Operator("ops:olga")
	for i := range 5 {
		k.invite(fmt.Sprintf("user-%d@example.com", i))
	}
	var got []string
	q := usher.InvitationQuery{Limit: 2}
	for {
		page := usher.Must(ops.Invitations(ctx, q))
		for _, i := range page.Invitations {
			got = append(got, i.Email)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if len(got) != 5 || !slices.IsSorted(got) {
		t.Errorf("pages have %q", got)
	}
	var bad *usher.FieldError
	if _, err := ops.Invitations(ctx, usher.InvitationQuery{Cursor: "x"}); !errors.As(err, &bad) || bad.Field != "cursor" {
		t.Errorf("a damaged cursor: %v", err)
	}
}

func TestAD14_AnInvitationDoesNotRefuseASignUpAndHoldsOnceTheAddressIsProven(t *testing.T) {
	t.Parallel()
	for name, prove := range map[string]func(k *kit){
		"the link of the sign-up": func(k *kit) {
			for _, m := range k.inbox() {
				if m.Kind == usher.MessageVerifyEmail {
					usher.Must(k.confirm(tokenIn(k.t, m), home))
				}
			}
		},
		"a reset": func(k *kit) {
			raw := k.resetToken(ann, usher.MessageConfirmAndReset)
			usher.Must(k.Service.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, home))
		},
		"a reset in two requests": func(k *kit) {
			usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageConfirmAndReset), home))
		},
		"another service": func(k *kit) { usher.Must(k.ensure(ann)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, confirmFirst := range []bool{false, true} {
				k := newKit(t, func(c *usher.Config) { c.ConfirmFirst = confirmFirst })
				raw := k.invite(ann)
				if _, err := k.Service.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: goodPassword}, home); err != nil {
					t.Fatalf("a sign-up without the link: %v", err)
				}
				k.wantRoles(ann, false)
				k.inbox() // the emails so far: the next one is the last
				prove(k)
				k.wantRoles(ann, true)
				if n := k.events.count(usher.EventInvitationAccepted); n != 1 {
					t.Errorf("%d acceptances", n)
				}
				if _, err := k.accept(raw, home); !errors.Is(err, usher.ErrInvalidToken) {
					t.Errorf("the link after it was accepted: %v", err)
				}
			}
		})
	}
}

func TestAD15_TheLinkTakesAnUnprovenAccountOver(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	name := "Mallory"
	attacker := usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: goodPassword, Profile: usher.Profile{Name: &name}}, home))
	k.inbox() // the emails so far: the next one is the last
	result := usher.Must(k.accept(k.invite(ann), from("198.51.100.7")))
	if u := result.Authentication.User; u.ID != attacker.User.ID || u.Name != "" || !u.EmailVerified || !k.isLive(result.Authentication) {
		t.Errorf("the user is %+v", u)
	}
	if k.isLive(attacker) {
		t.Error("the attacker's session lives")
	}
	if err := k.trySignIn(ann, goodPassword, home); !errors.Is(err, usher.ErrInvalidCredentials) {
		t.Errorf("the attacker's password: %v", err)
	}
	k.wantRoles(ann, true)
}

func TestAD15_AUserWithTheProvenAddressKeepsThePassword(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	raw := k.invite(ann)
	if link := usher.Must(k.InvitationLink(ctx, raw, home)); !link.HasAccount {
		t.Errorf("the link is %+v", link)
	}
	result := usher.Must(k.accept(raw, home))
	if result.Next != usher.NextHasAccount || result.Authentication != nil || !k.isLive(a) {
		t.Errorf("the result is %+v", result)
	}
	k.wantRoles(ann, true)
	k.signIn(ann, goodPassword, home)
	usher.Must(0, k.Operator("test").Disable(ctx, a.User.ID))
	if _, err := k.Operator("test").Invite(ctx, usher.InviteParams{Email: ann}); !errors.Is(err, usher.ErrUserDisabled) {
		t.Errorf("a disabled user is invited: %v", err)
	}
}

func TestAD16_LimitsOfUntrustedClientsDoNotStopAnInvitation(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for i := range 30 {
		_ = k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: ann}, nth(i))
		_, _ = k.Service.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: goodPassword}, nth(i))
	}
	k.inbox()
	for range 20 {
		k.invite(ann)
	}
	usher.Must(k.accept(k.invite(ann), home))
}
