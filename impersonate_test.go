package usher_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

// impersonate starts a session in which ops:alice acts as the user.
func (k *kit) impersonate(userID string) *usher.Authentication {
	k.t.Helper()
	a, err := k.Operator("ops:alice").Impersonate(ctx, userID, home)
	if err != nil {
		k.t.Fatalf("Impersonate: %v", err)
	}
	return a
}

// wantActor fails unless exactly these events happened, each by ops:alice.
func (k *kit) wantActor(want string) {
	k.t.Helper()
	k.events.mu.Lock()
	all := slices.Clone(k.events.all)
	k.events.mu.Unlock()
	for _, e := range all {
		if e.Actor != "ops:alice" {
			k.t.Errorf("%s %s is by %q", e.Name, e.Reason, e.Actor)
		}
	}
	k.wantEvents(want)
}

func TestOP09_AnOperatorActsAsAUserForFifteenMinutes(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) {
		c.Claims = func(context.Context, usher.User) (map[string]any, error) { return map[string]any{"plan": "pro"}, nil }
	})
	u := k.signUpVerified(ann).User
	roles := []string{"editor"}
	usher.Must(k.Operator("test").UpdateUser(ctx, u.ID, usher.UpdateUserParams{Roles: &roles}))
	k.events.reset()
	a := k.impersonate(u.ID)
	k.wantActor("session_created:impersonated")
	claims := k.claims(a)
	plan, _ := token.Claim[string](claims, "plan")
	if claims.Subject != u.ID || claims.Actor != "ops:alice" || !claims.HasRole("editor") || plan != "pro" || !claims.EmailVerified {
		t.Errorf("claims are %+v", claims)
	}
	if !claims.AuthTime.IsZero() || len(claims.AMR) != 0 {
		t.Errorf("the token has the claims of a sign-in: %s %q", claims.AuthTime, claims.AMR)
	}
	end := k.clock.now().Add(15 * time.Minute)
	if a.Tokens.Refresh != "" || !a.Tokens.SessionExpiresAt.Equal(end) || !a.Session.ExpiresAt.Equal(end) || a.Session.Kind != usher.SessionImpersonated || a.Device != "" {
		t.Errorf("the result is %+v", a)
	}
	act, _ := payload(t, a.Tokens.Session)["act"].(map[string]any)
	if len(act) != 1 || act["sub"] != "ops:alice" {
		t.Errorf("act is %v", act)
	}
	k.clock.add(15*time.Minute - time.Second)
	if !k.isLive(a) {
		t.Error("the session ended early")
	}
	k.clock.add(time.Second)
	if _, _, err := k.Me(ctx, claims); !errors.Is(err, usher.ErrInvalidSession) {
		t.Errorf("Me after fifteen minutes: %v", err)
	}
	k.clock.add(6 * time.Second) // the difference between clocks that a verifier allows
	if _, err := k.ValidateSession(ctx, a.Tokens.Session); !errors.Is(err, token.ErrExpired) {
		t.Errorf("the token after fifteen minutes: %v", err)
	}
}

func TestOP09_OnlyAUserWhoMaySignInIsImpersonated(t *testing.T) {
	t.Parallel()
	refusal := errors.New("not today")
	var claims error
	k := newKit(t, func(c *usher.Config) {
		c.ConfirmFirst = true
		c.Claims = func(context.Context, usher.User) (map[string]any, error) { return nil, claims }
	})
	u := k.signUpConfirmed(ann).User
	usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: "new@example.com", Password: goodPassword}, home))
	unconfirmed := usher.Must(k.Operator("test").UserByLoginID(ctx, "new@example.com"))
	act := func(userID string) error { return errOf(k.Operator("ops:alice").Impersonate(ctx, userID, home)) }
	if err := act(u.ID); err != nil {
		t.Fatal(err)
	}
	for userID, want := range map[string]error{"nobody": usher.ErrNotFound, unconfirmed.ID: usher.ErrEmailNotVerified} {
		if err := act(userID); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	claims = refusal
	if err := act(u.ID); !errors.Is(err, refusal) {
		t.Errorf("Config.Claims refuses, and the error is %v", err)
	}
	claims = nil
	if err := k.Operator("test").Disable(ctx, u.ID); err != nil {
		t.Fatal(err)
	}
	if err := act(u.ID); !errors.Is(err, usher.ErrUserDisabled) {
		t.Errorf("a disabled user: %v", err)
	}
}

