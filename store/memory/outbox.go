package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/usherkit/usher/store"
)

// storeEffects stores the effects of a transaction.
func (s *transaction) storeEffects(fx store.Effects) error {
	for _, q := range fx.Emails {
		if err := add(s, s.outbox, q.ID, copyEmail(q)); err != nil {
			return err
		}
	}
	s.storeEvents(fx.Events)
	return nil
}

func (s *transaction) storeEvents(events []store.Event) {
	before := s.events
	s.undo = append(s.undo, func() { s.events = before })
	for _, e := range events {
		e.At = toMicros(e.At)
		s.events = append(s.events, e)
	}
}

// ClaimEmails implements [store.OutboxStore].
func (m *Store) ClaimEmails(ctx context.Context, now time.Time, lease time.Duration, n int) (out []store.QueuedEmail, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		now := toMicros(now)
		var due []store.QueuedEmail
		for _, q := range s.outbox {
			if !q.NotBefore.After(now) {
				due = append(due, q)
			}
		}
		slices.SortFunc(due, func(a, b store.QueuedEmail) int {
			return cmp.Or(a.NotBefore.Compare(b.NotBefore), byAge(a, b))
		})
		for _, q := range due[:min(len(due), max(n, 0))] {
			q.Attempts++
			q.NotBefore = toMicros(now.Add(lease))
			put(s, s.outbox, q.ID, q)
			out = append(out, copyEmail(q))
		}
		slices.SortFunc(out, byAge)
		return nil
	})
	return out, err
}

// byAge sorts messages in the order in which they were queued.
func byAge(a, b store.QueuedEmail) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

// FinishEmail implements [store.OutboxStore].
func (m *Store) FinishEmail(ctx context.Context, id string, fx store.Effects) error {
	return m.transact(ctx, []any{id, fx}, func(s *transaction) error {
		if _, ok := s.outbox[id]; !ok {
			return nil // another caller finished it and stored its effects
		}
		drop(s, s.outbox, id)
		return s.storeEffects(fx)
	})
}

// RetryEmail implements [store.OutboxStore].
func (m *Store) RetryEmail(ctx context.Context, id string, notBefore time.Time) error {
	return m.requeue(ctx, id, notBefore, 0)
}

// ReleaseEmail implements [store.OutboxStore].
func (m *Store) ReleaseEmail(ctx context.Context, id string, notBefore time.Time) error {
	return m.requeue(ctx, id, notBefore, 1)
}

// requeue makes an email due again, with fewer attempts.
func (m *Store) requeue(ctx context.Context, id string, notBefore time.Time, fewer int) error {
	return m.transact(ctx, id, func(s *transaction) error {
		if q, ok := s.outbox[id]; ok {
			q.NotBefore = toMicros(notBefore)
			q.Attempts = max(q.Attempts-fewer, 0)
			put(s, s.outbox, id, q)
		}
		return nil
	})
}

// EmailCount implements [store.OutboxStore].
func (m *Store) EmailCount(ctx context.Context) (n int, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		n = len(s.outbox)
		return nil
	})
	return n, err
}
