package storetest

import (
	"time"

	"github.com/usherkit/usher/store"
)

func sessionStart(s store.SessionRecord) store.SessionStart {
	return store.SessionStart{Session: s, IfPasswordVersion: 1, Max: 100, End: store.SessionEnd{RevokedUntil: t0.Add(time.Minute)}}
}

var startCases = []testCase{
	{"starts a session", func(e *env) {
		a := e.createUser("anna")
		in := sessionStart(e.newSession(a.User.ID))
		in.Session.EndsWithBrowser = false // e.newSession has the opposite
		in.Session.Refresh.Previous, in.Effects = hash("before"), e.effects()
		in.Session.Refresh.Siblings = [][]byte{hash("sibling 1"), hash("sibling 2")}
		in.Session.Refresh.Retired = []store.RetiredToken{{Hash: hash("retired"), Until: t0.Add(time.Second)}}
		ended, err := e.StartSession(e.ctx, in)
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended))
		got, err := e.Session(e.ctx, in.Session.ID)
		e.ok(err)
		e.wantEqual("session", got, in.Session)
		e.wantEffects(in.Effects)
	}},
	{"returns ErrConflict for another password version, a disabled and a missing user", func(e *env) {
		a, off := e.createUser("anna"), e.newCreation("bert")
		off.User.Status = store.StatusDisabled
		e.create(off)
		victim := e.signIn(a.User.ID)
		for _, userID := range []string{a.User.ID, off.User.ID, "nobody"} {
			in := sessionStart(e.newSession(userID))
			if userID == a.User.ID {
				in.IfPasswordVersion = 2
			}
			in.EndSession, in.Effects = victim.ID, e.effects()
			e.wantErr(e.wantUnchanged(func() error { _, err := e.StartSession(e.ctx, in); return err }), store.ErrConflict)
		}
	}},
	{"replaces the hash if it is still RehashFrom", func(e *env) {
		a := e.createUser("anna")
		in := sessionStart(e.newSession(a.User.ID))
		in.RehashFrom, in.RehashTo = "hash-1", "better"
		_, err := e.StartSession(e.ctx, in)
		e.ok(err)
		again := sessionStart(e.newSession(a.User.ID))
		again.RehashFrom, again.RehashTo = "hash-1", "later"
		_, err = e.StartSession(e.ctx, again)
		e.ok(err)
		want := a.Password
		want.Hash = "better"
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.wantEqual("password", got.Password, want)
	}},
	{"sets the user's language unless it is empty", func(e *env) {
		a := e.createUser("anna")
		for _, language := range []string{"fr, en;q=0.5", ""} {
			in := sessionStart(e.newSession(a.User.ID))
			in.Language = language
			_, err := e.StartSession(e.ctx, in)
			e.ok(err)
		}
		want := a.User
		want.Language = "fr, en;q=0.5"
		got, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.wantEqual("user", got.User, want)
	}},
	{"ends a session of any user", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		old := e.signIn(other.User.ID)
		in := sessionStart(e.newSession(a.User.ID))
		in.EndSession = old.ID
		ended, err := e.StartSession(e.ctx, in)
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended), old.ID)
		e.wantEnded(in.End.RevokedUntil, old.ID)
		in = sessionStart(e.newSession(a.User.ID))
		in.EndSession = "long gone"
		ended, err = e.StartSession(e.ctx, in)
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended))
	}},
	{"ends the oldest full sessions above the maximum", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		var ids []string
		for i := range 4 {
			s := e.newSession(a.User.ID)
			s.CreatedAt = t0.Add(time.Duration(i) * time.Second)
			_, err := e.StartSession(e.ctx, sessionStart(s))
			e.ok(err)
			ids = append(ids, s.ID)
		}
		reset, unknown := e.newSession(a.User.ID), e.signIn(other.User.ID)
		reset.Kind, reset.CreatedAt = store.SessionReset, t0.Add(-time.Hour)
		_, err := e.StartSession(e.ctx, sessionStart(reset))
		e.ok(err)
		acting := e.newSession(a.User.ID)
		acting.Kind, acting.CreatedAt = store.SessionImpersonated, t0.Add(-time.Hour)
		start := sessionStart(acting)
		start.Max = 1
		ended, err := e.StartSession(e.ctx, start)
		e.ok(err)
		e.wantIDs("ended by an impersonation", sessionIDs(ended))
		in := sessionStart(e.newSession(a.User.ID))
		in.Session.CreatedAt, in.Max = t0.Add(time.Minute), 2
		ended, err = e.StartSession(e.ctx, in)
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended), ids[0], ids[1], ids[2])
		e.wantEnded(in.End.RevokedUntil, ids[0], ids[1], ids[2])
		e.wantLive(ids[3], in.Session.ID, reset.ID, acting.ID, unknown.ID)
	}},
	{"counts the sessions that are alive when the new one starts, whenever its user was authenticated", func(e *env) {
		a := e.createUser("anna")
		kept, expired := e.newSession(a.User.ID), e.newSession(a.User.ID)
		kept.CreatedAt, expired.CreatedAt = t0.Add(-2*time.Hour), t0.Add(-time.Hour)
		expired.IdleExpiresAt = t0.Add(-time.Minute)
		for _, s := range []store.SessionRecord{kept, expired} {
			_, err := e.StartSession(e.ctx, sessionStart(s))
			e.ok(err)
		}
		in := sessionStart(e.newSession(a.User.ID))
		in.Session.CreatedAt, in.Session.LastSeenAt, in.Max = t0.Add(-30*time.Minute), t0, 2
		ended, err := e.StartSession(e.ctx, in)
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended))
		e.wantLive(kept.ID, in.Session.ID)
	}},
	{"clears and releases limits", func(e *env) {
		a := e.createUser("anna")
		clear, back := store.Limit{Key: "c", Max: 9}, store.Limit{Key: "b", Max: 9}
		e.wantTaken(t0, clear, 1)
		e.wantTaken(t0, clear, 2)
		e.wantTaken(t0, back, 1)
		e.wantTaken(t0, back, 2)
		in := sessionStart(e.newSession(a.User.ID))
		in.ClearLimits, in.ReleaseLimits = []string{"c", "unknown"}, []string{"b", "unknown"}
		_, err := e.StartSession(e.ctx, in)
		e.ok(err)
		e.wantTaken(t0, clear, 1)
		e.wantTaken(t0, back, 2)
	}},
	{"returns an error for an existing id and changes nothing", func(e *env) {
		a := e.createUser("anna")
		s, victim := e.signIn(a.User.ID), e.signIn(a.User.ID)
		in := sessionStart(s)
		in.EndSession, in.Effects = victim.ID, e.effects()
		e.wantUnnamedErr(e.wantUnchanged(func() error { _, err := e.StartSession(e.ctx, in); return err }))
	}},
}

