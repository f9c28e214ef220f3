package usher_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// interfering is a store in which another caller comes between two calls of the Service:
// each function runs once, before or after the first call of its method.
type interfering struct {
	store.Store
	afterInvitationOf, beforeChangePassword func()
	noAcceptance                            bool
}

func once(f *func()) {
	if do := *f; do != nil {
		*f = nil
		do()
	}
}

func (s *interfering) InvitationOf(ctx context.Context, canonical string, now time.Time) (store.Invitation, error) {
	defer once(&s.afterInvitationOf)
	return s.Store.InvitationOf(ctx, canonical, now)
}

func (s *interfering) ChangePassword(ctx context.Context, c store.PasswordChange) ([]store.Event, error) {
	once(&s.beforeChangePassword)
	return s.Store.ChangePassword(ctx, c)
}

func (s *interfering) AcceptInvitation(ctx context.Context, a store.InvitationAcceptance) (store.User, error) {
	if s.noAcceptance {
		return store.User{}, errFault
	}
	return s.Store.AcceptInvitation(ctx, a)
}

// emailed returns the token of the newest email of a kind.
func (k *kit) emailed(kind usher.MessageKind) usher.Secret {
	k.t.Helper()
	for _, m := range slices.Backward(k.inbox()) {
		if m.Kind == kind {
			return tokenIn(k.t, m)
		}
	}
	k.t.Fatalf("no email is %s", kind)
	return ""
}

// changeEmail moves a user to another address.
func (k *kit) changeEmail(a *usher.Authentication, to string) {
	k.t.Helper()
	usher.Must(0, k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmailParams{NewEmail: to, CurrentPassword: goodPassword}, home))
	usher.Must(k.VerifyEmail(ctx, k.claims(a), usher.VerifyEmailParams{Token: k.emailed(usher.MessageChangeEmail)}, home))
}

func TestAD13_AnInvitationEndsWhenItsUserLosesTheProvenAddress(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(k *kit, a *usher.Authentication){
		"a change by the user": func(k *kit, a *usher.Authentication) { k.changeEmail(a, "new@example.com") },
		"a change by an operator": func(k *kit, a *usher.Authentication) {
			usher.Must(k.Operator("test").UpdateUser(ctx, a.User.ID, usher.UpdateUserParams{Email: &usher.EmailAddress{Address: "new@example.com", Verified: true}}))
		},
		"other login ids": func(k *kit, a *usher.Authentication) {
			usher.Must(k.Operator("test").SetLoginIDs(ctx, a.User.ID, []string{"new@example.com"}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			a := k.signUpVerified(ann)
			raw := k.invite(ann)
			lose(k, a)
			if open := usher.Must(k.Operator("test").Invitations(ctx, usher.InvitationQuery{})); len(open.Invitations) > 0 {
				t.Errorf("open: %+v", open)
			}
			if _, err := k.accept(raw, home); !errors.Is(err, usher.ErrInvalidToken) {
				t.Errorf("the link: %v", err)
			}
		})
	}
}

func TestAD13_EachInvitationThatEndsHasAnEventOfItsOwn(t *testing.T) {
	t.Parallel()
	st := &interfering{Store: memory.New()}
	k := newKitOn(t, st, newClock())
	ops := k.Operator("ops:olga")
	first := usher.Must(ops.Invite(ctx, usher.InviteParams{Email: ann}))
	var second usher.Invitation
	st.afterInvitationOf = func() { second = usher.Must(ops.Invite(ctx, usher.InviteParams{Email: ann})) }
	usher.Must(0, ops.WithdrawInvitation(ctx, ann))
	k.wantEvents("invitation_sent:" + first.ID + " invitation_sent:" + second.ID + " invitation_replaced:" + first.ID + " invitation_withdrawn:" + second.ID)
	if err := ops.WithdrawInvitation(ctx, ann); !errors.Is(err, usher.ErrNotFound) {
		t.Errorf("withdrawn again: %v", err)
	}
}

// The store refuses the acceptance of an invitation by itself, as if the instance had
// crashed after the proof.
func TestAD14_AProofGivesTheRolesInItsOwnTransaction(t *testing.T) {
	t.Parallel()
	for name, prove := range map[string]func(k *kit){
		"the link of the sign-up": func(k *kit) {
			k.signUp(ann)
			usher.Must(k.confirm(k.emailed(usher.MessageVerifyEmail), home))
		},
		"a change of address": func(k *kit) {
			k.changeEmail(k.signUpVerified("other@example.com"), ann)
		},
		"a reset": func(k *kit) {
			k.signUp(ann)
			k.inbox() // the emails so far: the next one is the last
			raw := k.resetToken(ann, usher.MessageConfirmAndReset)
			usher.Must(k.Service.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, home))
		},
		"a reset in two requests": func(k *kit) {
			k.signUp(ann)
			k.inbox() // the emails so far: the next one is the last
			usher.Must(k.VerifyReset(ctx, k.resetToken(ann, usher.MessageConfirmAndReset), home))
		},
		"another service, of an account": func(k *kit) { k.signUp(ann); usher.Must(k.ensure(ann)) },
		"another service":                func(k *kit) { usher.Must(k.ensure(ann)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKitOn(t, &interfering{Store: memory.New(), noAcceptance: true}, newClock())
			k.invite(ann)
			prove(k)
			k.wantRoles(ann, true)
			if n := k.events.count(usher.EventInvitationAccepted); n != 1 {
				t.Errorf("%d acceptances", n)
			}
		})
	}
}

