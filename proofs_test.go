package usher_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
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

// ensure returns the user with an address that a provider has verified.
func (k *kit) ensure(email string) (usher.User, error) {
	name := "Ann"
	in := usher.EnsureUserParams{Email: email, EmailVerified: true, Profile: usher.Profile{Name: &name}}
	return k.EnsureUser(ctx, in, home)
}

func TestOP04_AVerifiedAddressClosesEveryWayOfAnUnprovenHolder(t *testing.T) {
	t.Parallel()
	for _, confirmFirst := range []bool{false, true} {
		k := newKit(t, func(c *usher.Config) { c.ConfirmFirst = confirmFirst })
		attacker := k.attack(confirmFirst)
		k.inbox() // the emails so far: the next one is the last
		reset := k.resetToken(ann, usher.MessageConfirmAndReset)
		k.events.reset()

		u := usher.Must(k.ensure(ann))
		if !u.EmailVerified || u.Name != "Ann" || u.Picture != "" {
			t.Errorf("the user is %+v", u)
		}
		ended := ""
		if !confirmFirst {
			ended = " session_ended:password_removed session_ended:password_removed"
		}
		k.wantEvents("user_email_verify:other_proof authn_password_change:unproven_removed" + ended)
		owner := k.startSession(u.ID, from("198.51.100.7"))

		if err := k.trySignIn(ann, goodPassword, home); !errors.Is(err, usher.ErrInvalidCredentials) {
			t.Errorf("the attacker's password: %v", err)
		}
		for _, after := range []time.Duration{0, 11 * time.Minute} {
			k.clock.add(after)
			for _, a := range attacker {
				if _, err := k.ValidateSession(ctx, a.Tokens.Session); err == nil {
					t.Error("a session token of the attacker is valid")
				}
				if _, err := k.RefreshSession(ctx, a.Tokens.Refresh, home); !errors.Is(err, usher.ErrInvalidSession) {
					t.Errorf("the attacker refreshes: %v", err)
				}
			}
		}
		for _, m := range k.inbox() {
			if m.Link == "" {
				continue
			}
			if _, err := k.confirm(tokenIn(t, m), home); !errors.Is(err, usher.ErrInvalidToken) {
				t.Errorf("the link of %s to %s: %v", m.Kind, m.To, err)
			}
		}
		if _, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: reset, NewPassword: otherPassword}, home); !errors.Is(err, usher.ErrInvalidToken) {
			t.Errorf("a reset link from before: %v", err)
		}
		if pending := usher.Must(k.PendingEmail(ctx, u.ID)); pending.Address != "" {
			t.Errorf("a change of address is pending: %+v", pending)
		}
		// The owner is signed in, and sets a password by email.
		if _, err := k.RefreshSession(ctx, owner.Tokens.Refresh, home); err != nil {
			t.Errorf("the owner's session ended: %v", err)
		}
		in := usher.ResetPasswordParams{Token: k.resetToken(ann, usher.MessageResetPassword), NewPassword: otherPassword}
		usher.Must(k.ResetPassword(ctx, in, home))
		k.signIn(ann, otherPassword, home)
	}
}

// attack signs up with the address of another person, which it cannot confirm, and
// returns the sessions.
func (k *kit) attack(confirmFirst bool) []*usher.Authentication {
	k.t.Helper()
	picture := "https://evil.example/me.png"
	in := usher.SignUpParams{LoginID: ann, Password: goodPassword, Profile: usher.Profile{Picture: &picture}}
	a, err := k.SignUp(ctx, in, home)
	if err != nil {
		k.t.Fatal(err)
	}
	if confirmFirst {
		return nil
	}
	b := k.signIn(ann, goodPassword, home)
	change := usher.ChangeEmailParams{NewEmail: mallory, CurrentPassword: goodPassword}
	if err := k.ChangeEmail(ctx, k.claims(b), change, home); err != nil {
		k.t.Fatal(err)
	}
	return []*usher.Authentication{a, b}
}

func TestOP04_AProvenUserKeepsPasswordAndSessions(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	u := usher.Must(k.ensure("ANN@Example.com "))
	if u.ID != a.User.ID || u.Name != "" || !k.isLive(a) {
		t.Errorf("the user changed: %+v", u)
	}
	k.wantEvents("")
	k.signIn(ann, goodPassword, home)
}

