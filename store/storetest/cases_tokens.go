package storetest

import (
	"time"

	"github.com/usherkit/usher/store"
)

// voidings are the ways in which a stored token becomes void.
var voidings = []struct {
	name string
	do   func(e *env, a store.Account, s *store.TokenSpend)
}{
	{"expired", func(_ *env, _ store.Account, s *store.TokenSpend) {
		s.Now = t0.Add(10*time.Minute + time.Second)
	}},
	{"of a disabled user", func(e *env, a store.Account, _ *store.TokenSpend) {
		_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: a.User.ID, At: t0, Status: ptr(store.StatusDisabled)})
		e.ok(err)
	}},
	{"for another address", func(e *env, a store.Account, _ *store.TokenSpend) {
		_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{
			UserID: a.User.ID, At: t0, Email: &store.EmailAddress{Address: "else@example.test", Verified: true},
		})
		e.ok(err)
	}},
	{"for an earlier password", func(e *env, a store.Account, _ *store.TokenSpend) {
		_, err := e.ChangePassword(e.ctx, passwordChange(a, "hash-2"))
		e.ok(err)
	}},
	{"of a deleted user", func(e *env, a store.Account, _ *store.TokenSpend) {
		_, err := e.DeleteUser(e.ctx, store.UserDeletion{UserID: a.User.ID})
		e.ok(err)
	}},
	{"unknown", func(_ *env, _ store.Account, s *store.TokenSpend) { s.Hash = hash("unknown") }},
	{"of another purpose", func(_ *env, _ store.Account, s *store.TokenSpend) {
		s.Purposes = []store.Purpose{"another"}
	}},
}

// voidTokenCases returns one case for each of the voidings. In each, the method that
// spends the token must return ErrNotFound and change nothing.
func voidTokenCases(purpose store.Purpose, with func(e *env, a store.Account, s store.TokenSpend) error) []testCase {
	var out []testCase
	for _, v := range voidings {
		if v.name == "of another purpose" && (purpose == store.PurposeVerifyEmail || purpose == store.PurposeChangeEmail) {
			continue // these methods accept only one purpose
		}
		out = append(out, testCase{"a token " + v.name + " is void", func(e *env) {
			a := e.createUser("anna")
			s := tokenSpend(e.openToken(a, purpose))
			v.do(e, a, &s)
			e.wantErr(e.wantUnchanged(func() error { return with(e, a, s) }), store.ErrNotFound)
		}})
	}
	return out
}