func TestAD14_AProofOutlivesTheInvitation(t *testing.T) {
	t.Parallel()
	for _, replaced := range []bool{false, true} {
		st := &interfering{Store: memory.New()}
		k := newKitOn(t, st, newClock())
		k.signUp(ann)
		raw := k.emailed(usher.MessageVerifyEmail)
		k.invite(ann)
		st.afterInvitationOf = func() {
			if replaced {
				k.invite(ann)
				return
			}
			usher.Must(0, k.Operator("test").WithdrawInvitation(ctx, ann))
		}
		if u := usher.Must(k.confirm(raw, home)); !u.EmailVerified {
			t.Error("the address is not proven")
		}
		k.wantRoles(ann, replaced)
	}
}

func TestAD14_TheSessionOfAResetHasTheRoles(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ResetSignsIn = true })
	name := "Mallory"
	usher.Must(k.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: goodPassword, Profile: usher.Profile{Name: &name}}, home))
	k.invite(ann)
	k.inbox() // the emails so far: the next one is the last
	raw := k.resetToken(ann, usher.MessageConfirmAndReset)
	a := usher.Must(k.Service.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, home)).Authentication
	claims := usher.Must(k.ValidateSession(ctx, a.Tokens.Session))
	if !slices.Equal(claims.Roles, []string{"admin"}) || !slices.Equal(a.User.Roles, []string{"admin"}) || a.User.Name != "" {
		t.Errorf("roles of the token %q, the user %+v", claims.Roles, a.User)
	}
}

func TestAD15_OP04_TheAddressIsSpelledAsItWasProven(t *testing.T) {
	t.Parallel()
	const spelled = "Ann@Example.com"
	for name, prove := range map[string]func(k *kit) usher.User{
		"an invitation": func(k *kit) usher.User {
			return usher.Must(k.accept(k.invite(spelled), home)).Authentication.User
		},
		"another service": func(k *kit) usher.User { return usher.Must(k.ensure(spelled)) },
	} {
		k := newKit(t)
		k.signUp("aNN@example.com")
		returned := prove(k)
		stored := usher.Must(k.Operator("test").UserByLoginID(ctx, ann))
		for _, u := range []usher.User{returned, stored} {
			if u.Email != spelled || u.LoginID() != spelled || len(u.LoginIDs) != 1 {
				t.Errorf("%s: %q, %q", name, u.Email, u.LoginIDs)
			}
		}
	}
}

func TestAD15_AUserWithAnotherLoginIDIsInvitedByTheProvenAddress(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	ops := k.Operator("ops:olga")
	u := usher.Must(ops.ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{"ann"}, Email: ann, EmailVerified: true, Password: goodPassword}))
	raw := k.invite(ann)
	if link := usher.Must(k.InvitationLink(ctx, raw, home)); !link.HasAccount || link.UserID != u.ID {
		t.Errorf("the link is %+v", link)
	}
	if result := usher.Must(k.accept(raw, home)); result.Next != usher.NextHasAccount {
		t.Errorf("the result is %+v", result)
	}
	k.wantRoles("ann", true)
	raw = k.invite(ann)
	usher.Must(ops.ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{"anna"}, Email: ann, EmailVerified: true}))
	if _, err := ops.Invite(ctx, usher.InviteParams{Email: ann}); !errors.Is(err, usher.ErrLoginIDTaken) {
		t.Errorf("two users have proven the address: %v", err)
	}
	if _, err := k.accept(raw, home); !errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("the link, with two such users: %v", err)
	}
}

func TestAD15_TheDeletionOfAnUnprovenAccountLeavesTheLinkLive(t *testing.T) {
	t.Parallel()
	st := &interfering{Store: memory.New()}
	k := newKitOn(t, st, newClock())
	squatter := k.signUp(ann)
	raw := k.invite(ann)
	st.beforeChangePassword = func() { usher.Must(0, k.Operator("test").Delete(ctx, squatter.User.ID)) }
	result := usher.Must(k.accept(raw, home))
	if result.Next != usher.NextSignedIn || result.Authentication.User.ID == squatter.User.ID {
		t.Errorf("the result is %+v", result)
	}
	k.wantRoles(ann, true)
}

