package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher/store"
)

var eventCases = []testCase{
	{"stores effects in one transaction", func(e *env) {
		fx := e.effects()
		e.ok(e.Record(e.ctx, fx))
		e.wantEffects(fx)
		events, err := e.events(store.EventQuery{})
		e.ok(err)
		want := fx.Events[0]
		want.At = want.At.Truncate(time.Microsecond)
		e.wantEqual("event", events, []store.Event{want})

		second := e.effects()
		second.Emails = append(second.Emails, fx.Emails[0])
		e.wantUnnamedErr(e.wantUnchanged(func() error { return e.Record(e.ctx, second) }))
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
	{"pages hold every event once, also those of the same microsecond", func(e *env) {
		var fx store.Effects
		for i := range 23 {
			fx.Events = append(fx.Events, store.Event{
				ID: fmt.Sprint(i), At: t0.Add(time.Duration(i/10) * time.Second), Name: store.EventSignIn,
			})
		}
		e.ok(e.Record(e.ctx, fx))
		for _, limit := range []int{1, 2, 7, 23, 24} {
			var got []string
			q := store.EventQuery{Name: store.EventSignIn, Limit: limit}
			for pages := 0; ; pages++ {
				page, err := e.Events(e.ctx, q)
				e.ok(err)
				for _, ev := range page.Events {
					got = append(got, ev.ID)
				}
				if page.Next == "" {
					break
				}
				if len(page.Events) != limit || pages > 23 {
					e.Fatalf("limit %d: a page of %d events says that another one follows", limit, len(page.Events))
				}
				q.Cursor = page.Next
				if limit == 7 && pages == 0 { // newer events do not move the pages
					e.ok(e.Record(e.ctx, store.Effects{Events: []store.Event{{ID: "new", At: t0.Add(time.Hour), Name: store.EventSignOut}}}))
				}
			}
			var want []string
			for i := range 23 {
				want = append(want, fmt.Sprint(22-i))
			}
			if !slices.Equal(got, want) {
				e.Fatalf("limit %d: got %v, want %v", limit, got, want)
			}
		}
	}},
	{"a cursor that is none", func(e *env) {
		for _, cursor := range []string{"x", "!", strings.Repeat("A", 23), "' OR 1=1"} {
			if _, err := e.Events(e.ctx, store.EventQuery{Cursor: cursor}); !errors.Is(err, store.ErrBadCursor) {
				e.Fatalf("cursor %q: %v", cursor, err)
			}
		}
	}},
	{"the operator who caused an event", func(e *env) {
		e.ok(e.Record(e.ctx, store.Effects{Events: []store.Event{{ID: "a", At: t0, Name: store.EventUserDisabled, Actor: "ops:anna"}}}))
		events, err := e.events(store.EventQuery{})
		e.ok(err)
		if len(events) != 1 || events[0].Actor != "ops:anna" {
			e.Fatalf("got %+v", events)
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
	{"the last sign-ins of each user, newest first, with the tenant of a live session", func(e *env) {
		live := e.signIn(e.createUser("anna").User.ID)
		var fx store.Effects
		add := func(id string, user string, after time.Duration, name store.EventName, reason, session string) {
			fx.Events = append(fx.Events, store.Event{
				ID: id, At: t0.Add(after), Name: name, UserID: user, Reason: reason, SessionID: session, Address: "192.0.2.1", UserAgent: "agent",
			})
		}
		anna, bob := live.UserID, "bob"
		add("a1", anna, 1, store.EventSessionCreated, "", "gone")
		add("b1", bob, 2000, store.EventSessionCreated, "reset", "gone too")
		add("other name", anna, 3000, store.EventSignIn, "", live.ID)
		add("other user", "carl", 4000, store.EventSessionCreated, "", "x")
		add("a2", anna, 5000, store.EventSessionCreated, "proof otp", live.ID)
		add("a3", anna, 5000, store.EventSessionCreated, "", live.ID)
		for _, reason := range store.NoSignIn {
			add(reason, anna, 6000, store.EventSessionCreated, reason, live.ID)
		}
		e.ok(e.Record(e.ctx, fx))
		for limit, want := range map[int]string{1: "a3 b1", 2: "a3 a2 b1", 9: "a3 a2 b1 a1"} {
			got, err := e.SignIns(e.ctx, []string{bob, anna, "nobody"}, limit)
			e.ok(err)
			var ids []string
			for _, one := range got {
				ids = append(ids, one.ID)
				if wantTenant := map[bool]string{true: live.Tenant}[one.SessionID == live.ID]; one.Tenant != wantTenant {
					e.Errorf("%s: the tenant is %q, want %q", one.ID, one.Tenant, wantTenant)
				}
			}
			e.wantEqual(fmt.Sprint("sign-ins, limit ", limit), strings.Join(ids, " "), want)
			if first := got[0]; first.Address != "192.0.2.1" || first.UserAgent != "agent" || first.Name != store.EventSessionCreated {
				e.Errorf("got %+v", first)
			}
		}
		none, err := e.SignIns(e.ctx, nil, 9)
		e.ok(err)
		e.wantEqual("of nobody", len(none), 0)
	}},
}