func TestOP10_AnImpersonationIsNoDeviceOfTheUser(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Sessions.Max = 2 })
	first := k.signUpVerified(ann)
	k.clock.add(time.Second)
	second := k.signIn(ann, goodPassword, home)
	c := home
	c.SessionID, c.Device = first.Session.ID, first.Device
	c.PrepareDelivery = func(token.Pair) error { return errors.New("too large for a cookie") }
	a := usher.Must(k.Operator("ops:alice").Impersonate(ctx, first.User.ID, c))
	k.impersonate(first.User.ID)
	if !k.isLive(first) || !k.isLive(second) {
		t.Fatal("a session of the user, or that of the request, ended")
	}
	for who, list := range map[string][]usher.Session{
		"user": usher.Must(k.Sessions(ctx, k.claims(first))), "operator": usher.Must(k.Operator("test").Sessions(ctx, first.User.ID)),
	} {
		if len(list) != 2 {
			t.Errorf("the %s sees %d sessions", who, len(list))
		}
	}
	k.clock.add(time.Second)
	k.signIn(ann, goodPassword, home)
	k.wantEnded(first)
	if !k.isLive(second) || !k.isLive(a) {
		t.Error("the impersonation counts as a device")
	}
}

// Every method that takes claims is in the table.
func TestOP11_AnImpersonationChangesNoPasswordAddressOrSession(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	owner := k.signUpVerified(ann)
	name := "Ann"
	table := map[string]struct {
		want error
		call func(c *token.Claims) error
	}{
		"UpdatePassword": {usher.ErrForbidden, func(c *token.Claims) error {
			return errOf(k.Service.UpdatePassword(ctx, c, usher.UpdatePasswordParams{NewPassword: otherPassword, CurrentPassword: goodPassword}, home))
		}},
		"Reauthenticate": {usher.ErrForbidden, func(c *token.Claims) error {
			return errOf(k.Service.Reauthenticate(ctx, c, usher.ReauthenticateParams{Password: goodPassword}, home))
		}},
		"SendEmailVerification": {usher.ErrForbidden, func(c *token.Claims) error { return k.SendEmailVerification(ctx, c, home) }},
		"ChangeEmail": {usher.ErrForbidden, func(c *token.Claims) error {
			return k.ChangeEmail(ctx, c, usher.ChangeEmailParams{NewEmail: "new@example.com", CurrentPassword: goodPassword}, home)
		}},
		"DeleteAccount": {usher.ErrForbidden, func(c *token.Claims) error {
			return k.DeleteAccount(ctx, c, usher.DeleteAccountParams{CurrentPassword: goodPassword}, home)
		}},
		"AccountData":         {usher.ErrForbidden, func(c *token.Claims) error { return errOf(k.AccountData(ctx, c, home)) }},
		"CancelEmailChange":   {usher.ErrForbidden, func(c *token.Claims) error { return k.CancelEmailChange(ctx, c, home) }},
		"ReissueSessionToken": {usher.ErrForbidden, func(c *token.Claims) error { return errOf(k.ReissueSessionToken(ctx, c, owner.User)) }},
		"Sessions":            {usher.ErrForbidden, func(c *token.Claims) error { return errOf(k.Sessions(ctx, c)) }},
		"SignInHistory":       {usher.ErrForbidden, func(c *token.Claims) error { return errOf(k.SignInHistory(ctx, c, 1)) }},
		"RevokeSession":       {usher.ErrForbidden, func(c *token.Claims) error { return k.RevokeSession(ctx, c, owner.Session.ID, home) }},
		"SignOutEverywhere":   {usher.ErrForbidden, func(c *token.Claims) error { return k.SignOutEverywhere(ctx, c, home) }},
		// The link and the password are proofs. The session is not.
		"VerifyEmail": {usher.ErrPasswordRequired, func(c *token.Claims) error {
			k.clock.add(time.Second)
			if err := k.ChangeEmail(ctx, k.claims(owner), usher.ChangeEmailParams{NewEmail: "new@example.com", CurrentPassword: goodPassword}, home); err != nil {
				t.Fatal(err)
			}
			raw := tokenIn(t, k.wantEmails("change_email email_changing")[0])
			link, err := k.VerificationLink(ctx, c, raw, home)
			if err != nil || !link.PasswordRequired {
				t.Errorf("the link is %+v %v", link, err)
			}
			return errOf(k.VerifyEmail(ctx, c, usher.VerifyEmailParams{Token: raw}, home))
		}},
		"VerificationLink": {}, // see VerifyEmail
		"Me":               {nil, func(c *token.Claims) error { return errOf3(k.Me(ctx, c)) }},
		"CurrentClaims": {nil, func(c *token.Claims) error {
			current, err := k.CurrentClaims(ctx, c)
			if err == nil && current.Actor != "ops:alice" {
				t.Errorf("the actor is %q", current.Actor)
			}
			return err
		}},
		"UpdateProfile": {nil, func(c *token.Claims) error { return errOf(k.UpdateProfile(ctx, c, usher.Profile{Name: &name}, home)) }},
		"WatchSession":  {nil, func(c *token.Claims) error { k.WatchSession(c, func() {})(); return nil }},
		"SignOut":       {nil, func(c *token.Claims) error { return k.SignOut(ctx, c, home) }},
	}
	of := reflect.TypeFor[*usher.Service]()
	for i := range of.NumMethod() {
		m := of.Method(i)
		for p := range m.Type.NumIn() {
			if _, found := table[m.Name]; m.Type.In(p) == reflect.TypeFor[*token.Claims]() && !found {
				t.Errorf("%s takes claims and is not in the table", m.Name)
			}
		}
	}
	for method, c := range table {
		if c.call == nil {
			continue
		}
		a := k.impersonate(owner.User.ID)
		if err := c.call(k.claims(a)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", method, err, c.want)
		}
		if _, err := k.ValidateSession(ctx, a.Tokens.Session); (err == nil) != (method != "SignOut") {
			t.Errorf("%s: the session is %v", method, err)
		}
	}
	if !k.isLive(owner) {
		t.Error("the session of the user ended")
	}
	k.wantPassword(ann, goodPassword, otherPassword)
}

