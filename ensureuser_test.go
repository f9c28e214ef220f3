package usher_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

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

// A user who is known already comes in without what the program refuses. The invitation
// stays open.
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
