package store

import (
	"context"
	"time"
)

// QueuedEmail is an email in the outbox.
type QueuedEmail struct {
	// ID is random, and the same for every attempt to deliver the email.
	ID string
	// Sealed is the message, sealed by the Service: the store cannot read it.
	Sealed []byte
	// CreatedAt is when the email was queued, NotBefore when the next attempt is due.
	CreatedAt, NotBefore time.Time
	// Attempts is how many attempts have begun.
	Attempts int
}

// OutboxStore keeps emails until they are delivered.
type OutboxStore interface {
	// ClaimEmails returns at most n emails that are due at now, counts an attempt for
	// each, and hides them from other callers until now+lease. It claims those that
	// have been due longest, so that failing emails do not delay new ones, and returns
	// them in the order in which they were queued.
	ClaimEmails(ctx context.Context, now time.Time, lease time.Duration, n int) ([]QueuedEmail, error)
	// FinishEmail removes an email that was delivered or given up. If it does not
	// exist, FinishEmail does nothing and stores no effects.
	FinishEmail(ctx context.Context, id string, fx Effects) error
	// RetryEmail makes an email due again at notBefore. It does nothing if the email
	// does not exist.
	RetryEmail(ctx context.Context, id string, notBefore time.Time) error
	// ReleaseEmail makes a claimed email due again at notBefore, and does not count
	// the attempt that ClaimEmails counted. It does nothing if the email does not
	// exist.
	ReleaseEmail(ctx context.Context, id string, notBefore time.Time) error
	// EmailCount returns how many emails are queued.
	EmailCount(ctx context.Context) (int, error)
}
