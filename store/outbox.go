package store

import (
	"context"
	"time"
)

// QueuedEmail is a message in the outbox.
type QueuedEmail struct {
	// ID is random, and the same for every try.
	ID string
	// Sealed is the message; the store cannot read it.
	Sealed []byte
	// CreatedAt is when it was queued; NotBefore when the next try is due.
	CreatedAt, NotBefore time.Time
	// Tries is how many tries have begun.
	Attempts int
}

// OutboxStore keeps mail until it is delivered.
type OutboxStore interface {
	// ClaimEmails hands out at most n messages that are due at now, counts a try
	// for each, and hides them from others until now+lease. It chooses those
	// that have been due the longest, so that tries in vain keep no new message
	// waiting, and returns them in the order in which they were queued.
	ClaimEmails(ctx context.Context, now time.Time, lease time.Duration, n int) ([]QueuedEmail, error)
	// FinishEmail removes a message, delivered or given up. A missing one is
	// not an error.
	FinishEmail(ctx context.Context, id string, fx Effects) error
	// RetryEmail makes a message due again at notBefore. A missing one is not
	// an error.
	RetryEmail(ctx context.Context, id string, notBefore time.Time) error
	// EmailCount returns how many messages wait.
	EmailCount(ctx context.Context) (int, error)
}