var sessionCases = []testCase{
	{"returns ErrNotFound if there is none", func(e *env) {
		_, err := e.Session(e.ctx, "none")
		e.wantErr(err, store.ErrNotFound)
	}},
	{"returns an expired session", func(e *env) {
		a := e.createUser("anna")
		s := e.newSession(a.User.ID)
		s.IdleExpiresAt, s.ExpiresAt = t0.Add(-time.Hour), t0.Add(-time.Minute)
		_, err := e.StartSession(e.ctx, sessionStart(s))
		e.ok(err)
		e.wantLive(s.ID)
	}},
	{"lists a user's full sessions that are alive, newest first", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		e.signIn(other.User.ID)
		add := func(age time.Duration, edit func(s *store.SessionRecord)) store.Session {
			s := e.newSession(a.User.ID)
			s.CreatedAt = t0.Add(-age)
			if edit != nil {
				edit(&s)
			}
			_, err := e.StartSession(e.ctx, sessionStart(s))
			e.ok(err)
			return s.Session
		}
		second := add(2*time.Minute, nil)
		first := add(time.Minute, nil)
		third := add(3*time.Minute, nil)
		add(0, func(s *store.SessionRecord) { s.Kind = store.SessionReset })
		add(0, func(s *store.SessionRecord) { s.Kind = store.SessionImpersonated })
		add(0, func(s *store.SessionRecord) { s.IdleExpiresAt = t0 })
		add(0, func(s *store.SessionRecord) { s.ExpiresAt = t0 })
		got, err := e.UserSessions(e.ctx, a.User.ID, t0.Add(time.Second))
		e.ok(err)
		e.wantEqual("sessions", got, []store.Session{first, second, third})
		got, err = e.UserSessions(e.ctx, "nobody", t0)
		e.ok(err)
		if len(got) != 0 {
			e.Fatalf("sessions of nobody: %v", got)
		}
	}},
}
