package storetest

import "github.com/usherkit/usher/store"

var verifyCases = append(voidTokenCases(store.PurposeVerifyEmail, func(e *env, _ store.Account, s store.TokenSpend) error {
	_, err := e.VerifyEmail(e.ctx, s, e.effects())
	return err
}), []testCase{
	{"spends the token and marks the address", func(e *env) {
		c := e.newCreation("anna")
		c.User.EmailVerified = false
		e.create(c)
		tok, fx := e.openToken(store.Account{User: c.User, Password: c.Password}, store.PurposeVerifyEmail), e.effects()
		got, err := e.VerifyEmail(e.ctx, tokenSpend(tok), fx)
		e.ok(err)
		if !got.EmailVerified || got.Email != c.User.Email {
			e.Fatalf("user %+v", got)
		}
		now, err := e.Account(e.ctx, c.User.ID)
		e.ok(err)
		e.wantEqual("account", now, store.Account{User: got, Password: c.Password})
		e.wantEffects(fx)
		_, err = e.VerifyEmail(e.ctx, tokenSpend(tok), fx)
		e.wantErr(err, store.ErrNotFound)
	}},
	{"refuses a token of another purpose", func(e *env) {
		a := e.createUser("anna")
		for _, p := range []store.Purpose{store.PurposeReset, store.PurposeConfirmAndReset, store.PurposeChangeEmail} {
			s := tokenSpend(e.openToken(a, p))
			s.Purposes = []store.Purpose{store.PurposeVerifyEmail}
			e.wantErr(e.wantUnchanged(func() error { _, err := e.VerifyEmail(e.ctx, s, e.effects()); return err }), store.ErrNotFound)
		}
	}},
}...)

var changeEmailCases = append(voidTokenCases(store.PurposeChangeEmail, func(e *env, _ store.Account, s store.TokenSpend) error {
	_, err := e.ChangeEmail(e.ctx, s, "anna@example.test", "new@example.test", e.effects())
	return err
}), []testCase{
	{"replaces the old address and its login id by the new address, verified", func(e *env) {
		c := e.newCreation("anna")
		c.User.EmailVerified = false
		c.User.LoginIDs = append([]string{"Nick"}, c.User.LoginIDs...)
		c.Canonical = append([]string{"nick"}, c.Canonical...)
		e.create(c)
		a := store.Account{User: c.User, Password: c.Password}
		s := e.signIn(a.User.ID)
		tok, other, fx := e.openToken(a, store.PurposeChangeEmail), e.openToken(a, store.PurposeReset), e.effects()
		got, err := e.ChangeEmail(e.ctx, tokenSpend(tok), "anna@example.test", "new@example.test", fx)
		e.ok(err)
		want := a.User
		want.Email, want.EmailVerified, want.UpdatedAt = "New@Example.test", true, got.UpdatedAt
		want.LoginIDs = []string{"Nick", "New@Example.test"}
		e.wantEqual("user", got, want)
		for _, id := range []string{"nick", "new@example.test"} {
			now, err := e.AccountByLoginID(e.ctx, id)
			e.ok(err)
			e.wantEqual("account", now, store.Account{User: want, Password: c.Password})
		}
		_, err = e.AccountByLoginID(e.ctx, "anna@example.test")
		e.wantErr(err, store.ErrNotFound)
		_, err = e.OneTimeToken(e.ctx, other.Hash, t0)
		e.wantErr(err, store.ErrNotFound)
		e.wantLive(s.ID)
		e.wantEffects(fx)
		_, err = e.ChangeEmail(e.ctx, tokenSpend(tok), "anna@example.test", "new@example.test", fx)
		e.wantErr(err, store.ErrNotFound)
	}},
	{"returns ErrLoginIDTaken for another user's login id, and changes nothing", func(e *env) {
		a := e.createUser("anna")
		e.createUser("new")
		tok := e.openToken(a, store.PurposeChangeEmail)
		e.wantErr(e.wantUnchanged(func() error {
			_, err := e.ChangeEmail(e.ctx, tokenSpend(tok), "anna@example.test", "new@example.test", e.effects())
			return err
		}), store.ErrLoginIDTaken)
		_, err := e.ChangeEmail(e.ctx, tokenSpend(tok), "anna@example.test", "free@example.test", store.Effects{})
		e.ok(err)
	}},
	{"keeps login ids that are not the old address", func(e *env) {
		a := e.createUser("anna")
		tok := e.openToken(a, store.PurposeChangeEmail)
		got, err := e.ChangeEmail(e.ctx, tokenSpend(tok), "not a login id", "new@example.test", store.Effects{})
		e.ok(err)
		e.wantEqual("login ids", got.LoginIDs, a.User.LoginIDs)
		_, err = e.AccountByLoginID(e.ctx, "anna@example.test")
		e.ok(err)
		_, err = e.AccountByLoginID(e.ctx, "new@example.test")
		e.wantErr(err, store.ErrNotFound)
	}},
	{"changes only the spelling", func(e *env) {
		a := e.createUser("new")
		tok := e.newToken(a, store.PurposeChangeEmail)
		tok.NewEmail = "NEW@example.test"
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: tok, MaxOpen: 1}))
		got, err := e.ChangeEmail(e.ctx, tokenSpend(tok), "new@example.test", "new@example.test", store.Effects{})
		e.ok(err)
		e.wantEqual("user", []any{got.Email, got.LoginIDs}, []any{"NEW@example.test", []string{"NEW@example.test"}})
	}},
	{"merges the address with the same login id of the user", func(e *env) {
		c := e.newCreation("anna")
		c.User.LoginIDs = append([]string{"new@Example.test"}, c.User.LoginIDs...)
		c.Canonical = append([]string{"new@example.test"}, c.Canonical...)
		e.create(c)
		tok := e.openToken(store.Account{User: c.User, Password: c.Password}, store.PurposeChangeEmail)
		got, err := e.ChangeEmail(e.ctx, tokenSpend(tok), "anna@example.test", "new@example.test", store.Effects{})
		e.ok(err)
		e.wantEqual("login ids", got.LoginIDs, []string{"New@Example.test"})
		now, err := e.AccountByLoginID(e.ctx, "new@example.test")
		e.ok(err)
		e.wantEqual("user", now.User, got)
		e.createUser("anna-2") // still takes part
		_, err = e.AccountByLoginID(e.ctx, "anna@example.test")
		e.wantErr(err, store.ErrNotFound)
	}},
}...)
