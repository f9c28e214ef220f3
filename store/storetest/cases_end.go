package storetest

import (
	"time"

	"github.com/usherkit/usher/store"
)

var endCases = []testCase{
	{"ends one session of the user and writes a revocation", func(e *env) {
		a := e.createUser("anna")
		s, keep := e.signIn(a.User.ID), e.signIn(a.User.ID)
		fx, until := e.effects(), t0.Add(time.Hour)
		e.ok(e.EndSession(e.ctx, a.User.ID, s.ID, store.SessionEnd{RevokedUntil: until}, fx))
		e.wantEnded(until, s.ID)
		e.wantLive(keep.ID)
		e.wantEffects(fx)
	}},
	{"returns ErrNotFound for another user's, a missing and an ended session", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		s, gone := e.signIn(other.User.ID), e.signIn(a.User.ID)
		e.ok(e.EndSession(e.ctx, a.User.ID, gone.ID, store.SessionEnd{RevokedUntil: t0}, store.Effects{}))
		for _, id := range []string{s.ID, "none", gone.ID} {
			e.wantErr(e.wantUnchanged(func() error {
				return e.EndSession(e.ctx, a.User.ID, id, store.SessionEnd{RevokedUntil: t0}, e.effects())
			}), store.ErrNotFound)
		}
		e.wantErr(e.EndSession(e.ctx, "nobody", s.ID, store.SessionEnd{}, store.Effects{}), store.ErrNotFound)
	}},
	{"ends all sessions of a user", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		s1, s2 := e.signIn(a.User.ID), e.signIn(a.User.ID)
		keep, until, fx := e.signIn(other.User.ID), t0.Add(time.Hour), e.effects()
		ended, err := e.EndUserSessions(e.ctx, a.User.ID, store.SessionEnd{RevokedUntil: until}, fx)
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended), s1.ID, s2.ID)
		e.wantEnded(until, s1.ID, s2.ID)
		e.wantLive(keep.ID)
		e.wantEffects(fx)
	}},
	{"returns no error if there are no sessions", func(e *env) {
		a := e.createUser("anna")
		for _, id := range []string{a.User.ID, "nobody"} {
			fx := e.effects()
			ended, err := e.EndUserSessions(e.ctx, id, store.SessionEnd{}, fx)
			e.ok(err)
			e.wantIDs("ended", sessionIDs(ended))
		}
		n, err := e.EmailCount(e.ctx)
		e.ok(err)
		if n != 2 {
			e.Fatalf("%d messages, want the effects of both", n)
		}
	}},
	{"revocations have growing ids and are read from any id", func(e *env) {
		a := e.createUser("anna")
		var ids []string
		for range 5 {
			s := e.signIn(a.User.ID)
			e.ok(e.EndSession(e.ctx, a.User.ID, s.ID, store.SessionEnd{RevokedUntil: t0}, store.Effects{}))
			ids = append(ids, s.ID)
		}
		all, err := e.Revocations(e.ctx, 0)
		e.ok(err)
		for i, r := range all {
			if r.SessionID != ids[i] || i > 0 && r.ID <= all[i-1].ID || r.ID <= 0 {
				e.Fatalf("revocations %+v, want those of %q", all, ids)
			}
		}
		rest, err := e.Revocations(e.ctx, all[2].ID)
		e.ok(err)
		e.wantEqual("the rest", rest, all[3:])
		none, err := e.Revocations(e.ctx, all[4].ID)
		e.ok(err)
		e.wantEqual("none", none, nil)
	}},
	{"an id is never used twice, even if the row is deleted", func(e *env) {
		a := e.createUser("anna")
		var last int64
		for range 3 {
			s := e.signIn(a.User.ID)
			e.ok(e.EndSession(e.ctx, a.User.ID, s.ID, store.SessionEnd{RevokedUntil: t0}, store.Effects{}))
			all, err := e.Revocations(e.ctx, last)
			e.ok(err)
			if len(all) != 1 {
				e.Fatalf("%d revocations above %d, want the new one", len(all), last)
			}
			last = all[0].ID
			_, err = e.DeleteExpired(e.ctx, store.Expiry{Now: t0.Add(time.Second), Max: 10})
			e.ok(err)
		}
	}},
}
