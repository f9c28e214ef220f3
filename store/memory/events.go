package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/usherkit/usher/store"
)

// Record implements [store.EventStore].
func (m *Store) Record(ctx context.Context, fx store.Effects) error {
	return m.transact(ctx, fx, func(s *transaction) error { return s.storeEffects(fx) })
}

// Events implements [store.EventStore]. A cursor is the index of an event in the order
// in which it was recorded, and the time of the event.
func (m *Store) Events(ctx context.Context, q store.EventQuery) (page store.EventPage, err error) {
	after, err := parseCursor(q.Cursor)
	if err != nil {
		return page, err
	}
	err = m.transact(ctx, nil, func(s *transaction) error {
		var found []position
		for i, e := range slices.Backward(s.events) {
			p := position{toMicros(e.At), i}
			if (q.UserID == "" || e.UserID == q.UserID) && (q.Name == "" || e.Name == q.Name) &&
				(q.Before.IsZero() || e.At.Before(toMicros(q.Before))) && (q.Cursor == "" || p.compare(after) < 0) {
				found = append(found, p)
			}
		}
		slices.SortFunc(found, func(a, b position) int { return b.compare(a) })
		limit := min(q.Limit, 1000)
		if limit <= 0 {
			limit = 100
		}
		if len(found) > limit {
			found = found[:limit]
			page.Next = found[limit-1].cursor()
		}
		for _, p := range found {
			page.Events = append(page.Events, s.events[p.index])
		}
		return nil
	})
	return page, err
}

// SignIns implements [store.EventStore].
func (m *Store) SignIns(ctx context.Context, userIDs []string, limit int) (out []store.SignIn, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		for _, id := range userIDs {
			var found []position
			for i, e := range s.events {
				if e.UserID == id && e.Name == store.EventSessionCreated && !slices.Contains(store.NoSignIn, e.Reason) {
					found = append(found, position{toMicros(e.At), i})
				}
			}
			slices.SortFunc(found, func(a, b position) int { return b.compare(a) })
			for _, p := range found[:min(limit, len(found))] {
				e := s.events[p.index]
				out = append(out, store.SignIn{Event: e, Tenant: s.sessions[e.SessionID].Tenant})
			}
		}
		slices.SortStableFunc(out, func(a, b store.SignIn) int { return b.At.Compare(a.At) })
		return nil
	})
	return out, err
}

// position is the place of an event in the order in which events are read.
type position struct {
	at    time.Time
	index int
}

func (p position) compare(q position) int {
	return cmp.Or(p.at.Compare(q.at), cmp.Compare(p.index, q.index))
}

func (p position) cursor() string { return fmt.Sprintf("%d.%d", p.at.UnixMicro(), p.index) }

func parseCursor(cursor string) (p position, err error) {
	var micros int64
	if cursor == "" {
		return p, nil
	}
	if _, err := fmt.Sscanf(cursor, "%d.%d", &micros, &p.index); err != nil {
		return p, store.ErrBadCursor
	}
	if p.at = time.UnixMicro(micros).UTC(); p.cursor() != cursor {
		return position{}, store.ErrBadCursor
	}
	return p, nil
}
