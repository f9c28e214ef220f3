package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
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
	_, err := e.PutInvitation(e.ctx, i, store.Event{ID: "replaced " + i.ID}, store.Effects{})
	e.ok(err)
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

// proofsOfAddress has the methods that prove the address of a user. Each returns the act
// with the hash of the invitation that it accepts.
var proofsOfAddress = map[string]func(e *env, a store.Account) func(invitation []byte) error{
	"verify": func(e *env, a store.Account) func([]byte) error {
		in := tokenSpend(e.openToken(a, store.PurposeVerifyEmail))
		return func(h []byte) error {
			in.Invitation = h
			u, err := e.VerifyEmail(e.ctx, in, store.Effects{})
			e.wantEqual("verified with a role", len(u.Roles) > 0, err == nil)
			return err
		}
	},
	"new": func(e *env, a store.Account) func([]byte) error {
		in := tokenSpend(e.openToken(a, store.PurposeChangeEmail))
		return func(h []byte) error {
			in.Invitation = h
			u, err := e.ChangeEmail(e.ctx, in, "new@example.test", "new@example.test", store.Effects{})
			e.wantEqual("changed with a role", len(u.Roles) > 0, err == nil)
			return err
		}
	},
	"reset": func(e *env, a store.Account) func([]byte) error {
		in, c := tokenSpend(e.openToken(a, store.PurposeConfirmAndReset)), passwordChange(a, "hash-2")
		return func(h []byte) error {
			c.Invitation = h
			_, err := e.ResetPassword(e.ctx, in, c)
			return err
		}
	},
	"claim": func(e *env, a store.Account) func([]byte) error {
		c := claimOf(a)
		return func(h []byte) error {
			c.Invitation = h
			u, _, err := e.ClaimUser(e.ctx, c)
			e.wantEqual("claimed with a role", len(u.Roles) > 0, err == nil)
			return err
		}
	},
	"claim-by-link": func(e *env, a store.Account) func([]byte) error {
		in := tokenSpend(e.openToken(a, store.PurposeConfirmAndReset))
		return func(h []byte) error {
			in.Invitation = h
			_, _, err := e.startReset(a, in, store.Effects{})
			return err
		}
	},
	"session-by-link": func(e *env, a store.Account) func([]byte) error {
		in := tokenSpend(e.openToken(a, store.PurposeReset))
		return func(h []byte) error {
			in.Invitation = h
			_, _, err := e.startReset(a, in, store.Effects{})
			return err
		}
	},
}

// lossesOfAddress has the methods by which a user loses an address.
var lossesOfAddress = map[string]func(e *env, a store.Account) error{
	"deleted": func(e *env, a store.Account) error {
		_, err := e.DeleteUser(e.ctx, store.UserDeletion{UserID: a.User.ID})
		return err
	},
	"changed": func(e *env, a store.Account) error {
		t := e.newToken(a, store.PurposeChangeEmail)
		t.NewEmail = "next-" + a.User.Email
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 1}))
		_, err := e.ChangeEmail(e.ctx, tokenSpend(t), strings.ToLower(a.User.Email), strings.ToLower(t.NewEmail), store.Effects{})
		return err
	},
	"set": func(e *env, a store.Account) error {
		_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: a.User.ID, Email: &store.EmailAddress{Address: "set-" + a.User.Email, Verified: true}, At: t0})
		return err
	},
	"login-ids": func(e *env, a store.Account) error {
		ids := []string{"new-" + strings.ToLower(a.User.Email)}
		_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: a.User.ID, LoginIDs: &ids, Canonical: ids, At: t0})
		return err
	},
}

