package storetest

import (
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
)

var eventCases = []testCase{
	{"stores effects in one transaction", func(e *env) {
		fx := e.effects()
		e.ok(e.Record(e.ctx, fx))
		e.happened(fx)
		events, err := e.events(store.EventQuery{})
		e.ok(err)
		want := fx.Events[0]
		want.At = want.At.Truncate(time.Microsecond)
		e.same("event", events, []store.Event{want})

		second := e.effects()
		second.Emails = append(second.Emails, fx.Emails[0])
		e.unnamed(e.unchanged(func() error { return e.Record(e.ctx, second) }))
	}},
	{"reads newest first, by user, name and time", func(e *env) {
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
			events, err := e.events(c.q)
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
	{"returns 100 by default and at most 1000", func(e *env) {
		var fx store.Effects
		for i := range 1010 {
			fx.Events = append(fx.Events, store.Event{ID: fmt.Sprint(i), At: t0, Name: store.EventSignIn})
		}
		e.ok(e.Record(e.ctx, fx))
		for limit, want := range map[int]int{0: 100, 7: 7, 500: 500, 5000: 1000} {
			events, err := e.events(store.EventQuery{Limit: limit})
			e.ok(err)
			if len(events) != want {
				e.Fatalf("limit %d: %d events, want %d", limit, len(events), want)
			}
		}
	}},
}
