package sqlstore

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher/store"
)

// counter is the stored state of one limit.
type counter struct {
	hits int
	// since is the first hit of the window, or the last hit with Backoff.
	since time.Time
	// until is when the row expires.
	until time.Time
}

// never is the expiry of limits that do not end.
var never = time.UnixMicro(math.MaxInt64)

// TakeLimits implements [store.LimitStore].
func (s *Store) TakeLimits(ctx context.Context, now time.Time, limits []store.Limit) (store.LimitResult, error) {
	if len(limits) == 0 {
		return store.LimitResult{Refused: -1}, nil
	}
	now = toMicros(now)
	keys := make([]string, len(limits))
	for i, l := range limits {
		keys[i] = l.Key
	}
	keys = sorted(keys) // a fixed order of locks, so that no two callers block each other

	var result store.LimitResult
	if s.refusedRecently(now) {
		err := s.read(ctx, "read limits", func(r runner) error {
			stored, err := r.counters(ctx, `SELECT name, hits, since, '' FROM usher_limits WHERE name IN (`+placeholders(len(keys))+`)`, toAny(keys)...)
			if err != nil {
				return err
			}
			_, result = countHit(limits, stored, now)
			return nil
		})
		if err != nil || result.Refused >= 0 {
			return s.recordRefusal(result, now, err)
		}
	}

	err := s.transactUnsynced(ctx, "take limits", func(t *tx) error {
		stored, err := t.lockCounters(ctx, keys, now)
		if err != nil {
			return err
		}
		var taken map[string]counter
		taken, result = countHit(limits, stored, now)
		if result.Refused >= 0 {
			return errRefused
		}
		return t.saveCounters(ctx, keys, taken)
	})
	if errors.Is(err, errRefused) {
		err = nil
	}
	return s.recordRefusal(result, now, err)
}

// refusalPeriod is how long after a refusal TakeLimits reads before it locks.
const refusalPeriod = time.Minute

// refusedRecently reports whether a limit refused a call within refusalPeriod. A refusal
// needs no lock: during an attack most calls end with a read and do not delay writers.
// At other times that read would be an extra round trip.
func (s *Store) refusedRecently(now time.Time) bool {
	return now.Sub(time.UnixMicro(s.refusedAt.Load())).Abs() < refusalPeriod
}

// errRefused rolls back a transaction that found an exhausted limit.
var errRefused = errors.New("refused")

func (s *Store) recordRefusal(r store.LimitResult, now time.Time, err error) (store.LimitResult, error) {
	if err != nil {
		return store.LimitResult{}, err
	}
	if r.Refused >= 0 {
		s.refusedAt.Store(now.UnixMicro())
	}
	return r, nil
}

// countHit counts one hit on each limit, or finds the limit that refuses longest.
func countHit(limits []store.Limit, stored map[string]counter, now time.Time) (map[string]counter, store.LimitResult) {
	result := store.LimitResult{Refused: -1}
	taken := maps.Clone(stored)
	counts := make([]int, len(limits))
	for i, l := range limits {
		c := taken[l.Key]
		if c.since.After(now) {
			c.since = now
		}
		if l.Window > 0 && !now.Before(c.since.Add(l.Window)) {
			c = counter{}
		}
		if wait := c.wait(l, now); wait > result.RetryAfter {
			result.Refused, result.RetryAfter = i, wait
		}
		if c.hits == 0 || l.Backoff > 0 {
			c.since = now
		}
		c.hits++
		c.until = never
		if l.Window > 0 {
			c.until = c.since.Add(l.Window)
		}
		taken[l.Key], counts[i] = c, c.hits
	}
	if result.Refused < 0 {
		result.Counts = counts
	}
	return taken, result
}

// wait returns how long the limit refuses the next hit; 0 if it does not.
func (c counter) wait(l store.Limit, now time.Time) time.Duration {
	if c.hits < l.Max {
		return 0
	}
	if l.Backoff > 0 {
		if c.hits == 0 {
			return 0 // Max is 0, and there is no hit yet
		}
		wait := backoff(l, c.hits-l.Max)
		if l.Window > 0 {
			wait = min(wait, l.Window)
		}
		return max(c.since.Add(wait).Sub(now), 0)
	}
	if l.Window > 0 {
		if c.hits == 0 {
			return l.Window
		}
		return c.since.Add(l.Window).Sub(now)
	}
	return time.Hour
}

