// Package store is the contract between the rules of package usher and the
// database that keeps users, sessions and everything else that must outlive the
// process.
//
// Programs open a store that exists, [github.com/usherkit/usher/store/sqlite] or
// [github.com/usherkit/usher/store/postgres], and hand it to usher.New. This
// package is for authors of another store, of a decorator, or of a tool that works
// on the tables: the comments of [Store] are the contract, and package storetest
// proves it.
//
// # Decorators
//
// A store that wraps another one has the method
//
//	Unwrap() Store
//
// so that the optional abilities of the inner store, [Clock] and [Notifier], are
// still found: see [Find].
package store

import (
	"context"
	"time"
)

// Store keeps everything that must outlive the process. Each method is one
// transaction: it happens whole or not at all, also when the process dies in the
// middle, and when it returned nil its effect is durable. The effect of a
// LimitStore method may become durable together with the next other transaction.
//
// Some acts may happen only once: a login id is taken, a one-time token is used, a
// refresh token is exchanged. They have exactly one winner among any number of
// callers in any number of instances. The other callers get the error named at the
// method.
//
// Every other error means that the outcome is unknown or that the store cannot be
// reached; the Service reports it as usher.ErrUnavailable. Methods keep no
// reference to their arguments and return no reference to what they keep. Times
// come from the caller, are kept with a precision of one microsecond, and are
// returned in UTC. All methods may be called concurrently, and return when ctx ends.
//
// Package storetest has a suite that any Store must pass.
type Store interface {
	UserStore
	SessionStore
	OneTimeTokenStore
	LimitStore
	KeyStore
	OutboxStore
	EventStore

	// DeleteExpired removes at most max rows of each kind that no longer mean
	// anything at now: sessions past their end, one-time tokens past theirs,
	// revocations past Until, limits past their window, and events from before
	// eventsBefore (zero keeps all events). It reports how many rows left.
	DeleteExpired(ctx context.Context, now, eventsBefore time.Time, max int) (int, error)
	// Ping reports whether the store answers.
	Ping(ctx context.Context) error
	// Close frees what the store holds. Later calls fail.
	Close() error
}

// Effects exist if, and only if, the step that carries them happened.
type Effects struct {
	// Events go to the audit table.
	Events []Event
	// Mail goes to the outbox.
	Emails []QueuedEmail
}

// SessionEnd describes sessions that end early. Each leaves a [Revocation].
type SessionEnd struct {
	// Except is a session that lives on. Defaults to none.
	Except string
	// RevokedUntil is when the last session token of these sessions is out.
	RevokedUntil time.Time
}

// Clock is an optional ability of a [Store]: it has a clock of its own, with which
// instances that share the store detect that their own clock is wrong.
type Clock interface {
	// Time returns the store's time.
	Time(ctx context.Context) (time.Time, error)
}

// Notifier is an optional ability of a [Store]: it reports at once that some
// instance has written revocations. The notification only wakes the reader, which
// also polls every second.
type Notifier interface {
	// NotifyRevocations calls wake after each transaction that wrote revocations,
	// and once at the beginning. It returns when ctx ends or when the connection is
	// lost, and is called again after a pause.
	NotifyRevocations(ctx context.Context, wake func()) error
}

// Find returns the first store with the ability T, a [Clock] for one, in the chain
// that begins with s and goes on with Unwrap. It returns false if there is none.
func Find[T any](s Store) (T, bool) {
	for s != nil {
		if t, ok := s.(T); ok {
			return t, true
		}
		w, ok := s.(interface{ Unwrap() Store })
		if !ok {
			break
		}
		s = w.Unwrap()
	}
	var none T
	return none, false
}
