package store

import (
	"context"
	"time"
)

// Limit is one counter of tries.
type Limit struct {
	// Key names the counter; at most 64 bytes. It holds no personal data.
	Key string
	// Max is how many hits are free within Window.
	Max int
	// Window starts with the first hit; when it is over, the count starts
	// again. Zero never ends. With Backoff the window starts anew with every
	// hit.
	Window time.Duration
	// Backoff, if positive, makes the hits beyond Max wait instead of
	// refusing them until the window ends: after hit Max the next must come
	// Backoff later, and each further one twice as long as the one before, at
	// most MaxBackoff.
	Backoff, MaxBackoff time.Duration
}

// LimitStore counts tries, for all machines together.
type LimitStore interface {
	// TakeLimits counts one hit on each limit, or none if any of them refuses.
	// refused is the index of the refusing limit, the one with the longest
	// wait, or -1; retryAfter is how long until it would not refuse (for a
	// limit without an end, an hour). counts are the hits of each limit after
	// the step.
	TakeLimits(ctx context.Context, now time.Time, limits []Limit) (r LimitResult, err error)
	// ReleaseLimits lowers each counter by one, as if a hit had not happened.
	// Unknown keys are no error.
	ReleaseLimits(ctx context.Context, keys []string) error
	// ClearLimits removes counters. Unknown keys are no error.
	ClearLimits(ctx context.Context, keys []string) error
}

// LimitResult is what became of a hit.
type LimitResult struct {
	// Refused is the index of the limit that refused, or -1.
	Refused int
	// RetryAfter is how long the refusing limit will refuse.
	RetryAfter time.Duration
	// Counts are the hits of each limit, this one included; nil if refused.
	Counts []int
}
