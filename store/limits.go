package store

import (
	"context"
	"time"
)

// Limit is a counter of attempts.
type Limit struct {
	// Key names the counter; at most 64 bytes. It holds no personal data.
	Key string
	// Max is how many hits are allowed within Window.
	Max int
	// Window starts with the first hit, and the count starts again when it is over.
	// With Backoff, it restarts with every hit. 0 never ends.
	Window time.Duration
	// Backoff, if positive, delays the hits beyond Max instead of refusing them until
	// the window ends. The first of them is allowed Backoff after hit Max. For each
	// further one the wait doubles, up to MaxBackoff (0: no maximum).
	Backoff, MaxBackoff time.Duration
}

// LimitStore counts attempts for all instances together.
type LimitStore interface {
	// TakeLimits counts one hit on each limit, or none if any of them refuses. A hit that was
	// counted at a time after now counts as one at now: a clock that ran ahead and was set
	// back makes no wait longer.
	TakeLimits(ctx context.Context, now time.Time, limits []Limit) (LimitResult, error)
	// ReleaseLimits lowers each counter by one, as if one hit had not happened.
	// Unknown keys are ignored.
	ReleaseLimits(ctx context.Context, keys []string) error
	// ClearLimits removes counters. Unknown keys are ignored.
	ClearLimits(ctx context.Context, keys []string) error
}

// LimitResult is the result of [LimitStore.TakeLimits].
type LimitResult struct {
	// Refused is the index of the limit that refused, or -1. If several refused, it is
	// the index of the one with the longest wait.
	Refused int
	// RetryAfter is how long that limit will refuse; an hour if it has no end.
	RetryAfter time.Duration
	// Counts are the hits of each limit, including this one. It is nil after a
	// refusal.
	Counts []int
}