var addTokenCases = []testCase{
	{"stores the token with its effects", func(e *env) {
		a := e.createUser("anna")
		t, fx := e.newToken(a, store.PurposeChangeEmail), e.effects()
		t.NewEmail = "New@Example.test"
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 1, Effects: fx}))
		got, err := e.OneTimeToken(e.ctx, t.Hash, t0)
		e.ok(err)
		e.wantEqual("token", got, t)
		e.wantEffects(fx)
	}},
	{"returns ErrConflict above MaxOpen tokens of the purpose", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		e.openToken(other, store.PurposeReset)
		e.openToken(a, store.PurposeVerifyEmail)
		e.openToken(a, store.PurposeReset)
		e.openToken(a, store.PurposeReset)
		t := e.newToken(a, store.PurposeReset)
		e.wantErr(e.wantUnchanged(func() error {
			return e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 2, Effects: e.effects()})
		}), store.ErrConflict)
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 3}))
	}},
	{"stores the refusal instead of a token that is refused", func(e *env) {
		a := e.createUser("anna")
		e.openToken(a, store.PurposeReset)
		limit := store.Limit{Key: "k", Max: 9}
		e.wantTaken(t0, limit, 1)
		e.wantTaken(t0, limit, 2)
		var stored []store.Effects
		add := func(userID string, maxOpen int) error {
			t := e.newToken(a, store.PurposeReset)
			t.UserID = userID
			in := store.TokenAddition{Token: t, MaxOpen: maxOpen, Effects: e.effects(), Refused: &store.TokenRefusal{
				ReleaseLimits: []string{"k", "unknown"}, Effects: store.Effects{Events: e.effects().Events},
			}}
			err := e.AddOneTimeToken(e.ctx, in)
			if err == nil {
				stored = append(stored, in.Effects)
			} else {
				stored = append(stored, in.Refused.Effects)
			}
			_, found := e.OneTimeToken(e.ctx, t.Hash, t0)
			if (found == nil) != (err == nil) {
				e.Fatalf("reading the token: %v, adding it: %v", found, err)
			}
			return err
		}
		e.wantErr(add(a.User.ID, 1), store.ErrConflict)
		e.wantTaken(t0, limit, 2) // it was lowered
		e.wantErr(add("nobody", 1), store.ErrConflict)
		e.wantErr(add("", 1), store.ErrConflict)
		e.ok(add(a.User.ID, 2))
		e.wantTaken(t0, limit, 1)
		e.wantEffects(stored...)
	}},
	{"removes the oldest of the purpose with DropOldest", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		theirs, reset := e.openToken(other, store.PurposeVerifyEmail), e.openToken(a, store.PurposeReset)
		var (
			all []store.OneTimeToken
			fx  []store.Effects
		)
		for i := range 4 {
			// Newer tokens expire earlier here, so that only the age decides.
			t := e.newToken(a, store.PurposeVerifyEmail)
			t.CreatedAt, t.ExpiresAt = t0.Add(time.Duration(i)*time.Second), t0.Add(time.Hour-time.Duration(i)*time.Minute)
			all, fx = append(all, t), append(fx, e.effects())
			e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 2, DropOldest: true, Effects: fx[i]}))
		}
		e.wantEffects(fx...)
		for i, t := range all {
			_, err := e.OneTimeToken(e.ctx, t.Hash, t0.Add(time.Minute))
			if i < 2 {
				e.wantErr(err, store.ErrNotFound)
			} else {
				e.ok(err)
			}
		}
		for _, t := range []store.OneTimeToken{theirs, reset} {
			_, err := e.OneTimeToken(e.ctx, t.Hash, t0)
			e.ok(err)
		}
	}},
	{"keeps one pending change of address", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		first, again, theirs, reset := e.openToken(a, store.PurposeChangeEmail), e.openToken(a, store.PurposeChangeEmail),
			e.openToken(other, store.PurposeChangeEmail), e.openToken(a, store.PurposeReset)
		t := e.newToken(a, store.PurposeChangeEmail)
		t.NewEmail = "another@example.test"
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 1}))
		for _, gone := range []store.OneTimeToken{first, again} {
			_, err := e.OneTimeToken(e.ctx, gone.Hash, t0)
			e.wantErr(err, store.ErrNotFound)
		}
		for _, kept := range []store.OneTimeToken{t, theirs, reset} {
			_, err := e.OneTimeToken(e.ctx, kept.Hash, t0)
			e.ok(err)
		}
	}},
	{"does not count void tokens", func(e *env) {
		a := e.createUser("anna")
		e.openToken(a, store.PurposeReset)
		_, err := e.ChangePassword(e.ctx, passwordChange(a, "hash-2"))
		e.ok(err)
		a.Password.Version = 2
		e.openToken(a, store.PurposeReset)
		later := e.newToken(a, store.PurposeReset)
		later.CreatedAt, later.ExpiresAt = t0.Add(11*time.Minute), t0.Add(21*time.Minute)
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: later, MaxOpen: 1}))
	}},
	{"returns ErrConflict if the token is void already", func(e *env) {
		a := e.createUser("anna")
		for _, edit := range []func(t *store.OneTimeToken){
			func(t *store.OneTimeToken) { t.UserID = "nobody" },
			func(t *store.OneTimeToken) { t.Email = "else@example.test" },
			func(t *store.OneTimeToken) { t.PasswordVersion = 2 },
			func(t *store.OneTimeToken) { t.ExpiresAt = t0.Add(-time.Second) },
		} {
			t := e.newToken(a, store.PurposeReset)
			edit(&t)
			for _, drop := range []bool{false, true} {
				e.wantErr(e.wantUnchanged(func() error {
					return e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 1, DropOldest: drop, Effects: e.effects()})
				}), store.ErrConflict)
			}
		}
		_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: a.User.ID, At: t0, Status: ptr(store.StatusDisabled)})
		e.ok(err)
		e.wantErr(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: e.newToken(a, store.PurposeReset), MaxOpen: 5}), store.ErrConflict)
	}},
}

var tokenCases = append(voidTokenCases(store.PurposeReset, func(e *env, _ store.Account, s store.TokenSpend) error {
	if s.Purposes[0] == "another" {
		return store.ErrNotFound // reading takes no purpose
	}
	_, err := e.OneTimeToken(e.ctx, s.Hash, s.Now)
	return err
}), testCase{"reading does not spend", func(e *env) {
	t := e.openToken(e.createUser("anna"), store.PurposeReset)
	for range 3 {
		got, err := e.OneTimeToken(e.ctx, t.Hash, t0.Add(time.Minute))
		e.ok(err)
		e.wantEqual("token", got, t)
	}
}})

