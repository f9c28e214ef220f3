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

// counter is the state of one limit.
type counter struct {
	hits int
	// since is the first hit of the window, or with Backoff the last one.
	since time.Time
	// until is when the row means nothing any more.
	until time.Time
}

// never is later than all times that a limit may end at.
var never = time.UnixMicro(math.MaxInt64)

// TakeLimits implements [usher.LimitStore].
func (s *Store) TakeLimits(ctx context.Context, now time.Time, limits []store.Limit) (store.LimitResult, error) {
	if len(limits) == 0 {
		return store.LimitResult{Refused: -1}, nil
	}
	now = when(now)
	keys := make([]string, len(limits))
	for i, l := range limits {
		keys[i] = l.Key
	}
	keys = sorted(keys) // two callers of the same keys lock them in one order

	var result store.LimitResult
	if s.pressed(now) {
		err := s.see(ctx, "read limits", func(r runner) error {
			stored, err := r.counters(ctx, `SELECT name, hits, since, '' FROM usher_limits WHERE name IN (`+marks(len(keys))+`)`, anys(keys)...)
			if err != nil {
				return err
			}
			_, result = hit(limits, stored, now)
			return nil
		})
		if err != nil || result.Refused >= 0 {
			return s.refusedUnless(result, now, err)
		}
	}

	err := s.countStep(ctx, "take limits", func(t *tx) error {
		stored, err := t.lockCounters(ctx, keys, now)
		if err != nil {
			return err
		}
		var taken map[string]counter
		taken, result = hit(limits, stored, now)
		if result.Refused >= 0 {
			return errRefused
		}
		return t.saveCounters(ctx, keys, taken)
	})
	if errors.Is(err, errRefused) {
		err = nil
	}
	return s.refusedUnless(result, now, err)
}

// pressure is for how long after a refusal others are to be expected.
const pressure = time.Minute

// pressed reports whether calls have been refused of late. A refusal needs no lock:
// under attack most calls end with a look, and do not stand in the way of those that
// write. At other times the look would be one more.
func (s *Store) pressed(now time.Time) bool {
	return now.Sub(time.UnixMicro(s.refusedAt.Load())).Abs() < pressure
}

// errRefused takes back a step that found a limit exhausted.
var errRefused = errors.New("refused")

func (s *Store) refusedUnless(r store.LimitResult, now time.Time, err error) (store.LimitResult, error) {
	if err != nil {
		return store.LimitResult{Refused: -1}, err
	}
	if r.Refused >= 0 {
		s.refusedAt.Store(now.UnixMicro())
	}
	return r, nil
}

// hit counts one on each limit, or finds the one that refuses longest.
func hit(limits []store.Limit, stored map[string]counter, now time.Time) (map[string]counter, store.LimitResult) {
	result := store.LimitResult{Refused: -1}
	taken := maps.Clone(stored)
	counts := make([]int, len(limits))
	for i, l := range limits {
		c := taken[l.Key]
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

// wait is how long the next hit has to wait; zero if it need not.
func (c counter) wait(l store.Limit, now time.Time) time.Duration {
	if c.hits < l.Max {
		return 0
	}
	if l.Backoff > 0 {
		if c.hits == 0 {
			return 0 // Max is 0, and there is no hit to wait after
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

// backoff is the pause after that many hits beyond Max.
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

// lockCounters reads counters and keeps others from changing them. Rows that
// are missing are made, because what is not there cannot be locked.
func (t *tx) lockCounters(ctx context.Context, keys []string, now time.Time) (map[string]counter, error) {
	var args []any
	for _, key := range keys {
		args = append(args, key, now, now)
	}
	return t.counters(ctx, `
		INSERT INTO usher_limits (name, hits, since, expires_at) VALUES `+rows("(?, 0, ?, ?)", len(keys))+`
		ON CONFLICT (name) DO UPDATE SET hits = usher_limits.hits
		RETURNING name, hits, since, `+t.dialect.unsynced(), args...)
}

// saveCounters writes all counters in one statement: on PostgreSQL each one is a
// journey to the server.
func (t *tx) saveCounters(ctx context.Context, keys []string, taken map[string]counter) error {
	var args []any
	for _, key := range keys {
		c := taken[key]
		args = append(args, key, c.hits, c.since, c.until)
	}
	_, err := t.exec(ctx, `
		INSERT INTO usher_limits (name, hits, since, expires_at) VALUES `+rows("(?, ?, ?, ?)", len(keys))+`
		ON CONFLICT (name) DO UPDATE SET hits = excluded.hits, since = excluded.since, expires_at = excluded.expires_at`, args...)
	return err
}

// rows is n times the same row of parameters.
func rows(one string, n int) string { return strings.TrimSuffix(strings.Repeat(one+", ", n), ", ") }

// ReleaseLimits implements [usher.LimitStore].
func (s *Store) ReleaseLimits(ctx context.Context, keys []string) error {
	return s.countStep(ctx, "give back limits", func(t *tx) error { return t.all(ctx, limitsLowered(nil, keys)) })
}

// ClearLimits implements [usher.LimitStore].
func (s *Store) ClearLimits(ctx context.Context, keys []string) error {
	return s.countStep(ctx, "clear limits", func(t *tx) error { return t.all(ctx, limitsLowered(keys, nil)) })
}

// limitsLowered sets some counters to nothing and takes one hit from others, in the
// order in which everyone locks them. A row that counts nothing is as good as none;
// one that was cleared is over, and is deleted with what has expired.
func limitsLowered(clear, giveBack []string) []statement {
	keys := sorted(slices.Concat(clear, giveBack))
	if len(keys) == 0 {
		return nil
	}
	set, where, args := "hits = hits - 1", "hits > 0", anys(keys)
	if clear = sorted(clear); len(clear) > 0 {
		in := "name IN (" + marks(len(clear)) + ")"
		set = "hits = CASE WHEN " + in + " THEN 0 ELSE hits - 1 END, expires_at = CASE WHEN " + in + " THEN since ELSE expires_at END"
		where = "(hits > 0 OR " + in + ")" // one that was given back to nothing may have no end
		args = slices.Concat(args, anys(clear), anys(clear), anys(clear))
	}
	return []statement{{`
		WITH mine AS MATERIALIZED (
			SELECT name FROM usher_limits WHERE name IN (` + marks(len(keys)) + `) ORDER BY name FOR UPDATE
		)
		UPDATE usher_limits SET ` + set + ` WHERE ` + where + ` AND name IN (SELECT name FROM mine)`, args}}
}

// sorted returns the keys in order, each once.
func sorted(keys []string) []string {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	return slices.Compact(keys)
}

func anys(keys []string) []any {
	out := make([]any, len(keys))
	for i, key := range keys {
		out[i] = key
	}
	return out
}
