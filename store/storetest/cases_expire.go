package storetest

import (
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
)

var expireCases = []testCase{
	{"removes expired rows, and nothing else", func(e *env) {
		a := e.createUser("anna")
		idle, over := e.newSession(a.User.ID), e.newSession(a.User.ID)
		idle.IdleExpiresAt = t0.Add(time.Minute)
		over.ExpiresAt = t0.Add(time.Minute)
		for _, s := range []store.SessionRecord{idle, over} {
			_, err := e.StartSession(e.ctx, sessionStart(s))
			e.ok(err)
		}
		keep, end, endLate := e.signIn(a.User.ID), e.signIn(a.User.ID), e.signIn(a.User.ID)
		e.ok(e.EndSession(e.ctx, a.User.ID, end.ID, store.SessionEnd{RevokedUntil: t0.Add(time.Minute)}, store.Effects{}))
		e.ok(e.EndSession(e.ctx, a.User.ID, endLate.ID, store.SessionEnd{RevokedUntil: t0.Add(time.Hour)}, store.Effects{}))
		short, long := e.newToken(a, store.PurposeReset), e.newToken(a, store.PurposeReset)
		short.ExpiresAt, long.ExpiresAt = t0.Add(time.Minute), t0.Add(time.Hour)
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: short, MaxOpen: 9}))
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: long, MaxOpen: 9}))
		brief := store.Limit{Key: "brief", Max: 9, Window: time.Minute}
		hour := store.Limit{Key: "hour", Max: 9, Window: time.Hour}
		ever := store.Limit{Key: "ever", Max: 9}
		for _, l := range []store.Limit{brief, hour, ever} {
			e.wantTaken(t0, l, 1)
		}
		fx := store.Effects{Events: []store.Event{
			{ID: "old", At: t0.Add(-time.Hour), Name: "n"}, {ID: "new", At: t0, Name: "n"},
		}}
		e.ok(e.Record(e.ctx, fx))

		n, err := e.DeleteExpired(e.ctx, store.Expiry{Now: t0.Add(2 * time.Minute), Max: 100})
		e.ok(err)
		if n != 5 { // two sessions, a revocation, a token, a limit
			e.Fatalf("%d rows went, want 5", n)
		}
		n, err = e.DeleteExpired(e.ctx, store.Expiry{Now: t0.Add(2 * time.Minute), EventsBefore: t0.Add(-time.Minute), Max: 100})
		e.ok(err)
		if n != 1 {
			e.Fatalf("%d rows went, want 1 event", n)
		}
		for _, id := range []string{idle.ID, over.ID} {
			_, err := e.Session(e.ctx, id)
			e.wantErr(err, store.ErrNotFound)
		}
		e.wantLive(keep.ID)
		rs, err := e.Revocations(e.ctx, 0)
		e.ok(err)
		if len(rs) != 1 || rs[0].SessionID != endLate.ID {
			e.Fatalf("revocations %+v", rs)
		}
		_, err = e.OneTimeToken(e.ctx, short.Hash, t0)
		e.wantErr(err, store.ErrNotFound)
		_, err = e.OneTimeToken(e.ctx, long.Hash, t0)
		e.ok(err)
		e.wantTaken(t0, brief, 1)
		e.wantTaken(t0, hour, 2)
		e.wantTaken(t0, ever, 2)
		events, err := e.events(store.EventQuery{})
		e.ok(err)
		e.wantEqual("events", events, fx.Events[1:])
	}},
	{"removes at most max rows of a kind", func(e *env) {
		a := e.createUser("anna")
		for i := range 5 {
			s := e.newSession(a.User.ID)
			s.IdleExpiresAt = t0.Add(time.Minute)
			_, err := e.StartSession(e.ctx, sessionStart(s))
			e.ok(err)
			e.wantTaken(t0, store.Limit{Key: fmt.Sprint(i), Max: 1, Window: time.Minute}, 1)
		}
		for _, want := range []int{4, 4, 2, 0} {
			n, err := e.DeleteExpired(e.ctx, store.Expiry{Now: t0.Add(time.Hour), Max: 2})
			e.ok(err)
			if n != want {
				e.Fatalf("%d rows went, want %d", n, want)
			}
		}
		if rs, err := e.Revocations(e.ctx, 0); err != nil || len(rs) != 0 {
			e.Fatalf("a session that ran out left revocations %v (%v)", rs, err)
		}
	}},
	{"removes events by the time of their name", func(e *env) {
		var fx store.Effects
		for i := range 8 {
			fx.Events = append(fx.Events, store.Event{
				ID: fmt.Sprint(i), At: t0.Add(time.Duration(i/2) * time.Hour),
				Name: []store.EventName{store.EventSessionRenewed, store.EventSignIn}[i%2],
			})
		}
		e.ok(e.Record(e.ctx, fx))
		x := store.Expiry{
			Now: t0, EventsBefore: t0.Add(time.Hour), Max: 2,
			NamedEventsBefore: map[store.EventName]time.Time{store.EventSessionRenewed: t0.Add(3 * time.Hour), store.EventSignOut: t0.Add(9 * time.Hour)},
		}
		total := 0
		for rounds := 0; ; rounds++ {
			n, err := e.DeleteExpired(e.ctx, x)
			e.ok(err)
			total += n
			if n < x.Max {
				break
			}
			if rounds > 4 {
				e.Fatal("the rows do not end")
			}
		}
		events, err := e.events(store.EventQuery{})
		e.ok(err)
		got := ""
		for _, ev := range events {
			got += ev.ID
		}
		if got != "7653" || total != 4 {
			e.Fatalf("%d events went, those left are %s", total, got)
		}
	}},
}
