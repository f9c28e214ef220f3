package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
)

// keys are signing keys of that version.
func keys(version int64) store.SigningKeys {
	return store.SigningKeys{Version: version, Keys: []store.SigningKey{
		{
			ID: fmt.Sprintf("b-%d", version), Algorithm: "ES256", Private: []byte{0, 1, 0xff}, CreatedAt: t0,
			ActiveAt: t0.Add(time.Microsecond), RetiredAt: t0.Add(time.Hour), RemovedAt: t0.Add(2 * time.Hour),
		},
		{ID: "a", Algorithm: "EdDSA", Private: []byte("sealed"), CreatedAt: t0},
	}}
}

var keyCases = []testCase{
	{"there are none at first, with version 0", func(e *env) {
		got, err := e.SigningKeys(e.ctx)
		e.ok(err)
		if got.Version != 0 || len(got.Keys) != 0 {
			e.Fatalf("got %+v", got)
		}
	}},
	{"all keys are replaced", func(e *env) {
		for version := range int64(3) {
			fx := e.effects()
			e.ok(e.SaveSigningKeys(e.ctx, keys(version+1), fx))
			got, err := e.SigningKeys(e.ctx)
			e.ok(err)
			e.same("keys", got, keys(version+1))
			if !got.Keys[1].RetiredAt.IsZero() {
				e.Fatalf("the zero time came back as %v", got.Keys[1].RetiredAt)
			}
		}
	}},
	{"conflicts unless the version is one above the stored one", func(e *env) {
		save := func(version int64) error {
			return e.unchanged(func() error { return e.SaveSigningKeys(e.ctx, keys(version), e.effects()) })
		}
		for _, version := range []int64{-1, 0, 2} {
			e.is(save(version), store.ErrConflict)
		}
		e.ok(e.SaveSigningKeys(e.ctx, keys(1), store.Effects{}))
		for _, version := range []int64{0, 1, 3} {
			e.is(save(version), store.ErrConflict)
		}
	}},
}

var eventCases = []testCase{
	{"effects are recorded in one", func(e *env) {
		fx := e.effects()
		e.ok(e.Record(e.ctx, fx))
		e.happened(fx)
		events, err := e.Events(e.ctx, store.EventQuery{})
		e.ok(err)
		want := fx.Events[0]
		want.At = want.At.Truncate(time.Microsecond)
		e.same("event", events, []store.Event{want})

		second := e.effects()
		second.Emails = append(second.Emails, fx.Emails[0])
		e.unnamed(e.unchanged(func() error { return e.Record(e.ctx, second) }))
	}},
	{"they are read newest first, by user, name and time", func(e *env) {
		var fx store.Effects
		for i := range 6 {
			fx.Events = append(fx.Events, store.Event{
				ID: fmt.Sprint(i), At: t0.Add(time.Duration(i/2) * time.Second),
				Name:   []store.EventName{store.EventSignIn, store.EventSignOut}[i%2],
				UserID: []string{"anna", "bert", "anna"}[i%3],
			})
		}
		e.ok(e.Record(e.ctx, fx))
		for _, c := range []struct {
			q    store.EventQuery
			want string
		}{
			{store.EventQuery{}, "543210"},
			{store.EventQuery{Limit: 2}, "54"},
			{store.EventQuery{UserID: "anna"}, "5320"},
			{store.EventQuery{Name: store.EventSignIn}, "420"},
			{store.EventQuery{UserID: "anna", Name: store.EventSignIn}, "20"},
			{store.EventQuery{Before: t0.Add(time.Second)}, "10"},
			{store.EventQuery{UserID: "anna", Before: t0.Add(2 * time.Second), Limit: 1}, "3"},
			{store.EventQuery{UserID: "Anna"}, ""},
		} {
			events, err := e.Events(e.ctx, c.q)
			e.ok(err)
			got := ""
			for _, ev := range events {
				got += ev.ID
			}
			if got != c.want {
				e.Fatalf("%+v: got %q, want %q", c.q, got, c.want)
			}
		}
	}},
	{"at most 100 unless asked, never more than 1000", func(e *env) {
		var fx store.Effects
		for i := range 1010 {
			fx.Events = append(fx.Events, store.Event{ID: fmt.Sprint(i), At: t0, Name: store.EventSignIn})
		}
		e.ok(e.Record(e.ctx, fx))
		for limit, want := range map[int]int{0: 100, 7: 7, 500: 500, 5000: 1000} {
			events, err := e.Events(e.ctx, store.EventQuery{Limit: limit})
			e.ok(err)
			if len(events) != want {
				e.Fatalf("limit %d: %d events, want %d", limit, len(events), want)
			}
		}
	}},
}

