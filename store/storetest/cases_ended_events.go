package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/usherkit/usher/store"
)

// sessionEnd returns an end whose event says why.
func sessionEnd(reason string) store.SessionEnd {
	return store.SessionEnd{RevokedUntil: t0.Add(time.Hour), Event: store.Event{
		At: t0, Name: store.EventSessionEnded, Reason: reason, Actor: "ops:anna",
		Address: "192.0.2.9", UserAgent: "Agent/9", RequestID: "request-9",
		UserID: "not the owner", SessionID: "not the session",
	}}
}

// endAtOnce ends a session by many callers, and fails unless exactly one of them returned
// and stored its event.
func (e *env) endAtOnce(victim store.SessionRecord, end func(i int) ([]store.Event, error)) {
	e.Helper()
	ended := make([][]store.Event, callers)
	for i, err := range concurrently(func(i int) (err error) {
		ended[i], err = end(i)
		return err
	}) {
		if err != nil {
			e.Fatalf("caller %d: %v", i, err)
		}
	}
	e.wantEndedEvents(slices.Concat(ended...), sessionEnd("race"), victim)
}

// wantEndedEvents fails the case unless the store has exactly one event for each of these
// sessions, with its own user and everything else from end, and the method returned the
// same events.
func (e *env) wantEndedEvents(returned []store.Event, end store.SessionEnd, sessions ...store.SessionRecord) {
	e.Helper()
	events, err := e.events(store.EventQuery{Name: store.EventSessionEnded, Limit: 1000})
	e.ok(err)
	stored := map[string]store.Event{}
	for _, ev := range events {
		stored[ev.SessionID] = ev
	}
	if len(events) != len(sessions) || len(returned) != len(sessions) {
		e.Fatalf("%d events stored and %d returned, want %d", len(events), len(returned), len(sessions))
	}
	ids := map[string]bool{}
	for _, s := range sessions {
		want := end.Event
		want.ID, want.UserID, want.SessionID = stored[s.ID].ID, s.UserID, s.ID
		e.wantEqual("event of "+s.ID, stored[s.ID], want)
		ids[want.ID] = true
	}
	for _, ev := range returned {
		e.wantEqual("returned event", ev, stored[ev.SessionID])
	}
	if len(ids) != len(sessions) || ids[""] {
		e.Fatalf("the events of %d sessions have the ids %v", len(sessions), ids)
	}
}

// endedEventCase is a way to end sessions of the user anna, two of which are given.
type endedEventCase struct {
	name string
	end  func(e *env, a store.Account, end store.SessionEnd, fx store.Effects) ([]store.Event, error)
}

var waysToEnd = []endedEventCase{
	{"EndUserSessions", func(e *env, a store.Account, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
		return e.EndUserSessions(e.ctx, a.User.ID, end, fx)
	}},
	{"UpdateUser", func(e *env, a store.Account, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
		_, ended, err := e.UpdateUser(e.ctx, store.UserUpdate{
			UserID: a.User.ID, At: t0, Status: ptr(store.StatusDisabled), End: &end, DropTokens: true, Effects: fx,
		})
		return ended, err
	}},
	{"DeleteUser", func(e *env, a store.Account, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
		return e.DeleteUser(e.ctx, store.UserDeletion{UserID: a.User.ID, End: end, Effects: fx})
	}},
	{"ChangePassword", func(e *env, a store.Account, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
		c := passwordChange(a, "hash-2")
		c.End, c.DropTokens, c.Effects = &end, true, fx
		return e.ChangePassword(e.ctx, c)
	}},
	{"ResetPassword", func(e *env, a store.Account, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
		c := passwordChange(a, "hash-2")
		c.End, c.DropTokens, c.Effects = &end, true, fx
		return e.ResetPassword(e.ctx, tokenSpend(e.openToken(a, store.PurposeReset)), c)
	}},
	{"StartResetSession", func(e *env, a store.Account, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
		ses := e.newSession(a.User.ID)
		ses.Kind = store.SessionReset
		return e.StartResetSession(e.ctx, tokenSpend(e.openToken(a, store.PurposeConfirmAndReset)), ses, end, fx)
	}},
	{"StartSession above Max", func(e *env, a store.Account, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
		in := sessionStart(e.newSession(a.User.ID))
		in.Max, in.End, in.Effects = 1, end, fx
		return e.StartSession(e.ctx, in)
	}},
}

