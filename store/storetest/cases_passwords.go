package storetest

import (
	"time"

	"github.com/usherkit/usher/store"
)

// passwordChange returns a change that sets a new password and does nothing else.
func passwordChange(a store.Account, hash string) store.PasswordChange {
	return store.PasswordChange{
		UserID: a.User.ID, IfVersion: a.Password.Version,
		Hash: hash, State: store.PasswordActive, At: t0.Add(time.Minute),
	}
}

var passwordCases = []testCase{
	{"sets hash, state, version and time, and keeps earlier hashes", func(e *env) {
		c := e.newCreation("anna")
		c.Password.Earlier = []string{"hash-0", "hash-00"}
		e.create(c)
		p := passwordChange(store.Account{User: c.User, Password: c.Password}, "hash-2")
		p.KeepEarlier, p.State, p.Effects = 2, store.PasswordTemporary, e.effects()
		ended, err := e.ChangePassword(e.ctx, p)
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended))
		got, err := e.Account(e.ctx, c.User.ID)
		e.ok(err)
		e.wantEqual("password", got.Password, store.Password{
			Hash: "hash-2", State: store.PasswordTemporary, Version: 2, ChangedAt: p.At,
			Earlier: []string{"hash-1", "hash-0"},
		})
		e.wantEffects(p.Effects)
	}},
	{"sets the user's language unless it is empty", func(e *env) {
		a := e.createUser("anna")
		for i, language := range []string{"fr", ""} {
			p := passwordChange(a, "hash-2")
			p.IfVersion, p.Language = int64(i+1), language
			_, err := e.ChangePassword(e.ctx, p)
			e.ok(err)
		}
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.wantEqual("language", got.User.Language, "fr")
	}},
	{"keeps no earlier hashes with KeepEarlier 0", func(e *env) {
		a := e.createUser("anna")
		_, err := e.ChangePassword(e.ctx, passwordChange(a, "hash-2"))
		e.ok(err)
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.wantIDs("earlier", got.Password.Earlier)
	}},
	{"an empty hash keeps the hash, and fails a concurrent sign-in", func(e *env) {
		a := e.createUser("anna")
		p := passwordChange(a, "")
		p.State = store.PasswordExpired
		_, err := e.ChangePassword(e.ctx, p)
		e.ok(err)
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		if got.Password.Hash != "hash-1" || got.Password.State != store.PasswordExpired || got.Password.Version != 2 ||
			!got.Password.ChangedAt.Equal(p.At) {
			e.Fatalf("got %+v", got.Password)
		}
	}},
	{"keeps when a session alone set the password, until another change says otherwise", func(e *env) {
		c := e.newCreation("anna")
		c.User.EmailVerified, c.Password.UnprovenAt = false, t0
		e.create(c)
		version := c.Password.Version
		want := func(at time.Time) {
			a, err := e.Account(e.ctx, c.User.ID)
			e.ok(err)
			if version = a.Password.Version; !a.Password.UnprovenAt.Equal(at) || at.IsZero() != a.Password.UnprovenAt.IsZero() {
				e.Fatalf("UnprovenAt is %v, want %v", a.Password.UnprovenAt, at)
			}
		}
		change := func(hash string, at time.Time) {
			p := passwordChange(store.Account{User: c.User, Password: store.Password{Version: version}}, hash)
			p.UnprovenAt = at
			_, err := e.ChangePassword(e.ctx, p)
			e.ok(err)
			want(at)
		}
		want(t0)
		change("hash-2", t0.Add(time.Minute))
		change("", t0.Add(time.Minute))
		change("hash-3", time.Time{})
		change("hash-4", t0.Add(time.Hour))
		_, _, err := e.ClaimUser(e.ctx, store.UserClaim{UserID: c.User.ID, Email: c.User.Email, IfVersion: version, At: t0, End: store.SessionEnd{RevokedUntil: t0}})
		e.ok(err)
		want(time.Time{})
	}},
	{"a leaked one becomes useless if the account loses its verified address", func(e *env) {
		for name, test := range map[string]struct {
			state    store.PasswordState
			verified bool
			to       *store.EmailAddress
			want     store.PasswordState
		}{
			"unverified":       {store.PasswordBreached, true, &store.EmailAddress{Address: "new@example.test"}, store.PasswordNone},
			"the same":         {store.PasswordBreached, true, &store.EmailAddress{Address: "the same@example.test"}, store.PasswordNone},
			"none":             {store.PasswordBreached, true, &store.EmailAddress{}, store.PasswordNone},
			"none verified":    {store.PasswordBreached, true, &store.EmailAddress{Verified: true}, store.PasswordNone},
			"verified":         {store.PasswordBreached, true, &store.EmailAddress{Address: "new@example.test", Verified: true}, store.PasswordBreached},
			"no change":        {store.PasswordBreached, true, nil, store.PasswordBreached},
			"was not verified": {store.PasswordBreached, false, &store.EmailAddress{Address: "new@example.test"}, store.PasswordBreached},
			"has not leaked":   {store.PasswordActive, true, &store.EmailAddress{Address: "new@example.test"}, store.PasswordActive},
			"has expired":      {store.PasswordExpired, true, &store.EmailAddress{Address: "new@example.test"}, store.PasswordExpired},
		} {
			c := e.newCreation(name)
			c.User.EmailVerified, c.Password.State = test.verified, test.state
			want := c.Password
			if want.State = test.want; test.want != test.state {
				want.Version++
			}
			e.create(c)
			_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: c.User.ID, Email: test.to, At: t0})
			e.ok(err)
			got, err := e.Account(e.ctx, c.User.ID)
			e.ok(err)
			e.wantEqual(name, got.Password, want)
		}
	}},
	{"returns ErrConflict for another version, without effects", func(e *env) {
		a := e.createUser("anna")
		s := e.signIn(a.User.ID)
		for _, version := range []int64{0, 2} {
			p := passwordChange(a, "hash-2")
			p.IfVersion, p.Effects, p.End = version, e.effects(), &store.SessionEnd{RevokedUntil: t0}
			e.wantErr(e.wantUnchanged(func() error { _, err := e.ChangePassword(e.ctx, p); return err }), store.ErrConflict)
		}
		e.wantLive(s.ID)
	}},
	{"returns ErrConflict for a disabled user only with RequireEnabled", func(e *env) {
		a := e.createUser("anna")
		_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: a.User.ID, At: t0, Status: ptr(store.StatusDisabled)})
		e.ok(err)
		p := passwordChange(a, "hash-2")
		p.RequireEnabled = true
		e.wantErr(e.wantUnchanged(func() error { _, err := e.ChangePassword(e.ctx, p); return err }), store.ErrConflict)
		p.RequireEnabled = false
		_, err = e.ChangePassword(e.ctx, p)
		e.ok(err)
	}},
	{"returns ErrNotFound for a missing user", func(e *env) {
		_, err := e.ChangePassword(e.ctx, store.PasswordChange{UserID: "nobody", Hash: "h", At: t0})
		e.wantErr(err, store.ErrNotFound)
	}},
	{"ends the sessions, starts one, drops tokens, verifies, clears profile and limits", func(e *env) {
		c := e.newCreation("anna")
		c.User.EmailVerified, c.User.Name = false, "Mallory"
		e.create(c)
		a := store.Account{User: c.User, Password: c.Password}
		mine, theirs := e.signIn(a.User.ID), e.signIn(a.User.ID)
		tok := e.openToken(a, store.PurposeReset)
		limit := store.Limit{Key: "k", Max: 1, Window: time.Hour}
		e.wantTaken(t0, limit, 1)
		fresh, until := e.newSession(a.User.ID), t0.Add(time.Minute)
		p := passwordChange(a, "hash-2")
		p.End, p.IfSession = &store.SessionEnd{RevokedUntil: until}, mine.ID
		p.Session, p.DropTokens, p.VerifyEmail, p.ClearLimits = &fresh, true, true, []string{"k", "unknown"}
		p.ClearProfile = true
		ended, err := e.ChangePassword(e.ctx, p)
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended), mine.ID, theirs.ID)
		e.wantEnded(until, mine.ID, theirs.ID)
		e.wantLive(fresh.ID)
		_, err = e.OneTimeToken(e.ctx, tok.Hash, t0)
		e.wantErr(err, store.ErrNotFound)
		now, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		if !now.User.EmailVerified || now.User.Name != "" {
			e.Fatalf("the address is not verified, or the profile is still there: %+v", now.User)
		}
		e.wantTaken(t0, limit, 1)
	}},
	{"returns ErrNotFound if the session that authorizes the change has ended, without effects", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		s, ended := e.signIn(other.User.ID), e.signIn(a.User.ID)
		e.ok(e.EndSession(e.ctx, a.User.ID, ended.ID, store.SessionEnd{RevokedUntil: t0}, store.Effects{}))
		e.signIn(a.User.ID)
		for _, id := range []string{"gone", s.ID, ended.ID} {
			p := passwordChange(a, "hash-2")
			p.End, p.IfSession, p.Effects = &store.SessionEnd{RevokedUntil: t0}, id, e.effects()
			e.wantErr(e.wantUnchanged(func() error { _, err := e.ChangePassword(e.ctx, p); return err }), store.ErrNotFound)
		}
	}},
}
