package storetest

import (
	"bytes"
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// newInvitation returns an invitation that no store has.
func (e *env) newInvitation(canonical string) store.Invitation {
	id := fmt.Sprintf("invitation-%d", e.next())
	return store.Invitation{
		ID: id, Email: "As-typed " + canonical, Canonical: canonical, Hash: hash(id),
		Roles: []string{"invited"}, Permissions: []string{"p"}, Tenants: map[string]token.Tenant{"t": {Roles: []string{"lead"}}},
		CreatedAt: t0, ExpiresAt: t0.Add(time.Hour),
	}
}

func (e *env) invite(canonical string) store.Invitation {
	e.Helper()
	i := e.newInvitation(canonical)
	e.ok(e.PutInvitation(e.ctx, i, store.Effects{}))
	return i
}

// wantNoInvitation fails the case if the store still has the invitation at that time.
func (e *env) wantNoInvitation(i store.Invitation, now time.Time) {
	e.Helper()
	_, err := e.Invitation(e.ctx, i.Hash, now)
	e.wantErr(err, store.ErrNotFound)
	if other, err := e.InvitationOf(e.ctx, i.Canonical, now); err == nil && bytes.Equal(other.Hash, i.Hash) {
		e.Fatal("the invitation is still that of its address")
	}
}

func acceptance(i store.Invitation, u store.User) store.InvitationAcceptance {
	return store.InvitationAcceptance{Hash: i.Hash, UserID: u.ID, Email: u.Email, At: t0.Add(time.Minute)}
}

var invitationCases = []testCase{
	{"keeps one invitation for each address, until it expires", func(e *env) {
		first := e.invite("anna@example.test")
		second := e.newInvitation("anna@example.test")
		fx := e.effects()
		e.ok(e.PutInvitation(e.ctx, second, fx))
		e.wantEffects(fx)
		e.wantNoInvitation(first, t0)
		got, err := e.Invitation(e.ctx, second.Hash, second.ExpiresAt.Add(-time.Microsecond))
		e.ok(err)
		e.wantEqual("by hash", got, second)
		got, err = e.InvitationOf(e.ctx, "anna@example.test", t0)
		e.ok(err)
		e.wantEqual("by address", got, second)
		e.wantNoInvitation(second, second.ExpiresAt)
		e.wantErr(e.WithdrawInvitation(e.ctx, second.Canonical, second.ExpiresAt, store.Effects{}), store.ErrNotFound)
		list, err := e.Invitations(e.ctx, "", 9, second.ExpiresAt)
		e.ok(err)
		e.wantEqual("open", list, nil)
	}},
	{"lists invitations by address", func(e *env) {
		b, a, c := e.invite("b@example.test"), e.invite("a@example.test"), e.invite("c@example.test")
		list, err := e.Invitations(e.ctx, "", 2, t0)
		e.ok(err)
		e.wantEqual("first page", list, []store.Invitation{a, b})
		list, err = e.Invitations(e.ctx, b.Canonical, 2, t0)
		e.ok(err)
		e.wantEqual("second page", list, []store.Invitation{c})
	}},
	{"withdraws an invitation", func(e *env) {
		i, keep := e.invite("anna@example.test"), e.invite("bert@example.test")
		fx := e.effects()
		e.ok(e.WithdrawInvitation(e.ctx, i.Canonical, t0, fx))
		e.wantEffects(fx)
		e.wantNoInvitation(i, t0)
		e.wantErr(e.WithdrawInvitation(e.ctx, i.Canonical, t0, e.effects()), store.ErrNotFound)
		_, err := e.Invitation(e.ctx, keep.Hash, t0)
		e.ok(err)
	}},
	{"grants an invitation to a user", func(e *env) {
		a, i := e.createUser("anna"), e.invite("anna@example.test")
		in := acceptance(i, a.User)
		in.Effects = e.effects()
		u, err := e.AcceptInvitation(e.ctx, in)
		e.ok(err)
		want := i.Grant(a.User)
		want.UpdatedAt = in.At
		e.wantEqual("user", u, want)
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.wantEqual("account", got, store.Account{User: want, Password: a.Password})
		e.wantEffects(in.Effects)
		e.wantNoInvitation(i, t0)
		_, err = e.AcceptInvitation(e.ctx, in)
		e.wantErr(err, store.ErrNotFound)
	}},
	{"grants nothing to a user who is disabled, unproven, gone or has another address, or after it expired", func(e *env) {
		a, off, i := e.createUser("anna"), e.newCreation("carl"), e.invite("anna@example.test")
		off.User.Status = store.StatusDisabled
		e.create(off)
		unproven := e.unproven("bert")
		other, late, gone := acceptance(i, a.User), acceptance(i, a.User), acceptance(i, a.User)
		other.Email, late.At, gone.UserID = "other@example.test", i.ExpiresAt, "nobody"
		for _, refused := range []struct {
			in   store.InvitationAcceptance
			want error
		}{
			{acceptance(i, off.User), store.ErrConflict}, {acceptance(i, unproven.User), store.ErrConflict}, {other, store.ErrConflict},
			{late, store.ErrNotFound}, {gone, store.ErrNotFound},
		} {
			refused.in.Effects = e.effects()
			e.wantErr(e.wantUnchanged(func() error { _, err := e.AcceptInvitation(e.ctx, refused.in); return err }), refused.want)
		}
		_, err := e.Invitation(e.ctx, i.Hash, t0)
		e.ok(err)
	}},
	{"is accepted with a new user or a password", func(e *env) {
		i, j := e.invite("anna@example.test"), e.invite("bert@example.test")
		c := e.newCreation("anna")
		c.Invitation = i.Hash
		e.create(c)
		e.wantNoInvitation(i, t0)
		again := e.newCreation("carl")
		again.Invitation = i.Hash
		e.wantErr(e.wantUnchanged(func() error { _, err := e.CreateUser(e.ctx, again); return err }), store.ErrNotFound)

		a := e.unproven("bert")
		change := passwordChange(a, "hash-2")
		change.Invitation, change.VerifyEmail = j.Hash, true
		_, err := e.ChangePassword(e.ctx, change)
		e.ok(err)
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.wantEqual("roles", got.User.Roles, j.Grant(a.User).Roles)
		e.wantEqual("tenants", got.User.Tenants, j.Grant(a.User).Tenants)
		e.wantNoInvitation(j, t0)
		more := passwordChange(got, "hash-3")
		more.Invitation = j.Hash
		e.wantErr(e.wantUnchanged(func() error { _, err := e.ChangePassword(e.ctx, more); return err }), store.ErrNotFound)
	}},
	{"gives no account to an address that changed or was proven meanwhile", func(e *env) {
		i := e.invite("anna@example.test")
		a, proven := e.unproven("anna"), e.createUser("bert")
		moved, taken := passwordChange(a, "hash-2"), passwordChange(proven, "hash-2")
		moved.Invitation, moved.IfUnproven, moved.VerifyEmail = i.Hash, "other@example.test", true
		taken.Invitation, taken.IfUnproven, taken.VerifyEmail = i.Hash, proven.User.Email, true
		for _, change := range []store.PasswordChange{moved, taken} {
			e.wantErr(e.wantUnchanged(func() error { _, err := e.ChangePassword(e.ctx, change); return err }), store.ErrConflict)
		}
		moved.IfUnproven = a.User.Email
		_, err := e.ChangePassword(e.ctx, moved)
		e.ok(err)
		e.wantNoInvitation(i, t0)
	}},
	{"is removed with the user who has proven the address", func(e *env) {
		i, keep := e.invite("anna@example.test"), e.invite("bert@example.test")
		for _, a := range []store.Account{e.createUser("anna"), e.unproven("bert")} {
			_, err := e.DeleteUser(e.ctx, store.UserDeletion{UserID: a.User.ID})
			e.ok(err)
		}
		e.wantNoInvitation(i, t0)
		_, err := e.Invitation(e.ctx, keep.Hash, t0)
		e.ok(err)
	}},
	{"is removed once it has expired", func(e *env) {
		i := e.invite("anna@example.test")
		n, err := e.DeleteExpired(e.ctx, store.Expiry{Now: i.ExpiresAt.Add(-time.Microsecond), Max: 9})
		e.ok(err)
		e.wantEqual("removed before", n, 0)
		n, err = e.DeleteExpired(e.ctx, store.Expiry{Now: i.ExpiresAt, Max: 9})
		e.ok(err)
		e.wantEqual("removed", n, 1)
	}},
	{"one of many acceptances at once wins", func(e *env) {
		a, i := e.createUser("anna"), e.invite("anna@example.test")
		creations := make([]store.UserCreation, callers)
		for n := range creations {
			creations[n] = e.newCreation(fmt.Sprintf("new-%d", n))
			creations[n].Invitation = i.Hash
		}
		winners := 0
		for _, err := range concurrently(func(n int) error {
			switch n % 3 {
			case 0:
				_, err := e.CreateUser(e.ctx, creations[n])
				return err
			case 1:
				return e.WithdrawInvitation(e.ctx, i.Canonical, t0, store.Effects{})
			}
			_, err := e.AcceptInvitation(e.ctx, acceptance(i, a.User))
			return err
		}) {
			if err == nil {
				winners++
			} else {
				e.wantErr(err, store.ErrNotFound)
			}
		}
		e.wantEqual("winners", winners, 1)
	}},
}