var userTokenCases = []testCase{
	{"returns the user's valid tokens of the purpose, newest first", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		e.openToken(other, store.PurposeChangeEmail)
		e.openToken(a, store.PurposeReset)
		var want []store.OneTimeToken
		for i := range 3 {
			t := e.newToken(a, store.PurposeChangeEmail)
			t.NewEmail = "New@Example.test"
			t.CreatedAt = t0.Add(time.Duration(i) * time.Second)
			e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 9}))
			want = append([]store.OneTimeToken{t}, want...)
		}
		got, err := e.UserTokens(e.ctx, a.User.ID, []store.Purpose{store.PurposeChangeEmail}, t0)
		e.ok(err)
		e.wantEqual("tokens", got, want)
		for _, none := range []struct {
			user    string
			purpose store.Purpose
			now     time.Time
		}{
			{a.User.ID, store.PurposeVerifyEmail, t0}, {a.User.ID, store.PurposeChangeEmail, t0.Add(time.Hour)}, {"nobody", store.PurposeChangeEmail, t0},
		} {
			got, err := e.UserTokens(e.ctx, none.user, []store.Purpose{none.purpose}, none.now)
			e.ok(err)
			e.wantEqual("tokens", got, nil)
		}
		_, err = e.ChangePassword(e.ctx, passwordChange(a, "hash-2"))
		e.ok(err)
		got, err = e.UserTokens(e.ctx, a.User.ID, []store.Purpose{store.PurposeChangeEmail}, t0)
		e.ok(err)
		e.wantEqual("void ones", got, nil)
	}},
	{"drops all of them, with the effects", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		gone := []store.OneTimeToken{e.openToken(a, store.PurposeChangeEmail), e.openToken(a, store.PurposeChangeEmail)}
		kept := []store.OneTimeToken{e.openToken(other, store.PurposeChangeEmail), e.openToken(a, store.PurposeReset)}
		fx := e.effects()
		e.ok(e.DropTokens(e.ctx, a.User.ID, store.PurposeChangeEmail, t0, fx))
		e.wantEffects(fx)
		for _, t := range gone {
			_, err := e.OneTimeToken(e.ctx, t.Hash, t0)
			e.wantErr(err, store.ErrNotFound)
		}
		for _, t := range kept {
			_, err := e.OneTimeToken(e.ctx, t.Hash, t0)
			e.ok(err)
		}
		for _, userID := range []string{a.User.ID, "nobody"} {
			e.wantErr(e.wantUnchanged(func() error {
				return e.DropTokens(e.ctx, userID, store.PurposeChangeEmail, t0, e.effects())
			}), store.ErrNotFound)
		}
		e.wantErr(e.wantUnchanged(func() error {
			return e.DropTokens(e.ctx, other.User.ID, store.PurposeChangeEmail, t0.Add(time.Hour), e.effects())
		}), store.ErrNotFound)
	}},
}

var resetCases = append(voidTokenCases(store.PurposeReset, func(e *env, a store.Account, s store.TokenSpend) error {
	c := passwordChange(a, "hash-2")
	c.Effects = e.effects()
	_, err := e.ResetPassword(e.ctx, s, c)
	return err
}), []testCase{
	{"spends the token and changes the password", func(e *env) {
		a := e.createUser("anna")
		s, tok, other := e.signIn(a.User.ID), e.openToken(a, store.PurposeConfirmAndReset), e.openToken(a, store.PurposeReset)
		c, until := passwordChange(a, "hash-2"), t0.Add(time.Hour)
		c.End, c.Effects = &store.SessionEnd{RevokedUntil: until}, e.effects()
		in := tokenSpend(tok)
		in.Purposes = []store.Purpose{store.PurposeReset, store.PurposeConfirmAndReset}
		ended, err := e.ResetPassword(e.ctx, in, c)
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended), s.ID)
		e.wantEnded(until, s.ID)
		e.wantEffects(c.Effects)
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		if got.Password.Hash != "hash-2" || got.Password.Version != 2 {
			e.Fatalf("password %+v", got.Password)
		}
		for _, h := range [][]byte{tok.Hash, other.Hash} {
			_, err = e.OneTimeToken(e.ctx, h, t0)
			e.wantErr(err, store.ErrNotFound)
		}
		_, err = e.ResetPassword(e.ctx, in, c)
		e.wantErr(err, store.ErrNotFound)
	}},
	{"keeps the token after ErrConflict", func(e *env) {
		a := e.createUser("anna")
		tok := e.openToken(a, store.PurposeReset)
		c := passwordChange(a, "hash-2")
		c.IfVersion = 7
		e.wantErr(e.wantUnchanged(func() error { _, err := e.ResetPassword(e.ctx, tokenSpend(tok), c); return err }), store.ErrConflict)
		c.IfVersion = 1
		_, err := e.ResetPassword(e.ctx, tokenSpend(tok), c)
		e.ok(err)
	}},
	{"changes only the password of the token's user", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		tok := e.openToken(a, store.PurposeReset)
		err := e.wantUnchanged(func() error {
			_, err := e.ResetPassword(e.ctx, tokenSpend(tok), passwordChange(other, "hash-2"))
			return err
		})
		e.wantErr(err, store.ErrNotFound)
	}},
}...)

