package storetest

import (
	"time"

	"github.com/usherkit/usher/store"
)

// voids are the ways in which a stored token becomes void.
var voids = []struct {
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
		_, err := e.ChangePassword(e.ctx, change(a, "hash-2"))
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

// refuses makes one case for each way to be void: the method that spends says
// that there is no such token, and changes nothing.
func refuses(purpose store.Purpose, with func(e *env, a store.Account, s store.TokenSpend) error) []testCase {
	var out []testCase
	for _, v := range voids {
		if v.name == "of another purpose" && (purpose == store.PurposeVerifyEmail || purpose == store.PurposeChangeEmail) {
			continue // these methods accept only one purpose
		}
		out = append(out, testCase{"a token " + v.name + " is void", func(e *env) {
			a := e.user("anna")
			s := spend(e.open(a, purpose))
			v.do(e, a, &s)
			e.is(e.unchanged(func() error { return with(e, a, s) }), store.ErrNotFound)
		}})
	}
	return out
}

var addTokenCases = []testCase{
	{"stores the token with its effects", func(e *env) {
		a := e.user("anna")
		t, fx := e.token(a, store.PurposeChangeEmail), e.effects()
		t.NewEmail = "New@Example.test"
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 1, Effects: fx}))
		got, err := e.OneTimeToken(e.ctx, t.Hash, t0)
		e.ok(err)
		e.same("token", got, t)
		e.happened(fx)
	}},
	{"returns ErrConflict above MaxOpen tokens of the purpose", func(e *env) {
		a, other := e.user("anna"), e.user("bert")
		e.open(other, store.PurposeReset)
		e.open(a, store.PurposeVerifyEmail)
		e.open(a, store.PurposeReset)
		e.open(a, store.PurposeReset)
		t := e.token(a, store.PurposeReset)
		e.is(e.unchanged(func() error {
			return e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 2, Effects: e.effects()})
		}), store.ErrConflict)
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 3}))
	}},
	{"removes the oldest of the purpose with DropOldest", func(e *env) {
		a, other := e.user("anna"), e.user("bert")
		theirs, reset := e.open(other, store.PurposeVerifyEmail), e.open(a, store.PurposeReset)
		var (
			all []store.OneTimeToken
			fx  []store.Effects
		)
		for i := range 4 {
			// Newer tokens expire earlier here, so that only the age decides.
			t := e.token(a, store.PurposeVerifyEmail)
			t.CreatedAt, t.ExpiresAt = t0.Add(time.Duration(i)*time.Second), t0.Add(time.Hour-time.Duration(i)*time.Minute)
			all, fx = append(all, t), append(fx, e.effects())
			e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 2, DropOldest: true, Effects: fx[i]}))
		}
		e.happened(fx...)
		for i, t := range all {
			_, err := e.OneTimeToken(e.ctx, t.Hash, t0.Add(time.Minute))
			if i < 2 {
				e.is(err, store.ErrNotFound)
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
		a, other := e.user("anna"), e.user("bert")
		first, again, theirs, reset := e.open(a, store.PurposeChangeEmail), e.open(a, store.PurposeChangeEmail),
			e.open(other, store.PurposeChangeEmail), e.open(a, store.PurposeReset)
		t := e.token(a, store.PurposeChangeEmail)
		t.NewEmail = "another@example.test"
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 1}))
		for _, gone := range []store.OneTimeToken{first, again} {
			_, err := e.OneTimeToken(e.ctx, gone.Hash, t0)
			e.is(err, store.ErrNotFound)
		}
		for _, kept := range []store.OneTimeToken{t, theirs, reset} {
			_, err := e.OneTimeToken(e.ctx, kept.Hash, t0)
			e.ok(err)
		}
	}},
	{"does not count void tokens", func(e *env) {
		a := e.user("anna")
		e.open(a, store.PurposeReset)
		_, err := e.ChangePassword(e.ctx, change(a, "hash-2"))
		e.ok(err)
		a.Password.Version = 2
		e.open(a, store.PurposeReset)
		later := e.token(a, store.PurposeReset)
		later.CreatedAt, later.ExpiresAt = t0.Add(11*time.Minute), t0.Add(21*time.Minute)
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: later, MaxOpen: 1}))
	}},
	{"returns ErrConflict if the token is void already", func(e *env) {
		a := e.user("anna")
		for _, edit := range []func(t *store.OneTimeToken){
			func(t *store.OneTimeToken) { t.UserID = "nobody" },
			func(t *store.OneTimeToken) { t.Email = "else@example.test" },
			func(t *store.OneTimeToken) { t.PasswordVersion = 2 },
			func(t *store.OneTimeToken) { t.ExpiresAt = t0.Add(-time.Second) },
		} {
			t := e.token(a, store.PurposeReset)
			edit(&t)
			for _, drop := range []bool{false, true} {
				e.is(e.unchanged(func() error {
					return e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 1, DropOldest: drop, Effects: e.effects()})
				}), store.ErrConflict)
			}
		}
		_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: a.User.ID, At: t0, Status: ptr(store.StatusDisabled)})
		e.ok(err)
		e.is(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: e.token(a, store.PurposeReset), MaxOpen: 5}), store.ErrConflict)
	}},
}