func TestOP05_OnlyAVerifiedAddressNamesAUser(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(ann)
	_, err := k.EnsureUser(ctx, usher.EnsureUserParams{Email: ann}, home)
	if !errors.Is(err, usher.ErrEmailNotVerified) || !k.isLive(a) {
		t.Errorf("an unverified address: %v", err)
	}
	for _, address := range []string{"", "ann", "ann@", "ann@example.com\r\nBcc: x@example.com"} {
		var field *usher.FieldError
		if _, err := k.ensure(address); !errors.As(err, &field) || field.Field != "email" {
			t.Errorf("the address %q: %v", address, err)
		}
	}
	// A login id that looks like the address does not prove that the mailbox is the user's.
	imported := usher.ImportUserParams{LoginIDs: []string{"old@example.com"}, Email: "new@example.com"}
	usher.Must(k.Operator("test").ImportUser(ctx, imported))
	if _, err := k.ensure("old@example.com"); !errors.Is(err, usher.ErrLoginIDTaken) {
		t.Errorf("the login id of a user with another address: %v", err)
	}
	if err := k.Operator("test").Disable(ctx, a.User.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := k.ensure(ann); !errors.Is(err, usher.ErrUserDisabled) {
		t.Errorf("a disabled user: %v", err)
	}
}

func TestOP05_AnUnknownAddressBecomesAUserWithoutAPassword(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Limits.SignUps = 2 })
	u := usher.Must(k.ensure(ann))
	k.wantEvents("user_created:other_proof")
	if u.LoginID() != ann || u.Email != ann || !u.EmailVerified || u.Name != "Ann" {
		t.Errorf("the user is %+v", u)
	}
	if again := usher.Must(k.ensure(ann)); again.ID != u.ID {
		t.Error("a second user has the same address")
	}
	usher.Must(k.ensure("bob@example.com"))
	wantLimit(t, second(k.ensure("carl@example.com")))
	closed := newKit(t, func(c *usher.Config) { c.SignUpClosed = true })
	if _, err := closed.ensure(ann); !errors.Is(err, usher.ErrSignUpClosed) {
		t.Errorf("with closed sign-up: %v", err)
	}
	if all := k.inbox(); len(all) != 0 {
		t.Errorf("emails were sent: %s", kinds(all))
	}
}

func second[T any](_ T, err error) error { return err }

func TestOP05_OneUserOfManyCallsAtOnce(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(k *kit){
		"unknown":  func(*kit) {},
		"unproven": func(k *kit) { k.signUp(ann) },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, func(c *usher.Config) { c.Limits.SignUps = 1000 })
			prepare(k)
			k.events.reset()
			var id atomic.Value
			concurrently(64, func(int) {
				u, err := k.ensure(ann)
				if err != nil {
					t.Errorf("EnsureUser: %v", err)
				}
				id.CompareAndSwap(nil, u.ID)
				if id.Load() != u.ID || !u.EmailVerified {
					t.Errorf("got %+v, want the user %v", u, id.Load())
				}
			})
			if n := k.events.count(usher.EventUserCreated) + k.events.count(usher.EventEmailVerified); n != 1 {
				t.Errorf("%d calls changed something, want one", n)
			}
		})
	}
}

// A sign-in with a provider does not bypass the program's rule on sign-ups. The rule is
// not called for existing users.
func TestEN09_OP05_TheRuleOnSignUpsHoldsForUsersOfAProvider(t *testing.T) {
	t.Parallel()
	refused := &usher.Rejection{Code: "not_invited", Field: "email"}
	k := newKit(t, func(c *usher.Config) {
		c.SignUpRule = func(_ context.Context, u usher.User) error {
			if u.Email == ann && u.EmailVerified && u.Name == "Ann" {
				return nil
			}
			return refused
		}
	})
	usher.Must(k.ensure(ann))
	k.importUser("bob@example.com")
	k.events.reset()
	usher.Must(k.ensure(ann))
	usher.Must(k.ensure("bob@example.com"))
	k.events.reset()
	if _, err := k.ensure("carl@example.com"); !errors.Is(err, refused) {
		t.Errorf("an address that the rule refuses: %v", err)
	}
	k.wantEvents("user_create_fail:rejected")
	if _, err := k.Operator("test").UserByLoginID(ctx, "carl@example.com"); !errors.Is(err, usher.ErrNotFound) {
		t.Errorf("the user exists: %v", err)
	}
}

// refusingInvitations is a store whose program refuses each acceptance of an invitation.
type refusingInvitations struct{ *memory.Store }

func (refusingInvitations) AcceptInvitation(context.Context, store.InvitationAcceptance) (usher.User, error) {
	return usher.User{}, &store.Rejection{Code: "no_seat"}
}

// A user who exists already signs in, although the program refuses the acceptance of the
// invitation. The invitation stays open.
func TestOP05_ARefusedInvitationKeepsNoUserOut(t *testing.T) {
	t.Parallel()
	k := newKitOn(t, refusingInvitations{memory.New()}, newClock())
	a := k.signUpVerified(ann)
	k.invite(ann)
	k.events.reset()
	if u, err := k.ensure(ann); err != nil || u.ID != a.User.ID || len(u.Roles) != 0 {
		t.Errorf("%+v: %v", u, err)
	}
	k.wantEvents("")
	if open := usher.Must(k.Operator("test").Invitations(ctx, usher.InvitationQuery{})).Invitations; len(open) != 1 {
		t.Errorf("the invitations are %+v", open)
	}
}
