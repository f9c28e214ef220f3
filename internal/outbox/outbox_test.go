package outbox_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/audit"
	"github.com/usherkit/usher/internal/outbox"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// stuckStore is a store that cannot remove an email without an event.
type stuckStore struct{ store.Store }

func (s stuckStore) FinishEmail(ctx context.Context, id string, fx store.Effects) error {
	if len(fx.Events) == 0 {
		return errors.New("not removed")
	}
	return s.Store.FinishEmail(ctx, id, fx)
}

// An email that is sent and cannot be removed is not sent without end.
func TestML05_AnEmailWhoseAttemptsHaveNoOutcomeIsGivenUp(t *testing.T) {
	ctx, st, now, sent := t.Context(), stuckStore{memory.New()}, time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), 0
	clock := func() time.Time { return now }
	log := slog.New(slog.DiscardHandler)
	o := outbox.New(outbox.Config{
		Ready: func(context.Context) error { return nil }, Store: st, Audit: audit.NewLog(st, nil, log, clock), Logger: log, Now: clock,
		Send: func(context.Context, store.QueuedEmail) (outbox.EmailInfo, error) {
			sent++
			return outbox.EmailInfo{}, nil
		},
	})
	email := store.QueuedEmail{ID: "a", Sealed: []byte("a"), CreatedAt: now, NotBefore: now}
	if err := st.Record(ctx, store.Effects{Emails: []store.QueuedEmail{email}}); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		o.DeliverDue(ctx)
		now = now.Add(time.Hour)
	}
	if sent != 100 {
		t.Errorf("sent %d times, want 100", sent)
	}
	page, err := st.Events(ctx, store.EventQuery{Name: store.EventEmailGivenUp})
	if n, countErr := st.EmailCount(ctx); n != 0 || err != nil || countErr != nil || len(page.Events) != 1 || page.Events[0].Reason != "too_many_tries" {
		t.Errorf("%d emails are left, events %+v, %v, %v", n, page.Events, err, countErr)
	}
}