var tokenCases = append(refuses(store.PurposeReset, func(e *env, _ store.Account, s store.TokenSpend) error {
	if s.Purposes[0] == "another" {
		return store.ErrNotFound // reading takes no purpose
	}
	_, err := e.OneTimeToken(e.ctx, s.Hash, s.Now)
	return err
}), testCase{"reading does not spend", func(e *env) {
	t := e.open(e.user("anna"), store.PurposeReset)
	for range 3 {
		got, err := e.OneTimeToken(e.ctx, t.Hash, t0.Add(time.Minute))
		e.ok(err)
		e.same("token", got, t)
	}
}})

var userTokenCases = []testCase{
	{"returns the user's valid tokens of the purpose, newest first", func(e *env) {
		a, other := e.user("anna"), e.user("bert")
		e.open(other, store.PurposeChangeEmail)
		e.open(a, store.PurposeReset)
		var want []store.OneTimeToken
		for i := range 3 {
			t := e.token(a, store.PurposeChangeEmail)
			t.NewEmail = "New@Example.test"
			t.CreatedAt = t0.Add(time.Duration(i) * time.Second)
			e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 9}))
			want = append([]store.OneTimeToken{t}, want...)
		}
		got, err := e.UserTokens(e.ctx, a.User.ID, store.PurposeChangeEmail, t0)
		e.ok(err)
		e.same("tokens", got, want)
		for _, none := range []struct {
			user    string
			purpose store.Purpose
			now     time.Time
		}{
			{a.User.ID, store.PurposeVerifyEmail, t0}, {a.User.ID, store.PurposeChangeEmail, t0.Add(time.Hour)}, {"nobody", store.PurposeChangeEmail, t0},
		} {
			got, err := e.UserTokens(e.ctx, none.user, none.purpose, none.now)
			e.ok(err)
			e.same("tokens", got, nil)
		}
		_, err = e.ChangePassword(e.ctx, change(a, "hash-2"))
		e.ok(err)
		got, err = e.UserTokens(e.ctx, a.User.ID, store.PurposeChangeEmail, t0)
		e.ok(err)
		e.same("void ones", got, nil)
	}},
	{"drops all of them, with the effects", func(e *env) {
		a, other := e.user("anna"), e.user("bert")
		gone := []store.OneTimeToken{e.open(a, store.PurposeChangeEmail), e.open(a, store.PurposeChangeEmail)}
		kept := []store.OneTimeToken{e.open(other, store.PurposeChangeEmail), e.open(a, store.PurposeReset)}
		fx := e.effects()
		e.ok(e.DropTokens(e.ctx, a.User.ID, store.PurposeChangeEmail, t0, fx))
		e.happened(fx)
		for _, t := range gone {
			_, err := e.OneTimeToken(e.ctx, t.Hash, t0)
			e.is(err, store.ErrNotFound)
		}
		for _, t := range kept {
			_, err := e.OneTimeToken(e.ctx, t.Hash, t0)
			e.ok(err)
		}
		for _, userID := range []string{a.User.ID, "nobody"} {
			e.is(e.unchanged(func() error {
				return e.DropTokens(e.ctx, userID, store.PurposeChangeEmail, t0, e.effects())
			}), store.ErrNotFound)
		}
		e.is(e.unchanged(func() error {
			return e.DropTokens(e.ctx, other.User.ID, store.PurposeChangeEmail, t0.Add(time.Hour), e.effects())
		}), store.ErrNotFound)
	}},
}