var expireCases = []testCase{
	{"removes what no longer means anything, and nothing else", func(e *env) {
		a := e.user("anna")
		idle, over := e.session(a.User.ID), e.session(a.User.ID)
		idle.IdleExpiresAt = t0.Add(time.Minute)
		over.ExpiresAt = t0.Add(time.Minute)
		for _, s := range []store.SessionRecord{idle, over} {
			_, err := e.StartSession(e.ctx, start(s))
			e.ok(err)
		}
		keep, end, endLate := e.signIn(a.User.ID), e.signIn(a.User.ID), e.signIn(a.User.ID)
		e.ok(e.EndSession(e.ctx, a.User.ID, end.ID, store.SessionEnd{RevokedUntil: t0.Add(time.Minute)}, store.Effects{}))
		e.ok(e.EndSession(e.ctx, a.User.ID, endLate.ID, store.SessionEnd{RevokedUntil: t0.Add(time.Hour)}, store.Effects{}))
		short, long := e.token(a, store.PurposeReset), e.token(a, store.PurposeReset)
		short.ExpiresAt, long.ExpiresAt = t0.Add(time.Minute), t0.Add(time.Hour)
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: short, MaxOpen: 9}))
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: long, MaxOpen: 9}))
		brief := store.Limit{Key: "brief", Max: 9, Window: time.Minute}
		hour := store.Limit{Key: "hour", Max: 9, Window: time.Hour}
		ever := store.Limit{Key: "ever", Max: 9}
		for _, l := range []store.Limit{brief, hour, ever} {
			e.taken(t0, l, 1)
		}
		fx := store.Effects{Events: []store.Event{
			{ID: "old", At: t0.Add(-time.Hour), Name: "n"}, {ID: "new", At: t0, Name: "n"},
		}}
		e.ok(e.Record(e.ctx, fx))

		n, err := e.DeleteExpired(e.ctx, t0.Add(2*time.Minute), time.Time{}, 100)
		e.ok(err)
		if n != 5 { // two sessions, a revocation, a token, a limit
			e.Fatalf("%d rows went, want 5", n)
		}
		n, err = e.DeleteExpired(e.ctx, t0.Add(2*time.Minute), t0.Add(-time.Minute), 100)
		e.ok(err)
		if n != 1 {
			e.Fatalf("%d rows went, want 1 event", n)
		}
		for _, id := range []string{idle.ID, over.ID} {
			_, err := e.Session(e.ctx, id)
			e.is(err, store.ErrNotFound)
		}
		e.lives(keep.ID)
		rs, err := e.Revocations(e.ctx, 0)
		e.ok(err)
		if len(rs) != 1 || rs[0].SessionID != endLate.ID {
			e.Fatalf("revocations %+v", rs)
		}
		_, err = e.OneTimeToken(e.ctx, short.Hash, t0)
		e.is(err, store.ErrNotFound)
		_, err = e.OneTimeToken(e.ctx, long.Hash, t0)
		e.ok(err)
		e.taken(t0, brief, 1)
		e.taken(t0, hour, 2)
		e.taken(t0, ever, 2)
		events, err := e.Events(e.ctx, store.EventQuery{})
		e.ok(err)
		e.same("events", events, fx.Events[1:])
	}},
	{"at most so many rows of a kind at a time", func(e *env) {
		a := e.user("anna")
		for i := range 5 {
			s := e.session(a.User.ID)
			s.IdleExpiresAt = t0.Add(time.Minute)
			_, err := e.StartSession(e.ctx, start(s))
			e.ok(err)
			e.taken(t0, store.Limit{Key: fmt.Sprint(i), Max: 1, Window: time.Minute}, 1)
		}
		for _, want := range []int{4, 4, 2, 0} {
			n, err := e.DeleteExpired(e.ctx, t0.Add(time.Hour), time.Time{}, 2)
			e.ok(err)
			if n != want {
				e.Fatalf("%d rows went, want %d", n, want)
			}
		}
		if rs, err := e.Revocations(e.ctx, 0); err != nil || len(rs) != 0 {
			e.Fatalf("a session that ran out left revocations %v (%v)", rs, err)
		}
	}},
}

var lifecycleCases = []testCase{
	{"answers while it is open and fails once it is closed", func(e *env) {
		e.ok(e.Ping(e.ctx))
		a := e.user("anna")
		e.ok(e.Close())
		e.unnamed(e.Ping(e.ctx))
		_, err := e.Account(e.ctx, a.User.ID)
		e.unnamed(err)
		e.unnamed(e.Record(e.ctx, store.Effects{}))
	}},
	{"a context that has ended ends every call, and nothing changes", func(e *env) {
		a := e.user("anna")
		s, tok := e.signIn(a.User.ID), e.open(a, store.PurposeReset)
		created := e.full("bert")
		fx := e.effects()
		ended, cancel := context.WithCancel(e.ctx)
		cancel()
		for name, call := range e.everyMethod(ended, a, s, tok, created, fx) {
			err := e.unchanged(call)
			if err == nil {
				e.Errorf("%s worked", name)
				continue
			}
			e.unnamed(err)
		}
	}},
}

