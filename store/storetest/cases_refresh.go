package storetest

import (
	"time"

	"github.com/usherkit/usher/store"
)

// refreshSwap returns an exchange of the n-th refresh token of a session, ten minutes after t0.
func refreshSwap(s store.SessionRecord, n int) store.RefreshSwap {
	name := func(n int) []byte { return hash(s.ID + " refresh " + string(rune('0'+n))) }
	return store.RefreshSwap{
		SessionID: s.ID, Presented: name(n), Next: name(n + 1),
		Now: t0.Add(10 * time.Minute), Idle: time.Hour, Grace: 10 * time.Second,
		UserAgent: "Agent/2", Address: "192.0.2.2", RevokedUntil: t0.Add(30 * time.Minute),
	}
}

var refreshCases = []testCase{
	{"exchanges the current token", func(e *env) {
		a := e.createUser("anna")
		s := e.signIn(a.User.ID)
		in := refreshSwap(s, 1)
		in.Swapped, in.Reused = e.effects(), e.effects()
		got, err := e.SwapRefresh(e.ctx, in)
		e.ok(err)
		want := s
		want.Refresh.Previous, want.Refresh.Current = in.Presented, in.Next
		want.LastSeenAt, want.Refresh.RotatedAt, want.IdleExpiresAt = in.Now, in.Now, in.Now.Add(time.Hour)
		want.UserAgent, want.Address = "Agent/2", "192.0.2.2"
		e.wantEqual("result", got, store.RefreshResult{Outcome: store.RefreshSwapped, Session: want, User: a.User})
		stored, err := e.Session(e.ctx, s.ID)
		e.ok(err)
		e.wantEqual("session", stored, want)
		e.wantEffects(in.Swapped)
	}},
	{"keeps the user agent and address if the new ones are empty", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		in := refreshSwap(s, 1)
		in.UserAgent, in.Address = "", ""
		got, err := e.SwapRefresh(e.ctx, in)
		e.ok(err)
		e.wantEqual("device", []string{got.Session.UserAgent, got.Session.Address}, []string{s.UserAgent, s.Address})
	}},
	{"IdleExpiresAt never exceeds ExpiresAt", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		in := refreshSwap(s, 1)
		in.Idle = 48 * time.Hour
		got, err := e.SwapRefresh(e.ctx, in)
		e.ok(err)
		if !got.Session.IdleExpiresAt.Equal(s.ExpiresAt) || !got.Session.ExpiresAt.Equal(s.ExpiresAt) {
			e.Fatalf("idle %v, absolute %v, want %v", got.Session.IdleExpiresAt, got.Session.ExpiresAt, s.ExpiresAt)
		}
	}},
	{"the previous token is a replay within the grace time", func(e *env) {
		a := e.createUser("anna")
		s := e.signIn(a.User.ID)
		first, err := e.SwapRefresh(e.ctx, refreshSwap(s, 1))
		e.ok(err)
		in := refreshSwap(s, 1)
		in.Now, in.Swapped, in.Reused = in.Now.Add(9*time.Second), e.effects(), e.effects()
		got, err := e.SwapRefresh(e.ctx, in)
		e.ok(err)
		e.wantEqual("result", got, store.RefreshResult{Outcome: store.RefreshReplayed, Session: first.Session, User: a.User})
		stored, err := e.Session(e.ctx, s.ID)
		e.ok(err)
		e.wantEqual("session", stored, first.Session)
		e.wantEffects()
	}},
	{"the previous token is a reuse after the grace time, and ends the session", func(e *env) {
		a := e.createUser("anna")
		s, keep := e.signIn(a.User.ID), e.signIn(a.User.ID)
		first, err := e.SwapRefresh(e.ctx, refreshSwap(s, 1))
		e.ok(err)
		in := refreshSwap(s, 1)
		in.Now, in.Swapped, in.Reused = in.Now.Add(11*time.Second), e.effects(), e.effects()
		got, err := e.SwapRefresh(e.ctx, in)
		e.ok(err)
		e.wantEqual("result", got, store.RefreshResult{Outcome: store.RefreshReused, Session: first.Session, User: a.User})
		e.wantEnded(in.RevokedUntil, s.ID)
		e.wantLive(keep.ID)
		e.wantEffects(in.Reused)
		_, err = e.SwapRefresh(e.ctx, refreshSwap(s, 2))
		e.wantErr(err, store.ErrNotFound)
	}},
	{"an older token is a reuse within the grace time", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		for n := 1; n <= 2; n++ {
			_, err := e.SwapRefresh(e.ctx, refreshSwap(s, n))
			e.ok(err)
		}
		got, err := e.SwapRefresh(e.ctx, refreshSwap(s, 1))
		e.ok(err)
		if got.Outcome != store.RefreshReused {
			e.Fatalf("outcome %d", got.Outcome)
		}
	}},
	{"without a previous token nothing is a replay", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		in := refreshSwap(s, 1)
		in.Presented, in.Now = nil, t0.Add(time.Second) // within the grace time
		got, err := e.SwapRefresh(e.ctx, in)
		e.ok(err)
		if got.Outcome != store.RefreshReused {
			e.Fatalf("outcome %d", got.Outcome)
		}
	}},
	{"equal tokens change only the times", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		in := refreshSwap(s, 1)
		in.Next = in.Presented
		for range 3 {
			in.Now = in.Now.Add(20 * time.Minute)
			got, err := e.SwapRefresh(e.ctx, in)
			e.ok(err)
			if got.Outcome != store.RefreshSwapped || !got.Session.LastSeenAt.Equal(in.Now) ||
				!got.Session.IdleExpiresAt.Equal(in.Now.Add(time.Hour)) {
				e.Fatalf("got %+v", got)
			}
			e.wantEqual("hash", got.Session.Refresh.Current, in.Presented)
		}
	}},
	{"returns ErrNotFound for an ended or expired session, or a disabled user", func(e *env) {
		a := e.createUser("anna")
		s := e.signIn(a.User.ID)
		late := refreshSwap(s, 1)
		late.Now = s.IdleExpiresAt.Add(time.Second)
		e.wantErr(e.wantUnchanged(func() error { _, err := e.SwapRefresh(e.ctx, late); return err }), store.ErrNotFound)
		_, err := e.SwapRefresh(e.ctx, store.RefreshSwap{SessionID: "none", Now: t0})
		e.wantErr(err, store.ErrNotFound)

		dead := e.newSession(a.User.ID)
		dead.ExpiresAt = t0.Add(time.Second) // earlier than IdleExpiresAt
		_, err = e.StartSession(e.ctx, sessionStart(dead))
		e.ok(err)
		e.wantErr(e.wantUnchanged(func() error { _, err := e.SwapRefresh(e.ctx, refreshSwap(dead, 1)); return err }), store.ErrNotFound)

		_, _, err = e.UpdateUser(e.ctx, store.UserUpdate{UserID: a.User.ID, At: t0, Status: ptr(store.StatusDisabled)})
		e.ok(err)
		e.wantErr(e.wantUnchanged(func() error { _, err := e.SwapRefresh(e.ctx, refreshSwap(s, 1)); return err }), store.ErrNotFound)
	}},
	{"reads the user in the same transaction", func(e *env) {
		a := e.createUser("anna")
		s := e.signIn(a.User.ID)
		_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: a.User.ID, At: t0, Roles: ptr([]string{"new"})})
		e.ok(err)
		got, err := e.SwapRefresh(e.ctx, refreshSwap(s, 1))
		e.ok(err)
		e.wantIDs("roles", got.User.Roles, "new")
	}},
}
