package storetest

import (
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// overwrite changes everything in an account that a caller could share with the store.
func overwrite(u *store.User, p *store.Password) {
	u.LoginIDs[0], u.Roles[0], u.Permissions[0] = "spoilt", "spoilt", "spoilt"
	u.Tenants["t1"].Roles[0] = "spoilt"
	u.Tenants["new"] = token.Tenant{}
	u.Attributes["plan"] = "spoilt"
	u.Attributes["list"].([]any)[0] = "spoilt"
	p.Earlier[0] = "spoilt"
}

func wipe(b []byte) {
	for i := range b {
		b[i] = 0xEE
	}
}

var sharingCases = []testCase{
	{"keeps no reference to arguments", func(e *env) {
		c, want := e.fullCreation("anna"), e.fullCreation("anna")
		want.Session.ID, want.Session.Refresh.Current = c.Session.ID, append([]byte(nil), c.Session.Refresh.Current...)
		tokenHash := append([]byte(nil), c.Token.Hash...)
		mailID := c.Emails[0].ID
		e.create(c)
		overwrite(&c.User, &c.Password)
		c.Canonical[0], c.Session.AMR[0], c.Events[0].ID = "spoilt", "spoilt", "spoilt"
		wipe(c.Session.Refresh.Current)
		wipe(c.Token.Hash)
		wipe(c.Emails[0].Sealed)
		a, err := e.AccountByLoginID(e.ctx, "anna@example.test")
		e.ok(err)
		e.wantEqual("account", a, store.Account{User: want.User, Password: want.Password})
		s, err := e.Session(e.ctx, want.Session.ID)
		e.ok(err)
		e.wantEqual("session", s, *want.Session)
		tok, err := e.OneTimeToken(e.ctx, tokenHash, t0)
		e.ok(err)
		e.wantEqual("hash", tok.Hash, tokenHash)
		mail, err := e.ClaimEmails(e.ctx, t0, time.Minute, 9)
		e.ok(err)
		if len(mail) != 1 || mail[0].ID != mailID || mail[0].Sealed[0] != 0 {
			e.Fatalf("mail %+v", mail)
		}
		roles := []string{"r"}
		_, _, err = e.UpdateUser(e.ctx, store.UserUpdate{UserID: a.User.ID, At: t0, Roles: &roles})
		e.ok(err)
		roles[0] = "spoilt"
		a, err = e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.wantIDs("roles", a.User.Roles, "r")

		k := signingKeys(1)
		e.ok(e.SaveSigningKeys(e.ctx, k, store.Effects{}))
		wipe(k.Keys[0].Private)
		k.Keys[1].ID = "spoilt"
		got, err := e.SigningKeys(e.ctx)
		e.ok(err)
		e.wantEqual("keys", got, signingKeys(1))
	}},
	{"returns no reference to stored data", func(e *env) {
		c := e.fullCreation("anna")
		e.create(c)
		e.ok(e.SaveSigningKeys(e.ctx, signingKeys(1), store.Effects{}))
		before := e.snapshot()
		for range 2 {
			a, err := e.Account(e.ctx, c.User.ID)
			e.ok(err)
			overwrite(&a.User, &a.Password)
			s, err := e.Session(e.ctx, c.Session.ID)
			e.ok(err)
			wipe(s.Refresh.Current)
			s.AMR[0] = "spoilt"
			list, err := e.UserSessions(e.ctx, c.User.ID, t0)
			e.ok(err)
			list[0].AMR[0] = "spoilt"
			tok, err := e.OneTimeToken(e.ctx, c.Token.Hash, t0)
			e.ok(err)
			wipe(tok.Hash)
			k, err := e.SigningKeys(e.ctx)
			e.ok(err)
			wipe(k.Keys[0].Private)
			events, err := e.events(store.EventQuery{})
			e.ok(err)
			events[0].ID = "spoilt"
			e.wantEqual("the store", e.snapshot(), before)
		}
		u, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: c.User.ID, At: t0})
		e.ok(err)
		overwrite(&u, &store.Password{Earlier: []string{""}})
		got, err := e.SwapRefresh(e.ctx, refreshSwap(*c.Session, 1))
		e.ok(err)
		want := append([]byte(nil), got.Session.Refresh.Current...)
		wipe(got.Session.Refresh.Current)
		overwrite(&got.User, &store.Password{Earlier: []string{""}})
		s, err := e.Session(e.ctx, c.Session.ID)
		e.ok(err)
		e.wantEqual("hash", s.Refresh.Current, want)
		a, err := e.Account(e.ctx, c.User.ID)
		e.ok(err)
		e.wantEqual("user", a.User, c.User)
	}},
}
