package memory

import (
	"context"

	"github.com/usherkit/usher/store"
)

// DeleteExpired implements [store.Store].
func (m *Store) DeleteExpired(ctx context.Context, x store.Expiry) (n int, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		now, max := toMicros(x.Now), x.Max
		n += expire(s, s.sessions, max, func(v store.SessionRecord) bool { return !liveAt(v, now) })
		n += expire(s, s.tokens, max, func(v store.OneTimeToken) bool { return !now.Before(v.ExpiresAt) })
		n += expire(s, s.invitations, max, func(v store.Invitation) bool { return !now.Before(v.ExpiresAt) })
		n += expire(s, s.revocations, max, func(v store.Revocation) bool { return !now.Before(v.Until) })
		n += expire(s, s.limits, max, func(v counter) bool { return !v.until.IsZero() && !now.Before(v.until) })
		removed := map[store.EventName]int{}
		kept := make([]store.Event, 0, len(s.events))
		for _, e := range s.events {
			kind, before := e.Name, x.NamedEventsBefore[e.Name]
			if !e.At.Before(toMicros(before)) {
				kind, before = "", x.EventsBefore
			}
			if removed[kind] < max && e.At.Before(toMicros(before)) {
				removed[kind]++
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

// expire drops at most limit entries that have expired.
func expire[K comparable, V any](s *transaction, m map[K]V, limit int, over func(V) bool) (n int) {
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
