package storetest

import (
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
)

// queueEmails stores n emails. The first one is the newest.
func (e *env) queueEmails(n int) {
	e.Helper()
	var fx store.Effects
	for i := range n {
		at := t0.Add(-time.Duration(i) * time.Second)
		fx.Emails = append(fx.Emails, store.QueuedEmail{
			ID: fmt.Sprintf("m%03d", i), Sealed: []byte{byte(i), 0}, CreatedAt: at, NotBefore: at,
		})
	}
	e.ok(e.Record(e.ctx, fx))
}

// claimEmails claims at most n emails and returns their ids.
func (e *env) claimEmails(now time.Time, n int) []string {
	e.Helper()
	mail, err := e.ClaimEmails(e.ctx, now, time.Minute, n)
	e.ok(err)
	var ids []string
	for _, q := range mail {
		ids = append(ids, q.ID)
	}
	return ids
}

var outboxCases = []testCase{
	{"claims due emails, oldest first, and counts the attempt", func(e *env) {
		e.queueEmails(3)
		e.ok(e.Record(e.ctx, store.Effects{Emails: []store.QueuedEmail{
			{ID: "later", CreatedAt: t0.Add(-time.Hour), NotBefore: t0.Add(time.Second)},
		}}))
		got, err := e.ClaimEmails(e.ctx, t0, time.Minute, 2)
		e.ok(err)
		e.wantEqual("mail", got, []store.QueuedEmail{
			{ID: "m002", Sealed: []byte{2, 0}, CreatedAt: t0.Add(-2 * time.Second), NotBefore: t0.Add(time.Minute), Attempts: 1},
			{ID: "m001", Sealed: []byte{1, 0}, CreatedAt: t0.Add(-1 * time.Second), NotBefore: t0.Add(time.Minute), Attempts: 1},
		})
		e.wantEqual("the rest", e.claimEmails(t0, 9), []string{"m000"})
		e.wantEqual("none", e.claimEmails(t0, 0), nil)
	}},
	{"a failed email does not delay a new one", func(e *env) {
		e.queueEmails(3)
		e.wantEqual("the oldest", e.claimEmails(t0, 1), []string{"m002"})
		e.ok(e.RetryEmail(e.ctx, "m002", t0.Add(10*time.Second)))
		e.wantEqual("the next", e.claimEmails(t0.Add(time.Minute), 1), []string{"m001"})
		e.wantEqual("the rest by age", e.claimEmails(t0.Add(time.Minute), 9), []string{"m002", "m000"})
	}},
	{"hides claimed emails until the lease ends, and then counts the next attempt", func(e *env) {
		e.queueEmails(1)
		e.wantEqual("first", e.claimEmails(t0, 9), []string{"m000"})
		e.wantEqual("hidden", e.claimEmails(t0.Add(59*time.Second), 9), nil)
		got, err := e.ClaimEmails(e.ctx, t0.Add(time.Minute), time.Minute, 9)
		e.ok(err)
		if len(got) != 1 || got[0].Attempts != 2 {
			e.Fatalf("got %+v", got)
		}
	}},
	{"removes a finished email, and ignores a missing one", func(e *env) {
		e.queueEmails(2)
		fx := store.Effects{Events: []store.Event{{ID: "done", At: t0, Name: store.EventEmailGivenUp}}}
		for range 2 {
			e.ok(e.FinishEmail(e.ctx, "m000", fx))
		}
		n, err := e.EmailCount(e.ctx)
		e.ok(err)
		if n != 1 {
			e.Fatalf("%d messages wait, want 1", n)
		}
		events, err := e.events(store.EventQuery{})
		e.ok(err)
		e.wantEqual("events: the effect of the step that happened", len(events), 1)
	}},
	{"makes an email due again at the given time, and ignores a missing one", func(e *env) {
		e.queueEmails(1)
		e.claimEmails(t0, 1)
		e.ok(e.RetryEmail(e.ctx, "m000", t0.Add(time.Second)))
		e.ok(e.RetryEmail(e.ctx, "missing", t0))
		e.wantEqual("early", e.claimEmails(t0, 9), nil)
		e.wantEqual("due", e.claimEmails(t0.Add(time.Second), 9), []string{"m000"})
		n, err := e.EmailCount(e.ctx)
		e.ok(err)
		e.wantEqual("count", n, 1)
	}},
	{"does not count the attempt of a released email, and ignores a missing one", func(e *env) {
		e.queueEmails(1)
		e.claimEmails(t0, 1)
		for range 3 {
			e.claimEmails(t0.Add(time.Hour), 1)
			e.ok(e.ReleaseEmail(e.ctx, "m000", t0.Add(time.Second)))
		}
		e.ok(e.ReleaseEmail(e.ctx, "missing", t0))
		e.wantEqual("early", e.claimEmails(t0, 9), nil)
		got, err := e.ClaimEmails(e.ctx, t0.Add(time.Second), time.Minute, 9)
		e.ok(err)
		if len(got) != 1 || got[0].Attempts != 2 {
			e.Fatalf("got %+v, want one email at its second attempt", got)
		}
	}},
}