var resetCases = append(refuses(store.PurposeReset, func(e *env, a store.Account, s store.TokenSpend) error {
	c := change(a, "hash-2")
	c.Effects = e.effects()
	_, err := e.ResetPassword(e.ctx, s, c)
	return err
}), []testCase{
	{"spends the token and changes the password", func(e *env) {
		a := e.user("anna")
		s, tok, other := e.signIn(a.User.ID), e.open(a, store.PurposeClaim), e.open(a, store.PurposeReset)
		c, until := change(a, "hash-2"), t0.Add(time.Hour)
		c.End, c.Effects = &store.SessionEnd{RevokedUntil: until}, e.effects()
		in := spend(tok)
		in.Purposes = []store.Purpose{store.PurposeReset, store.PurposeClaim}
		ended, err := e.ResetPassword(e.ctx, in, c)
		e.ok(err)
		e.sameIDs("ended", ended, s.ID)
		e.ended(until, s.ID)
		e.happened(c.Effects)
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		if got.Password.Hash != "hash-2" || got.Password.Version != 2 {
			e.Fatalf("password %+v", got.Password)
		}
		for _, h := range [][]byte{tok.Hash, other.Hash} {
			_, err = e.OneTimeToken(e.ctx, h, t0)
			e.is(err, store.ErrNotFound)
		}
		_, err = e.ResetPassword(e.ctx, in, c)
		e.is(err, store.ErrNotFound)
	}},
	{"keeps the token after ErrConflict", func(e *env) {
		a := e.user("anna")
		tok := e.open(a, store.PurposeReset)
		c := change(a, "hash-2")
		c.IfVersion = 7
		e.is(e.unchanged(func() error { _, err := e.ResetPassword(e.ctx, spend(tok), c); return err }), store.ErrConflict)
		c.IfVersion = 1
		_, err := e.ResetPassword(e.ctx, spend(tok), c)
		e.ok(err)
	}},
	{"changes only the password of the token's user", func(e *env) {
		a, other := e.user("anna"), e.user("bert")
		tok := e.open(a, store.PurposeReset)
		err := e.unchanged(func() error { _, err := e.ResetPassword(e.ctx, spend(tok), change(other, "hash-2")); return err })
		e.is(err, store.ErrNotFound)
	}},
}...)

// startReset starts a reset session.
func (e *env) startReset(a store.Account, s store.TokenSpend, fx store.Effects) (store.SessionRecord, []string, error) {
	e.Helper()
	ses := e.session(a.User.ID)
	ses.Kind, ses.AMR = store.SessionReset, []string{"email"}
	ended, err := e.StartResetSession(e.ctx, s, ses, store.SessionEnd{RevokedUntil: t0.Add(time.Hour)}, fx)
	return ses, ended, err
}

var resetSessionCases = append(refuses(store.PurposeReset, func(e *env, a store.Account, s store.TokenSpend) error {
	_, _, err := e.startReset(a, s, e.effects())
	return err
}), []testCase{
	{"spends a reset token and changes nothing else", func(e *env) {
		a := e.user("anna")
		old, tok, other := e.signIn(a.User.ID), e.open(a, store.PurposeReset), e.open(a, store.PurposeReset)
		fx := e.effects()
		ses, ended, err := e.startReset(a, spend(tok), fx)
		e.ok(err)
		e.sameIDs("ended", ended)
		e.lives(old.ID)
		got, err := e.Session(e.ctx, ses.ID)
		e.ok(err)
		e.same("session", got, ses)
		now, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.same("account", now, a)
		_, err = e.OneTimeToken(e.ctx, other.Hash, t0)
		e.ok(err)
		e.happened(fx)
		_, _, err = e.startReset(a, spend(tok), fx)
		e.is(err, store.ErrNotFound)
	}},
	{"a claim removes what an earlier holder had set", func(e *env) {
		c := e.creation("anna")
		c.User.EmailVerified, c.Password.Earlier = false, []string{"hash-0"}
		e.ok(e.CreateUser(e.ctx, c))
		a := store.Account{User: c.User, Password: c.Password}
		old, tok := e.signIn(a.User.ID), e.open(a, store.PurposeClaim)
		e.open(a, store.PurposeChangeEmail)
		fx := e.effects()
		ses, ended, err := e.startReset(a, spend(tok), fx)
		e.ok(err)
		e.sameIDs("ended", ended, old.ID)
		e.ended(t0.Add(time.Hour), old.ID)
		e.lives(ses.ID)
		now, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		if p := now.Password; !now.User.EmailVerified || now.User.Language != "" || p.Hash != "" || p.State != store.PasswordNone ||
			p.Version != 2 || len(p.Earlier) != 0 {
			e.Fatalf("account %+v", now)
		}
		e.happened(fx)
		// The tokens and the earlier version of the password are void.
		_, err = e.ChangePassword(e.ctx, change(a, "hash-2"))
		e.is(err, store.ErrConflict)
		for _, h := range e.tokens {
			_, err = e.OneTimeToken(e.ctx, h, t0)
			e.is(err, store.ErrNotFound)
		}
	}},
}...)
