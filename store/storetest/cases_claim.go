package storetest

import (
	"slices"
	"time"

	"github.com/usherkit/usher/store"
)

// unproven stores a user whose address was never verified, with everything that such a
// user can have.
func (e *env) unproven(name string) store.Account {
	e.Helper()
	c := e.newCreation(name)
	c.User.EmailVerified, c.Password.Earlier = false, []string{"hash-0"}
	c.User.Name, c.User.Phone, c.User.Picture = "Mallory", "1", "https://evil.test/me.png"
	e.create(c)
	return store.Account{User: c.User, Password: c.Password}
}

// claimOf returns a claim of the account by the owner of the mailbox.
func claimOf(a store.Account) store.UserClaim {
	name := "Anna"
	return store.UserClaim{
		UserID: a.User.ID, Email: a.User.Email, IfVersion: a.Password.Version, Profile: store.Profile{Name: &name}, Language: "fr",
		At: t0.Add(time.Minute), End: store.SessionEnd{RevokedUntil: t0.Add(time.Hour)},
	}
}

var claimCases = []testCase{
	{"gives the account to the owner of the mailbox", func(e *env) {
		a, other := e.unproven("anna"), e.createUser("bert")
		s1, s2, keep := e.signIn(a.User.ID), e.signIn(a.User.ID), e.signIn(other.User.ID)
		for _, p := range []store.Purpose{store.PurposeConfirmAndReset, store.PurposeVerifyEmail, store.PurposeChangeEmail} {
			e.openToken(a, p)
		}
		lock := store.Limit{Key: "lock", Max: 9}
		e.wantTaken(t0, lock, 1)
		c := claimOf(a)
		c.Effects, c.ClearLimits = e.effects(), []string{"lock"}
		u, ended, err := e.ClaimUser(e.ctx, c)
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended), s1.ID, s2.ID)
		e.wantEnded(t0.Add(time.Hour), s1.ID, s2.ID)
		e.wantLive(keep.ID)
		want := a
		want.User.EmailVerified, want.User.Language, want.User.UpdatedAt = true, "fr", c.At
		want.User.Name, want.User.Phone, want.User.Picture = "Anna", "", ""
		want.Password = store.Password{State: store.PasswordNone, Version: 2, ChangedAt: c.At}
		e.wantEqual("user", u, want.User)
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.wantEqual("account", got, want)
		for _, h := range e.tokens {
			_, err = e.OneTimeToken(e.ctx, h, t0)
			e.wantErr(err, store.ErrNotFound)
		}
		e.wantTaken(t0, lock, 1)
		e.wantEffects(c.Effects)
	}},
	{"returns ErrConflict for another address or version, a verified address and a disabled user", func(e *env) {
		a, verified, off := e.unproven("anna"), e.createUser("bert"), e.newCreation("carl")
		off.User.Status, off.User.EmailVerified = store.StatusDisabled, false
		e.create(off)
		e.signIn(a.User.ID)
		address, version := claimOf(a), claimOf(a)
		address.Email, version.IfVersion = "other@example.test", 2
		for _, c := range []store.UserClaim{address, version, claimOf(verified), claimOf(store.Account{User: off.User, Password: off.Password})} {
			c.Effects = e.effects()
			e.wantErr(e.wantUnchanged(func() error { _, _, err := e.ClaimUser(e.ctx, c); return err }), store.ErrConflict)
		}
		gone := claimOf(a)
		gone.UserID = "nobody"
		_, _, err := e.ClaimUser(e.ctx, gone)
		e.wantErr(err, store.ErrNotFound)
	}},
	{"one of many claims at once wins, and every session that starts at the same time ends", func(e *env) {
		a := e.unproven("anna")
		claim, sessions := claimOf(a), make([]store.SessionRecord, callers)
		for i := range sessions {
			sessions[i] = e.newSession(a.User.ID)
		}
		winners := 0
		for i, err := range concurrently(func(i int) error {
			if i%2 == 0 {
				_, err := e.StartSession(e.ctx, sessionStart(sessions[i]))
				return err
			}
			c := claim
			c.Effects = numberedEffects(i)
			_, _, err := e.ClaimUser(e.ctx, c)
			return err
		}) {
			switch {
			case err == nil && i%2 == 1:
				winners++
			case err != nil:
				e.wantErr(err, store.ErrConflict)
			}
		}
		left, err := e.UserSessions(e.ctx, a.User.ID, t0)
		e.ok(err)
		events, err := e.events(store.EventQuery{})
		e.ok(err)
		claims := slices.DeleteFunc(events, func(one store.Event) bool { return one.Name != store.EventSignIn })
		if winners != 1 || len(left) != 0 || len(claims) != 1 {
			e.Fatalf("%d winners, %d events of a claim, sessions left: %v", winners, len(claims), left)
		}
	}},
}
