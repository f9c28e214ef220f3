package memory

import (
	"context"
	"slices"

	"github.com/usherkit/usher/store"
)

// Record implements [store.EventStore].
func (m *Store) Record(ctx context.Context, fx store.Effects) error {
	return m.do(ctx, fx, func(s *transaction) error { return s.storeEffects(fx) })
}

// Events implements [store.EventStore].
func (m *Store) Events(ctx context.Context, q store.EventQuery) (out []store.Event, err error) {
	err = m.do(ctx, nil, func(s *transaction) error {
		for _, e := range slices.Backward(s.events) {
			if (q.UserID == "" || e.UserID == q.UserID) && (q.Name == "" || e.Name == q.Name) &&
				(q.Before.IsZero() || e.At.Before(toMicros(q.Before))) {
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
