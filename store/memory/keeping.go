package memory

import (
	"context"
	"slices"
	"time"

	"github.com/usherkit/usher/store"
)

// SigningKeys implements [usher.KeyStore].
func (m *Store) SigningKeys(ctx context.Context) (out store.SigningKeys, err error) {
	err = m.do(ctx, nil, func(s *step) error {
		out = copyKeys(s.keys)
		return nil
	})
	return out, err
}

// SaveSigningKeys implements [usher.KeyStore].
func (m *Store) SaveSigningKeys(ctx context.Context, k store.SigningKeys, fx store.Effects) error {
	return m.do(ctx, []any{k, fx}, func(s *step) error {
		if k.Version != s.keys.Version+1 {
			return store.ErrConflict
		}
		if err := s.apply(fx); err != nil {
			return err
		}
		s.keys = copyKeys(k)
		return nil
	})
}

// Record implements [usher.EventStore].
func (m *Store) Record(ctx context.Context, fx store.Effects) error {
	return m.do(ctx, fx, func(s *step) error { return s.apply(fx) })
}

// Events implements [usher.EventStore].
func (m *Store) Events(ctx context.Context, q store.EventQuery) (out []store.Event, err error) {
	err = m.do(ctx, nil, func(s *step) error {
		for _, e := range slices.Backward(s.events) {
			if (q.UserID == "" || e.UserID == q.UserID) && (q.Name == "" || e.Name == q.Name) &&
				(q.Before.IsZero() || e.At.Before(when(q.Before))) {
				out = append(out, e)
			}
		}
		slices.SortStableFunc(out, func(a, b store.Event) int { return b.At.Compare(a.At) })
		limit := q.Limit
		if limit <= 0 {
			limit = 100
		}
		out = out[:min(len(out), limit, 1000)]
		return nil
	})
	return out, err
}

// DeleteExpired implements [store.Store].
func (m *Store) DeleteExpired(ctx context.Context, now, eventsBefore time.Time, max int) (n int, err error) {
	err = m.do(ctx, nil, func(s *step) error {
		now := when(now)
		n += expire(s, s.sessions, max, func(v store.SessionRecord) bool { return !livesAt(v, now) })
		n += expire(s, s.tokens, max, func(v store.OneTimeToken) bool { return !now.Before(v.ExpiresAt) })
		n += expire(s, s.revocations, max, func(v store.Revocation) bool { return !now.Before(v.Until) })
		n += expire(s, s.limits, max, func(v counter) bool { return !v.until.IsZero() && !now.Before(v.until) })
		left := max
		kept := make([]store.Event, 0, len(s.events))
		for _, e := range s.events {
			if left > 0 && e.At.Before(when(eventsBefore)) && !eventsBefore.IsZero() {
				left--
				n++
				continue
			}
			kept = append(kept, e)
		}
		s.events = kept
		return nil
	})
	return n, err
}

// expire drops at most limit entries that are over.
func expire[K comparable, V any](s *step, m map[K]V, limit int, over func(V) bool) (n int) {
	for k, v := range m {
		if n >= limit {
			return n
		}
		if over(v) {
			drop(s, m, k)
			n++
		}
	}
	return n
}