// replaceCase is a way to replace a session, for the user of an account.
type replaceCase struct {
	name    string
	replace func(e *env, a store.Account, r store.ReplacedSession, fx store.Effects) ([]store.Event, error)
}

var waysToReplace = []replaceCase{
	{"CreateUser", func(e *env, a store.Account, r store.ReplacedSession, fx store.Effects) ([]store.Event, error) {
		c := e.newCreation(fmt.Sprint("new", e.next()))
		c.Replaces, c.Effects = r, fx
		return e.CreateUser(e.ctx, c)
	}},
	{"ChangePassword", func(e *env, a store.Account, r store.ReplacedSession, fx store.Effects) ([]store.Event, error) {
		c := passwordChange(a, "hash-2")
		c.Replaces, c.Effects = r, fx
		return e.ChangePassword(e.ctx, c)
	}},
	{"ResetPassword", func(e *env, a store.Account, r store.ReplacedSession, fx store.Effects) ([]store.Event, error) {
		c := passwordChange(a, "hash-2")
		c.Replaces, c.Effects = r, fx
		return e.ResetPassword(e.ctx, tokenSpend(e.openToken(a, store.PurposeReset)), c)
	}},
}

var endedEventCases = func() (cases []testCase) {
	for _, way := range waysToEnd {
		cases = append(cases, testCase{way.name + " stores the event of each session it ends", func(e *env) {
			a, other := e.createUser("anna"), e.createUser("bert")
			s1, s2, keep := e.signIn(a.User.ID), e.signIn(a.User.ID), e.signIn(other.User.ID)
			end := sessionEnd(way.name)
			ended, err := way.end(e, a, end, e.effects())
			e.ok(err)
			e.wantEndedEvents(ended, end, s1, s2)
			e.wantEnded(end.RevokedUntil, s1.ID, s2.ID)
			e.wantLive(keep.ID)
		}}, testCase{way.name + " stores no event of a session if it fails", func(e *env) {
			a := e.createUser("anna")
			e.signIn(a.User.ID)
			fx := e.effects()
			e.ok(e.Record(e.ctx, fx))
			fx.Events = nil // the outbox refuses the same email
			e.wantUnnamedErr(e.wantNoFurtherEvents(func() error { _, err := way.end(e, a, sessionEnd("x"), fx); return err }))
		}})
	}
	for _, way := range waysToReplace {
		cases = append(cases, testCase{way.name + " ends the session of any user that it replaces", func(e *env) {
			a, other := e.createUser("anna"), e.createUser("bert")
			keep, theirs, own := e.signIn(other.User.ID), e.signIn(other.User.ID), e.signIn(a.User.ID)
			end := sessionEnd(way.name)
			for _, id := range []string{"", "long gone", theirs.ID, theirs.ID} {
				ended, err := way.replace(e, a, store.ReplacedSession{ID: id, End: end}, e.effects())
				e.ok(err)
				if len(ended) > 0 {
					e.wantEndedEvents(ended, end, theirs)
				} else if id != theirs.ID {
					e.wantLive(theirs.ID)
				}
				a, err = e.Account(e.ctx, a.User.ID)
				e.ok(err)
			}
			e.wantEnded(end.RevokedUntil, theirs.ID)
			e.wantLive(keep.ID, own.ID)
		}}, testCase{way.name + " replaces no session if it fails", func(e *env) {
			a := e.createUser("anna")
			theirs, fx := e.signIn(e.createUser("bert").User.ID), e.effects()
			e.ok(e.Record(e.ctx, fx))
			fx.Events = nil // the outbox refuses the same email
			e.wantUnnamedErr(e.wantNoFurtherEvents(func() error {
				_, err := way.replace(e, a, store.ReplacedSession{ID: theirs.ID, End: sessionEnd("x")}, fx)
				return err
			}))
			e.wantLive(theirs.ID)
		}})
	}
	return append(cases, testCase{"StartSession names the owner of the session it replaces", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		own, theirs := e.signIn(a.User.ID), e.signIn(other.User.ID)
		in := sessionStart(e.newSession(a.User.ID))
		in.EndSession, in.Max, in.End = theirs.ID, 1, sessionEnd("replaced")
		ended, err := e.StartSession(e.ctx, in)
		e.ok(err)
		e.wantEndedEvents(ended, in.End, own, theirs)
	}}, testCase{"of many sign-ups and changes that replace one session, one ends it", func(e *env) {
		other := e.createUser("bert")
		victim := e.signIn(other.User.ID)
		var users [callers]store.Account
		for i := range users {
			users[i] = e.createUser(fmt.Sprint("anna", i))
		}
		e.endAtOnce(victim, func(i int) ([]store.Event, error) {
			r := store.ReplacedSession{ID: victim.ID, End: sessionEnd("race")}
			if i%2 == 0 {
				c := passwordChange(users[i], "hash-2")
				c.Replaces = r
				return e.ChangePassword(e.ctx, c)
			}
			id := fmt.Sprint("new-", i)
			return e.CreateUser(e.ctx, store.UserCreation{User: store.User{ID: id, LoginIDs: []string{id}}, Canonical: []string{id}, Replaces: r})
		})
	}}, testCase{"hundreds of sessions end in one transaction", func(e *env) {
		a := e.createUser("anna")
		sessions := make([]store.SessionRecord, 1050)
		for i := range sessions {
			sessions[i] = e.newSession(a.User.ID)
			in := sessionStart(sessions[i])
			in.Max = len(sessions)
			_, err := e.StartSession(e.ctx, in)
			e.ok(err)
		}
		ended, err := e.EndUserSessions(e.ctx, a.User.ID, sessionEnd("all"), store.Effects{})
		e.ok(err)
		if len(ended) != len(sessions) {
			e.Fatalf("%d events returned", len(ended))
		}
		events, err := e.events(store.EventQuery{Name: store.EventSessionEnded, Limit: 1000})
		e.ok(err)
		if len(events) != 1000 { // a full page
			e.Fatalf("%d events stored", len(events))
		}
		e.wantEnded(t0.Add(time.Hour), sessionIDs(ended)...)
	}}, testCase{"of many callers who end a session, one stores its event", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		victim := e.signIn(other.User.ID)
		e.endAtOnce(victim, func(i int) (ended []store.Event, err error) {
			switch i % 3 {
			case 0:
				return e.EndUserSessions(e.ctx, other.User.ID, sessionEnd("race"), store.Effects{})
			case 1:
				_, ended, err = e.UpdateUser(e.ctx, store.UserUpdate{UserID: other.User.ID, At: t0, End: ptr(sessionEnd("race"))})
				return ended, err
			}
			s := resetSession(a.User.ID, i)
			return e.StartSession(e.ctx, store.SessionStart{Session: s, IfPasswordVersion: 1, Max: 1000, EndSession: victim.ID, End: sessionEnd("race")})
		})
	}}, testCase{"users who replace each other's session at Max all sign in", func(e *env) {
		pair := []store.Account{e.createUser("anna"), e.createUser("bert")}
		newest := []string{e.signIn(pair[0].User.ID).ID, e.signIn(pair[1].User.ID).ID}
		for round := range 4 {
			for i, err := range concurrently(func(i int) error {
				s := resetSession(pair[i%2].User.ID, i)
				s.ID, s.Kind = fmt.Sprintf("swap-%d-%d", round, i), store.SessionFull
				_, err := e.StartSession(e.ctx, store.SessionStart{
					Session: s, IfPasswordVersion: 1, Max: 1, EndSession: newest[(i+1)%2], End: sessionEnd("swap"),
				})
				return err
			}) {
				if err != nil {
					e.Fatalf("caller %d: %v", i, err)
				}
			}
			for i, a := range pair {
				live, err := e.UserSessions(e.ctx, a.User.ID, t0)
				e.ok(err)
				if len(live) != 1 {
					e.Fatalf("%d sessions of %s live", len(live), a.User.ID)
				}
				newest[i] = live[0].ID
			}
		}
	}})
}()

// wantNoFurtherEvents runs step, fails the case if it stores an event or a revocation, and
// returns its error.
func (e *env) wantNoFurtherEvents(step func() error) error {
	e.Helper()
	read := func() []any {
		events, err := e.events(store.EventQuery{Limit: 1000})
		e.ok(err)
		revocations, err := e.Revocations(e.ctx, 0)
		e.ok(err)
		return []any{events, revocations}
	}
	before := read()
	err := step()
	e.wantEqual("events and revocations after a step that failed", read(), before)
	return err
}
