package storetest

import (
	"time"

	"github.com/usherkit/usher/store"
)

// signInSpend is a session that a one-time token starts.
func (e *env) signInSpend(a store.Account, spend store.TokenSpend) store.SessionStart {
	in := sessionStart(e.newSession(a.User.ID))
	in.Spend, in.Effects = &spend, e.effects()
	return in
}

var signInTokenCases = append(voidTokenCases(store.PurposeSignIn, func(e *env, a store.Account, s store.TokenSpend) error {
	_, err := e.StartSession(e.ctx, e.signInSpend(a, s))
	return err
}), []testCase{
	{"a one-time token starts one session", func(e *env) {
		a := e.createUser("anna")
		other, reset := e.openToken(a, store.PurposeSignIn), e.openToken(a, store.PurposeReset)
		tok, previous := e.openToken(a, store.PurposeSignIn), e.signIn(a.User.ID)
		in := e.signInSpend(a, tokenSpend(tok))
		in.EndSession = previous.ID
		ended, err := e.StartSession(e.ctx, in)
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended), previous.ID)
		got, err := e.Session(e.ctx, in.Session.ID)
		e.ok(err)
		e.wantEqual("session", got, in.Session)
		e.wantEffects(in.Effects)
		for _, open := range []store.OneTimeToken{other, reset} {
			_, err := e.OneTimeToken(e.ctx, open.Hash, t0)
			e.ok(err)
		}
		again := e.signInSpend(a, tokenSpend(tok))
		e.wantErr(e.wantUnchanged(func() error { _, err := e.StartSession(e.ctx, again); return err }), store.ErrNotFound)
	}},
	{"a one-time token of another user starts no session", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		in := e.signInSpend(other, tokenSpend(e.openToken(a, store.PurposeSignIn)))
		e.wantErr(e.wantUnchanged(func() error { _, err := e.StartSession(e.ctx, in); return err }), store.ErrNotFound)
	}},
	{"a one-time token is kept after ErrConflict", func(e *env) {
		a := e.createUser("anna")
		in := e.signInSpend(a, tokenSpend(e.openToken(a, store.PurposeSignIn)))
		in.IfPasswordVersion = 7
		e.wantErr(e.wantUnchanged(func() error { _, err := e.StartSession(e.ctx, in); return err }), store.ErrConflict)
		in.IfPasswordVersion = 1
		_, err := e.StartSession(e.ctx, in)
		e.ok(err)
	}},
}...)

// signInTokenRaceCases are part of the group AtOnce.
var signInTokenRaceCases = []testCase{
	{"of many starts with one token, one starts a session", func(e *env) {
		a := e.createUser("anna")
		tok := e.openToken(a, store.PurposeSignIn)
		starts := make([]store.SessionStart, callers)
		for i := range starts {
			starts[i] = e.signInSpend(a, tokenSpend(tok))
			starts[i].Effects = numberedEffects(i)
		}
		winner := e.oneWinner(store.ErrNotFound, func(i int) error {
			_, err := e.StartSession(e.ctx, starts[i])
			return err
		})
		live, err := e.UserSessions(e.ctx, a.User.ID, t0.Add(time.Minute))
		e.ok(err)
		if len(live) != 1 || live[0].ID != starts[winner].Session.ID {
			e.Fatalf("%d sessions are live: %+v", len(live), live)
		}
		e.wantEffects(numberedEffects(winner))
	}},
}
