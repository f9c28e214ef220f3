package usher_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

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

// The owner of a mailbox takes over an account whose address was never proven, by the link
// of an invitation or of a reset. The rule against reuse reveals no password of the earlier
// holder, now or later.
func TestEV03_TheReuseRuleRevealsNoPasswordOfTheEarlierHolder(t *testing.T) {
	t.Parallel()
	for name, takeOver := range map[string]func(k *kit, pw usher.Secret) error{
		"invitation": func(k *kit, pw usher.Secret) error {
			usher.Must(k.Operator("test").Invite(ctx, usher.InviteParams{Email: ann}))
			raw := tokenIn(k.t, k.lastEmail(usher.MessageInvitation))
			return errOf(k.AcceptInvitation(ctx, usher.AcceptInvitationParams{Token: raw, NewPassword: pw}, home))
		},
		"reset": func(k *kit, pw usher.Secret) error {
			raw := k.resetToken(ann, usher.MessageConfirmAndReset)
			return errOf(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: pw}, home))
		},
	} {
		for _, pw := range []usher.Secret{goodPassword, otherPassword} { // both are the earlier holder's
			k := newKit(t, withReuse)
			a := k.signUp(ann)
			in := usher.UpdatePasswordParams{CurrentPassword: goodPassword, NewPassword: otherPassword}
			usher.Must(k.UpdatePassword(ctx, k.claims(a), in, home))
			if err := takeOver(k, pw); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			b := k.signIn(ann, pw, home)
			for _, next := range []usher.Secret{thirdPassword, goodPassword, otherPassword} {
				if next != pw { // the owner's own one is compared
					b = usher.Must(k.UpdatePassword(ctx, k.claims(b), usher.UpdatePasswordParams{NewPassword: next}, home))
				}
			}
		}
	}
}