var invitationCases = []testCase{
	{"keeps one invitation for each address, until it expires", func(e *env) {
		first := e.invite("anna@example.test")
		second := e.newInvitation("anna@example.test")
		fx := e.effects()
		replaced := store.Event{ID: "replaced", At: t0, Name: store.EventInvitationReplaced, Actor: "ops:olga"}
		events, err := e.PutInvitation(e.ctx, second, replaced, fx)
		e.ok(err)
		replaced.Reason = first.ID
		e.wantEqual("replaced", events, []store.Event{replaced})
		e.wantEffects(fx, store.Effects{Events: events})
		e.wantNoInvitation(first, t0)
		got, err := e.Invitation(e.ctx, second.Hash, second.ExpiresAt.Add(-time.Microsecond))
		e.ok(err)
		e.wantEqual("by hash", got, second)
		got, err = e.InvitationOf(e.ctx, "anna@example.test", t0)
		e.ok(err)
		e.wantEqual("by address", got, second)
		e.wantNoInvitation(second, second.ExpiresAt)
		e.wantErr(e.WithdrawInvitation(e.ctx, second.Hash, second.ExpiresAt, store.Effects{}), store.ErrNotFound)
		list, err := e.Invitations(e.ctx, "", 9, second.ExpiresAt)
		e.ok(err)
		e.wantEqual("open", list, nil)
		third := e.newInvitation("anna@example.test")
		third.CreatedAt, third.ExpiresAt = second.ExpiresAt, second.ExpiresAt.Add(time.Hour)
		events, err = e.PutInvitation(e.ctx, third, replaced, store.Effects{})
		e.ok(err)
		e.wantEqual("replaced after it expired", events, nil)
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
		e.ok(e.WithdrawInvitation(e.ctx, i.Hash, t0, fx))
		e.wantEffects(fx)
		e.wantNoInvitation(i, t0)
		again := e.invite("anna@example.test")
		e.wantErr(e.WithdrawInvitation(e.ctx, i.Hash, t0, e.effects()), store.ErrNotFound)
		for _, open := range []store.Invitation{again, keep} {
			_, err := e.Invitation(e.ctx, open.Hash, t0)
			e.ok(err)
		}
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
		e.wantErr(err, store.ErrConflict)
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
			{late, store.ErrConflict}, {gone, store.ErrNotFound},
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
		e.wantErr(e.wantUnchanged(func() error { _, err := e.CreateUser(e.ctx, again); return err }), store.ErrConflict)

		a := e.unproven("bert")
		change := passwordChange(a, "hash-2")
		change.Invitation, change.VerifyEmail, change.Spelling = j.Hash, true, "Bert@Example.Test"
		_, err := e.ChangePassword(e.ctx, change)
		e.ok(err)
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.wantEqual("roles", got.User.Roles, j.Grant(a.User).Roles)
		e.wantEqual("tenants", got.User.Tenants, j.Grant(a.User).Tenants)
		e.wantEqual("address", append(got.User.LoginIDs, got.User.Email), []string{"Bert@Example.Test", "Bert@Example.Test"})
		e.wantNoInvitation(j, t0)
		more := passwordChange(got, "hash-3")
		more.Invitation = j.Hash
		e.wantErr(e.wantUnchanged(func() error { _, err := e.ChangePassword(e.ctx, more); return err }), store.ErrConflict)
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
	{"is accepted by every proof of the address, in its transaction", func(e *env) {
		for name, prove := range proofsOfAddress {
			a := e.unproven(name)
			address := a.User.Email
			if name == "new" {
				address = "New@Example.test"
			}
			i := e.invite(strings.ToLower(address))
			gone := e.newInvitation("gone@example.test")
			act := prove(e, a)
			e.wantErr(e.wantUnchanged(func() error { return act(gone.Hash) }), store.ErrConflict)
			e.ok(act(i.Hash))
			e.wantNoInvitation(i, t0)
			got, err := e.Account(e.ctx, a.User.ID)
			e.ok(err)
			want := i.Grant(store.User{})
			e.wantEqual(name+": granted", []any{got.User.Roles, got.User.Permissions, got.User.Tenants}, []any{want.Roles, want.Permissions, want.Tenants})
		}
	}},
	{"is removed when the user who has proven the address loses it", func(e *env) {
		for name, lose := range lossesOfAddress {
			proven, unproven := e.createUser(name), e.unproven(name+"-unproven")
			i, keep := e.invite(name+"@example.test"), e.invite(name+"-unproven@example.test")
			other := e.invite("other-" + name + "@example.test")
			for _, a := range []store.Account{proven, unproven} {
				e.ok(lose(e, a))
			}
			e.wantNoInvitation(i, t0)
			for _, open := range []store.Invitation{keep, other} {
				if _, err := e.Invitation(e.ctx, open.Hash, t0); err != nil {
					e.Fatalf("%s: %s: %v", name, open.Canonical, err)
				}
			}
		}
	}},
	{"stays if the user keeps the address", func(e *env) {
		a, i := e.createUser("anna"), e.invite("anna@example.test")
		ids, at := []string{"second@example.test", "anna@example.test"}, t0.Add(time.Minute)
		for _, u := range []store.UserUpdate{
			{LoginIDs: &ids, Canonical: ids}, {Email: &store.EmailAddress{Address: a.User.Email, Verified: true}}, {Roles: &ids},
		} {
			u.UserID, u.At = a.User.ID, at
			_, _, err := e.UpdateUser(e.ctx, u)
			e.ok(err)
		}
		_, err := e.Invitation(e.ctx, i.Hash, t0)
		e.ok(err)
	}},
	{"is removed with the proven address of a user who signs in with a name", func(e *env) {
		c, i := e.newCreation("anna"), e.invite("anna@example.test")
		c.User.LoginIDs, c.Canonical = []string{"anna"}, []string{"anna"}
		e.create(c)
		_, err := e.DeleteUser(e.ctx, store.UserDeletion{UserID: c.User.ID})
		e.ok(err)
		e.wantNoInvitation(i, t0)
	}},
	{"finds the user of an address by the login id, or by the proven address", func(e *env) {
		named := func(name, address string, proven bool) store.Account {
			c := e.newCreation(name)
			c.User.LoginIDs, c.Canonical, c.User.Email, c.User.EmailVerified = []string{name}, []string{name}, address, proven
			e.create(c)
			return store.Account{User: c.User, Password: c.Password}
		}
		byLoginID := e.unproven("anna")
		named("other", "Anna@example.test", true)
		proven := named("bert", "Bert@Example.test", true)
		named("carl", "carl@example.test", false)
		named("c1", "twice@example.test", true)
		named("c2", "twice@example.test", true)
		for address, want := range map[string]store.Account{"anna@example.test": byLoginID, "bert@example.test": proven} {
			got, err := e.AccountByAddress(e.ctx, address)
			e.ok(err)
			e.wantEqual(address, got, want)
		}
		for address, want := range map[string]error{
			"carl@example.test": store.ErrNotFound, "bert@example.tes": store.ErrNotFound, "": store.ErrNotFound, "twice@example.test": store.ErrLoginIDTaken,
		} {
			_, err := e.AccountByAddress(e.ctx, address)
			e.wantErr(err, want)
		}
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
				err := e.WithdrawInvitation(e.ctx, i.Hash, t0, store.Effects{})
				if errors.Is(err, store.ErrNotFound) {
					err = store.ErrConflict
				}
				return err
			}
			_, err := e.AcceptInvitation(e.ctx, acceptance(i, a.User))
			return err
		}) {
			if err == nil {
				winners++
			} else {
				e.wantErr(err, store.ErrConflict)
			}
		}
		e.wantEqual("winners", winners, 1)
	}},
	{"many at once for one address replace each other one after another", func(e *env) {
		list := make([]store.Invitation, callers)
		for n := range list {
			list[n] = e.newInvitation("anna@example.test")
		}
		replaced := make([]string, callers)
		for _, err := range concurrently(func(n int) error {
			events, err := e.PutInvitation(e.ctx, list[n], store.Event{ID: fmt.Sprint("replaced ", n)}, store.Effects{})
			if len(events) == 1 {
				replaced[n] = events[0].Reason
			}
			return err
		}) {
			e.ok(err)
		}
		last, err := e.InvitationOf(e.ctx, "anna@example.test", t0)
		e.ok(err)
		var ids []string
		for _, i := range list {
			ids = append(ids, i.ID)
		}
		e.wantIDs("the first one replaced none, and all others and the last one", append(replaced, last.ID), append(ids, "")...)
	}},
}