// everyMethod calls each method of a store once, with what would work.
func (e *env) everyMethod(ctx context.Context, a store.Account, s store.SessionRecord, tok store.OneTimeToken, c store.UserCreation, fx store.Effects) map[string]func() error {
	id := a.User.ID
	reset := e.session(id)
	return map[string]func() error{
		"CreateUser":       func() error { return e.CreateUser(ctx, c) },
		"Account":          func() error { _, err := e.Account(ctx, id); return err },
		"AccountByLoginID": func() error { _, err := e.AccountByLoginID(ctx, "anna@example.test"); return err },
		"UpdateUser": func() error {
			_, _, err := e.UpdateUser(ctx, store.UserUpdate{UserID: id, At: t0, Profile: store.Profile{Name: ptr("x")}})
			return err
		},
		"DeleteUser":     func() error { _, err := e.DeleteUser(ctx, store.UserDeletion{UserID: id}); return err },
		"ChangePassword": func() error { _, err := e.ChangePassword(ctx, change(a, "hash-2")); return err },
		"StartSession":   func() error { _, err := e.StartSession(ctx, start(reset)); return err },
		"Session":        func() error { _, err := e.Session(ctx, s.ID); return err },
		"UserSessions":   func() error { _, err := e.UserSessions(ctx, id, t0); return err },
		"SwapRefresh":    func() error { _, err := e.SwapRefresh(ctx, swap(s, 1)); return err },
		"EndSession":     func() error { return e.EndSession(ctx, id, s.ID, store.SessionEnd{}, fx) },
		"EndUserSessions": func() error {
			_, err := e.EndUserSessions(ctx, id, store.SessionEnd{}, fx)
			return err
		},
		"Revocations": func() error { _, err := e.Revocations(ctx, 0); return err },
		"AddOneTimeToken": func() error {
			return e.AddOneTimeToken(ctx, store.TokenAddition{Token: e.token(a, store.PurposeClaim), MaxOpen: 9, Effects: fx})
		},
		"OneTimeToken": func() error { _, err := e.OneTimeToken(ctx, tok.Hash, t0); return err },
		"UserTokens": func() error {
			_, err := e.UserTokens(ctx, id, store.PurposeReset, t0)
			return err
		},
		"DropTokens": func() error { return e.DropTokens(ctx, id, store.PurposeReset, t0, fx) },
		"ResetPassword": func() error {
			_, err := e.ResetPassword(ctx, spend(tok), change(a, "hash-2"))
			return err
		},
		"StartResetSession": func() error {
			_, err := e.StartResetSession(ctx, spend(tok), reset, store.SessionEnd{}, fx)
			return err
		},
		"VerifyEmail": func() error { _, err := e.VerifyEmail(ctx, spend(tok), fx); return err },
		"ChangeEmail": func() error { _, err := e.ChangeEmail(ctx, spend(tok), "a", "b", fx); return err },
		"TakeLimits": func() error {
			_, err := e.TakeLimits(ctx, t0, []store.Limit{{Key: "k", Max: 1}})
			return err
		},
		"ReleaseLimits":   func() error { return e.ReleaseLimits(ctx, []string{"k"}) },
		"ClearLimits":     func() error { return e.ClearLimits(ctx, []string{"k"}) },
		"SigningKeys":     func() error { _, err := e.SigningKeys(ctx); return err },
		"SaveSigningKeys": func() error { return e.SaveSigningKeys(ctx, keys(1), fx) },
		"ClaimEmails":     func() error { _, err := e.ClaimEmails(ctx, t0, time.Minute, 9); return err },
		"FinishEmail":     func() error { return e.FinishEmail(ctx, "mail-1", fx) },
		"RetryEmail":      func() error { return e.RetryEmail(ctx, "mail-1", t0) },
		"EmailCount":      func() error { _, err := e.EmailCount(ctx); return err },
		"Record":          func() error { return e.Record(ctx, fx) },
		"Events":          func() error { _, err := e.Events(ctx, store.EventQuery{}); return err },
		"DeleteExpired":   func() error { _, err := e.DeleteExpired(ctx, t0, t0, 9); return err },
		"Ping":            func() error { return e.Ping(ctx) },
	}
}