// startReset starts a reset session.
func (e *env) startReset(a store.Account, s store.TokenSpend, fx store.Effects) (store.SessionRecord, []store.Event, error) {
	e.Helper()
	ses := e.newSession(a.User.ID)
	ses.Kind, ses.AMR = store.SessionReset, []string{"email"}
	ended, err := e.StartResetSession(e.ctx, s, ses, store.SessionEnd{RevokedUntil: t0.Add(time.Hour)}, fx)
	return ses, ended, err
}

var resetSessionCases = append(voidTokenCases(store.PurposeReset, func(e *env, a store.Account, s store.TokenSpend) error {
	_, _, err := e.startReset(a, s, e.effects())
	return err
}), []testCase{
	{"keeps the hash of a password that is useless already", func(e *env) {
		c := e.newCreation("anna")
		c.User.EmailVerified, c.Password.State = false, store.PasswordNone
		e.create(c)
		a := store.Account{User: c.User, Password: c.Password}
		ses := e.newSession(a.User.ID)
		ses.Kind = store.SessionReset
		_, err := e.StartResetSession(e.ctx, tokenSpend(e.openToken(a, store.PurposeConfirmAndReset)), ses, store.SessionEnd{RevokedUntil: t0}, store.Effects{})
		e.ok(err)
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		if got.Password.Hash != c.Password.Hash || c.Password.Hash == "" || got.Password.State != store.PasswordNone || !got.User.EmailVerified {
			e.Fatalf("the account is %+v", got)
		}
	}},
	{"spends a reset token and changes nothing else", func(e *env) {
		a := e.createUser("anna")
		old, tok, other := e.signIn(a.User.ID), e.openToken(a, store.PurposeReset), e.openToken(a, store.PurposeReset)
		fx := e.effects()
		ses, ended, err := e.startReset(a, tokenSpend(tok), fx)
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended))
		e.wantLive(old.ID)
		got, err := e.Session(e.ctx, ses.ID)
		e.ok(err)
		e.wantEqual("session", got, ses)
		now, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.wantEqual("account", now, a)
		_, err = e.OneTimeToken(e.ctx, other.Hash, t0)
		e.ok(err)
		e.wantEffects(fx)
		_, _, err = e.startReset(a, tokenSpend(tok), fx)
		e.wantErr(err, store.ErrNotFound)
	}},
	{"a claim removes what an earlier holder had set", func(e *env) {
		c := e.newCreation("anna")
		c.User.EmailVerified, c.Password.Earlier = false, []string{"hash-0"}
		c.User.Name, c.User.Phone, c.User.Picture = "Mallory", "1", "https://evil.test/me.png"
		e.create(c)
		a := store.Account{User: c.User, Password: c.Password}
		old, tok := e.signIn(a.User.ID), e.openToken(a, store.PurposeConfirmAndReset)
		e.openToken(a, store.PurposeChangeEmail)
		fx := e.effects()
		ses, ended, err := e.startReset(a, tokenSpend(tok), fx)
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended), old.ID)
		e.wantEnded(t0.Add(time.Hour), old.ID)
		e.wantLive(ses.ID)
		now, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		if p := now.Password; !now.User.EmailVerified || now.User.Language != "" || p.Hash != "" || p.State != store.PasswordNone ||
			p.Version != 2 || len(p.Earlier) != 0 {
			e.Fatalf("account %+v", now)
		}
		if u := now.User; u.Name+u.GivenName+u.FamilyName+u.Phone+u.Picture != "" {
			e.Fatalf("the profile of the earlier holder is still there: %+v", u)
		}
		e.wantEffects(fx)
		// The tokens and the earlier version of the password are void.
		_, err = e.ChangePassword(e.ctx, passwordChange(a, "hash-2"))
		e.wantErr(err, store.ErrConflict)
		for _, h := range e.tokens {
			_, err = e.OneTimeToken(e.ctx, h, t0)
			e.wantErr(err, store.ErrNotFound)
		}
	}},
}...)
