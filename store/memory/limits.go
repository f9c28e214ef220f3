package memory

import (
	"context"
	"time"

	"github.com/usherkit/usher/store"
)

// counter is the stored state of one limit.
type counter struct {
	hits int
	// since is the first hit of the window, or the last hit with Backoff.
	since time.Time
	// until is when the counter expires; zero is never.
	until time.Time
}

// TakeLimits implements [store.LimitStore].
func (m *Store) TakeLimits(ctx context.Context, now time.Time, limits []store.Limit) (out store.LimitResult, err error) {
	err = m.transact(ctx, limits, func(s *transaction) error {
		now := toMicros(now)
		out = store.LimitResult{Refused: -1}
		taken := map[string]counter{}
		var counts []int
		for i, l := range limits {
			c, ok := taken[l.Key]
			if !ok {
				c = s.limits[l.Key]
			}
			next, wait := c.hit(l, now)
			if wait > out.RetryAfter {
				out.Refused, out.RetryAfter = i, wait
			}
			taken[l.Key] = next
			counts = append(counts, next.hits)
		}
		if out.Refused >= 0 {
			return nil
		}
		out.Counts = counts
		for key, c := range taken {
			put(s, s.limits, key, c)
		}
		return nil
	})
	if err != nil {
		return store.LimitResult{}, err
	}
	return out, nil
}

// hit counts one hit, or returns how long to wait.
func (c counter) hit(l store.Limit, now time.Time) (counter, time.Duration) {
	if c.since.After(now) {
		c.since = now
	}
	if l.Window > 0 && !now.Before(c.since.Add(l.Window)) {
		c = counter{}
	}
	if c.hits >= l.Max {
		if wait := c.wait(l, now); wait > 0 {
			return c, wait
		}
	}
	if c.hits == 0 || l.Backoff > 0 {
		c.since = now
	}
	c.hits++
	c.until = time.Time{}
	if l.Window > 0 {
		c.until = toMicros(c.since.Add(l.Window))
	}
	return c, 0
}

// wait returns how long a counter at its maximum refuses.
func (c counter) wait(l store.Limit, now time.Time) time.Duration {
	switch {
	case c.hits == 0 && l.Backoff > 0:
		return 0
	case c.hits == 0 && l.Window > 0:
		return l.Window
	case l.Backoff > 0:
		wait := l.Backoff
		for n := l.Max; n < c.hits && wait < 365*24*time.Hour; n++ {
			wait *= 2
		}
		if l.MaxBackoff > 0 {
			wait = min(wait, l.MaxBackoff)
		}
		if l.Window > 0 {
			wait = min(wait, l.Window)
		}
		return c.since.Add(wait).Sub(now)
	case l.Window > 0:
		return c.since.Add(l.Window).Sub(now)
	default:
		return time.Hour
	}
}

// ReleaseLimits implements [store.LimitStore].
func (m *Store) ReleaseLimits(ctx context.Context, keys []string) error {
	return m.transact(ctx, keys, func(s *transaction) error {
		s.releaseLimits(keys)
		return nil
	})
}

// ClearLimits implements [store.LimitStore].
func (m *Store) ClearLimits(ctx context.Context, keys []string) error {
	return m.transact(ctx, keys, func(s *transaction) error {
		s.clearLimits(keys)
		return nil
	})
}

func (s *transaction) releaseLimits(keys []string) {
	for _, key := range keys {
		if c, ok := s.limits[key]; ok && c.hits > 0 {
			c.hits--
			put(s, s.limits, key, c)
		}
	}
}

func (s *transaction) clearLimits(keys []string) {
	for _, key := range keys {
		drop(s, s.limits, key)
	}
}
