package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/usherkit/usher/store"
)

// apply stores the effects of a step.
func (s *step) apply(fx store.Effects) error {
	for _, q := range fx.Emails {
		if err := add(s, s.mail, q.ID, copyMail(q)); err != nil {
			return err
		}
	}
	before := s.events
	s.undo = append(s.undo, func() { s.events = before })
	for _, e := range fx.Events {
		e.At = when(e.At)
		s.events = append(s.events, e)
	}
	return nil
}

// ClaimEmails implements [usher.OutboxStore].
func (m *Store) ClaimEmails(ctx context.Context, now time.Time, lease time.Duration, n int) (out []store.QueuedEmail, err error) {
	err = m.do(ctx, nil, func(s *step) error {
		now := when(now)
		var due []store.QueuedEmail
		for _, q := range s.mail {
			if !q.NotBefore.After(now) {
				due = append(due, q)
			}
		}
		slices.SortFunc(due, func(a, b store.QueuedEmail) int {
			return cmp.Or(a.NotBefore.Compare(b.NotBefore), byAge(a, b))
		})
		for _, q := range due[:min(len(due), max(n, 0))] {
			q.Attempts++
			q.NotBefore = when(now.Add(lease))
			put(s, s.mail, q.ID, q)
			out = append(out, copyMail(q))
		}
		slices.SortFunc(out, byAge)
		return nil
	})
	return out, err
}

// byAge puts the message first that was queued first.
func byAge(a, b store.QueuedEmail) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

// FinishEmail implements [usher.OutboxStore].
func (m *Store) FinishEmail(ctx context.Context, id string, fx store.Effects) error {
	return m.do(ctx, []any{id, fx}, func(s *step) error {
		if _, ok := s.mail[id]; !ok {
			return nil // somebody else finished it, and told of it
		}
		drop(s, s.mail, id)
		return s.apply(fx)
	})
}

// RetryEmail implements [usher.OutboxStore].
func (m *Store) RetryEmail(ctx context.Context, id string, notBefore time.Time) error {
	return m.do(ctx, id, func(s *step) error {
		if q, ok := s.mail[id]; ok {
			q.NotBefore = when(notBefore)
			put(s, s.mail, id, q)
		}
		return nil
	})
}

// EmailCount implements [usher.OutboxStore].
func (m *Store) EmailCount(ctx context.Context) (n int, err error) {
	err = m.do(ctx, nil, func(s *step) error {
		n = len(s.mail)
		return nil
	})
	return n, err
}