// Expiry, deletion, a sign-up without the link and another service come before the link,
// with each setting of the sign-up.
func TestAD12_AD13_AD14_NoInvitedUserIsStuck(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*usher.Config){
		"open": func(*usher.Config) {}, "confirm first": func(c *usher.Config) { c.ConfirmFirst = true }, "closed": func(c *usher.Config) { c.SignUpClosed = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, change)
			closed := k.cfg.SignUpClosed
			expired := k.invite(ann)
			k.inbox() // before the clock moves
			k.clock.add(8 * 24 * time.Hour)
			if _, err := k.accept(expired, home); !errors.Is(err, usher.ErrInvalidToken) {
				t.Errorf("the expired link: %v", err)
			}
			accept := func(raw usher.Secret) {
				t.Helper()
				result := usher.Must(k.accept(raw, home))
				k.wantRoles(ann, true)
				if result.Authentication != nil {
					usher.Must(0, k.Operator("test").Delete(ctx, result.Authentication.User.ID))
				}
			}
			accept(k.invite(ann))
			accept(k.invite(ann)) // after a deletion
			signUp := func(loginID string) (usher.Next, error) {
				r, err := k.Service.SignUp(ctx, usher.SignUpParams{LoginID: loginID, Password: goodPassword}, home)
				return r.Next, err
			}
			raw := k.invite(ann)
			next, err := signUp(ann)
			if other, otherErr := signUp("other@example.com"); next != other || !errors.Is(err, otherErr) || closed != (err != nil) {
				t.Errorf("the sign-up of the invited user: %q, %v; of another one: %q, %v", next, err, other, otherErr)
			}
			if !closed {
				k.wantRoles(ann, false)
			}
			accept(raw)
			raw = k.invite(ann)
			u, err := k.ensure(ann)
			if closed {
				if !errors.Is(err, usher.ErrSignUpClosed) {
					t.Errorf("with another service: %v", err)
				}
				accept(raw)
				return
			}
			k.wantRoles(ann, true)
			if _, err := k.accept(raw, home); !errors.Is(err, usher.ErrInvalidToken) || !u.EmailVerified {
				t.Errorf("the link after the other service: %v", err)
			}
		})
	}
}

// An operator creates a user and emails the first link in one transaction.
func TestAD17_AnImportedUserIsInvited(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.Redirects = []string{"https://app.example.com"} })
	o := k.Operator("ops:test")
	name := "Ann"
	in := usher.ImportUserParams{LoginIDs: []string{ann}, EmailVerified: true, Roles: []string{"editor"}, Profile: usher.Profile{Name: &name}}
	for field, change := range map[string]func(*usher.ImportUserParams){
		"invite":      func(in *usher.ImportUserParams) { in.LoginIDs = []string{"ann"} },
		"redirectUrl": func(in *usher.ImportUserParams) { in.RedirectURL = "https://evil.test" },
	} {
		bad := in
		bad.Invite = true
		change(&bad)
		_, err := o.ImportUser(ctx, bad)
		wantField(t, err, field)
		bad.Invite, bad.Disabled, bad.RedirectURL = true, true, ""
		_, err = o.ImportUser(ctx, bad)
		wantField(t, err, "invite")
	}
	k.wantEmails("")
	in.Invite, in.RedirectURL, in.Parameter = true, "https://app.example.com/join", "t"
	u, err := o.ImportUser(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	link := k.wantEmails("invitation")[0].Link.Reveal()
	raw, ok := strings.CutPrefix(link, "https://app.example.com/join?t=")
	if !ok {
		t.Fatalf("the link is %s", link)
	}
	k.clock.add(7*24*time.Hour - time.Minute)
	if _, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: usher.Secret(raw), NewPassword: goodPassword}, home); err != nil {
		t.Fatal(err)
	}
	if a := k.signIn(ann, goodPassword, home); a.User.ID != u.ID || a.User.Name != "Ann" || !slices.Equal(a.User.Roles, in.Roles) {
		t.Errorf("the user is %+v", a.User)
	}
	if _, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: usher.Secret(raw), NewPassword: otherPassword}, home); !errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("the link again: %v", err)
	}

	k.wantEmails("password_changed")
	in.LoginIDs, in.EmailVerified = []string{"bob@example.com"}, false
	usher.Must(o.ImportUser(ctx, in))
	late := usher.Secret(strings.TrimPrefix(k.wantEmails("invitation")[0].Link.Reveal(), "https://app.example.com/join?t="))
	k.clock.add(7*24*time.Hour + time.Second)
	if _, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: late, NewPassword: goodPassword}, home); !errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("after a week: %v", err)
	}
}