// A token counts only for a session of its own kind.
func TestOP11_TheActorCannotBeLeftOut(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	owner := k.signUpVerified(ann)
	without, with := k.claims(k.impersonate(owner.User.ID)).Clone(), k.claims(owner).Clone()
	without.Actor, with.Actor = "", "ops:alice"
	for name, claims := range map[string]*token.Claims{"without its actor": &without, "with an actor": &with} {
		if _, _, err := k.Me(ctx, claims); !errors.Is(err, usher.ErrInvalidSession) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOP12_EveryEventThatAnImpersonationCausesNamesTheOperator(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := k.signUpVerified(ann).User
	claims := k.claims(k.impersonate(u.ID))
	name := "Ann"
	usher.Must(k.UpdateProfile(ctx, claims, usher.Profile{Name: &name}, home))
	if err := k.SignOutEverywhere(ctx, claims, home); !errors.Is(err, usher.ErrForbidden) {
		t.Fatal(err)
	}
	if err := k.SignOut(ctx, claims, home); err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.Me(ctx, claims); !errors.Is(err, usher.ErrInvalidSession) {
		t.Fatal(err)
	}
	k.wantActor("session_created:impersonated user_updated:profile authz_fail:impersonated authn_logout session_ended:signed_out authn_token_refused:session_ended")
}

func TestOP12_TheEndOfAReplacedImpersonationNamesTheOperator(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := k.signUpVerified(ann).User
	claims := k.claims(k.impersonate(u.ID))
	c := home
	c.SessionID, c.SessionActor = claims.SessionID, claims.Actor
	k.events.reset()
	k.signIn(ann, goodPassword, c)
	k.impersonate(u.ID)
	claims = k.claims(k.impersonate(u.ID))
	c.SessionID = claims.SessionID
	usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: "new@example.com", Password: goodPassword}, c))
	k.events.mu.Lock()
	defer k.events.mu.Unlock()
	ended := 0
	for _, e := range k.events.all {
		if e.Reason == "replaced" && e.Actor == "ops:alice" {
			ended++
		} else if e.Actor != "" && e.Reason != "impersonated" {
			t.Errorf("%s %s is by %q", e.Name, e.Reason, e.Actor)
		}
	}
	if ended != 2 {
		t.Errorf("%d ends name the operator", ended)
	}
}

func TestOP13_AnImpersonationEndsOnEveryInstance(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(k *kit, owner, a *usher.Authentication) error{
		"EndSession": func(k *kit, _, a *usher.Authentication) error {
			return k.Operator("ops:bob").EndSession(ctx, a.User.ID, a.Session.ID)
		},
		"sign-out": func(k *kit, _, a *usher.Authentication) error { return k.SignOut(ctx, k.claims(a), home) },
		"user signs out everywhere": func(k *kit, owner, _ *usher.Authentication) error {
			return k.SignOutEverywhere(ctx, k.claims(owner), home)
		},
		"user revokes it": func(k *kit, owner, a *usher.Authentication) error {
			return k.RevokeSession(ctx, k.claims(owner), a.Session.ID, home)
		},
		"user changes the password": func(k *kit, owner, _ *usher.Authentication) error {
			return errOf(k.UpdatePassword(ctx, k.claims(owner), usher.UpdatePasswordParams{NewPassword: otherPassword}, home))
		},
		"SignOutUser": func(k *kit, _, a *usher.Authentication) error {
			return k.Operator("ops:bob").SignOutUser(ctx, a.User.ID)
		},
		"Disable": func(k *kit, _, a *usher.Authentication) error { return k.Operator("ops:bob").Disable(ctx, a.User.ID) },
		"Delete":  func(k *kit, _, a *usher.Authentication) error { return k.Operator("ops:bob").Delete(ctx, a.User.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				k, other := twoInstances(t)
				owner := k.signUp(ann)
				k.inbox()
				a := other.impersonate(owner.User.ID)
				if !k.isLive(a) || !other.isLive(a) {
					t.Fatal("not valid on both instances")
				}
				if err := end(k, owner, a); err != nil {
					t.Fatal(err)
				}
				time.Sleep(1100 * time.Millisecond) // the bubble's clock
				for _, instance := range []*kit{k, other} {
					_, err := instance.ValidateSession(ctx, a.Tokens.Session)
					wantErr(t, err, token.ErrRevoked)
				}
			})
		})
	}
}