// backoff returns the wait after so many hits beyond Max.
func backoff(l store.Limit, beyond int) time.Duration {
	longest := l.MaxBackoff
	if longest <= 0 {
		longest = math.MaxInt64 / 2
	}
	wait := l.Backoff
	for range beyond {
		if wait >= longest/2 {
			return longest
		}
		wait *= 2
	}
	return min(wait, longest)
}

func (r runner) counters(ctx context.Context, query string, args ...any) (map[string]counter, error) {
	out := map[string]counter{}
	err := r.query(ctx, func(row scanner) error {
		var (
			key, setting string
			c            counter
		)
		if err := row.Scan(&key, &c.hits, timeColumn{&c.since}, &setting); err != nil {
			return err
		}
		out[key] = c
		return nil
	}, query, args...)
	return out, err
}

// lockCounters reads counters and locks their rows. It inserts missing rows, because
// only a row can be locked.
func (t *tx) lockCounters(ctx context.Context, keys []string, now time.Time) (map[string]counter, error) {
	var args []any
	for _, key := range keys {
		args = append(args, key, now, now)
	}
	return t.counters(ctx, `
		INSERT INTO usher_limits (name, hits, since, expires_at) VALUES `+valueRows("(?, 0, ?, ?)", len(keys))+`
		ON CONFLICT (name) DO UPDATE SET hits = usher_limits.hits
		RETURNING name, hits, since, `+t.dialect.unsynced(), args...)
}

// saveCounters writes all counters in one statement, which is one round trip to
// PostgreSQL.
func (t *tx) saveCounters(ctx context.Context, keys []string, taken map[string]counter) error {
	var args []any
	for _, key := range keys {
		c := taken[key]
		args = append(args, key, c.hits, c.since, c.until)
	}
	return t.execAll(ctx, []statement{{`
		INSERT INTO usher_limits (name, hits, since, expires_at) VALUES ` + valueRows("(?, ?, ?, ?)", len(keys)) + `
		ON CONFLICT (name) DO UPDATE SET hits = excluded.hits, since = excluded.since, expires_at = excluded.expires_at`, args}})
}

// valueRows repeats a row of parameters n times.
func valueRows(one string, n int) string {
	return strings.TrimSuffix(strings.Repeat(one+", ", n), ", ")
}

// ReleaseLimits implements [store.LimitStore].
func (s *Store) ReleaseLimits(ctx context.Context, keys []string) error {
	return s.transactUnsynced(ctx, "release limits", func(t *tx) error { return t.execAll(ctx, lowerLimits(nil, keys)) })
}

// ClearLimits implements [store.LimitStore].
func (s *Store) ClearLimits(ctx context.Context, keys []string) error {
	return s.transactUnsynced(ctx, "clear limits", func(t *tx) error { return t.execAll(ctx, lowerLimits(keys, nil)) })
}

// lowerLimits sets the counters of clear to 0 and lowers those of release by one. It
// locks them in the same order as TakeLimits. A row with 0 hits equals no row. A cleared
// row is marked as expired, and DeleteExpired deletes it.
func lowerLimits(clear, release []string) []statement {
	keys := sorted(slices.Concat(clear, release))
	if len(keys) == 0 {
		return nil
	}
	set, where, args := "hits = hits - 1", "hits > 0", toAny(keys)
	if clear = sorted(clear); len(clear) > 0 {
		in := "name IN (" + placeholders(len(clear)) + ")"
		set = "hits = CASE WHEN " + in + " THEN 0 ELSE hits - 1 END, expires_at = CASE WHEN " + in + " THEN since ELSE expires_at END"
		where = "(hits > 0 OR " + in + ")" // a counter that was released to 0 may never expire
		args = slices.Concat(args, toAny(clear), toAny(clear), toAny(clear))
	}
	return []statement{{`
		WITH mine AS MATERIALIZED (
			SELECT name FROM usher_limits WHERE name IN (` + placeholders(len(keys)) + `) ORDER BY name FOR UPDATE
		)
		UPDATE usher_limits SET ` + set + ` WHERE ` + where + ` AND name IN (SELECT name FROM mine)`, args}}
}

// sorted returns the keys in order, without duplicates.
func sorted(keys []string) []string {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	return slices.Compact(keys)
}

func toAny(keys []string) []any {
	out := make([]any, len(keys))
	for i, key := range keys {
		out[i] = key
	}
	return out
}
