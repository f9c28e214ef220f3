// Package store defines the contract between package usher and the database that keeps
// users, sessions and everything else that must outlive the process.
//
// Programs open a store with [github.com/usherkit/usher/store/sqlite] or
// [github.com/usherkit/usher/store/postgres] and pass it to usher.New. This package is
// for authors of another store, of a decorator, or of a tool that works on the tables.
// The comments of [Store] are the contract, and package storetest tests it.
//
// # Transactions
//
// Each method of a [Store] is one transaction. Its input is a struct of its own if it has
// many parts, such as [SessionStart], and it carries [Effects]: the events and emails to
// store with the change.
//
// # Decorators
//
// A store that wraps another one has the method
//
//	Unwrap() Store
//
// so that [Find] finds the optional interfaces of the inner store, [Clock] and [Notifier].
package store

import (
	"context"
	"crypto/rand"
	"time"
)

// Store keeps everything that must outlive the process. Each method is one transaction:
// all of it happens or none of it, even if the process is killed. Its effect is durable
// when it returns nil. Only the effect of a [LimitStore] method may become durable
// later, with the next transaction of another kind.
//
// Some acts can happen only once: a login id is taken, a one-time token is spent, a
// refresh token is exchanged. Of concurrent callers, in any number of instances, exactly
// one succeeds. The others get the error named at the method.
//
// A method that returns [ErrNotFound], [ErrConflict], [ErrLoginIDTaken],
// [ErrAttributesTooLarge] or a [*Rejection] has changed nothing, except for
// [TokenAddition.Refused]. After any other error the outcome is unknown, or the store
// cannot be reached; the Service returns usher.ErrUnavailable.
//
// Methods keep no reference to their arguments and return no reference to stored data.
// Times come from the caller, are stored with a precision of one microsecond, and are
// returned in UTC. All methods may be called concurrently, and return when ctx ends.
type Store interface {
	UserStore
	SessionStore
	OneTimeTokenStore
	InvitationStore
	LimitStore
	KeyStore
	SettingsStore
	OutboxStore
	EventStore

	// DeleteExpired removes expired rows: sessions, one-time tokens, invitations,
	// revocations after Until, limits after their window, and the events that x names. It
	// returns how many rows it removed. If that is less than x.Max, no expired row is left,
	// except those that a concurrent transaction has locked.
	DeleteExpired(ctx context.Context, x Expiry) (int, error)
	// Ping returns an error if the store cannot be reached.
	Ping(ctx context.Context) error
	// Close releases the resources of the store. Later calls fail.
	Close() error
}

// Expiry is the input of [Store.DeleteExpired].
type Expiry struct {
	// Now is the time at which rows have expired.
	Now time.Time
	// EventsBefore removes the events from before that time. Zero removes none.
	EventsBefore time.Time
	// NamedEventsBefore removes the events of a name from before a later time.
	NamedEventsBefore map[EventName]time.Time
	// Max is how many rows of each kind are removed at most.
	Max int
}

// Effects are stored in the same transaction as the change that caused them: both
// exist, or neither.
type Effects struct {
	// Events go to the audit table.
	Events []Event
	// Emails go to the outbox.
	Emails []QueuedEmail
}

// SessionEnd describes sessions that end early. Each of them leaves a [Revocation] and
// an event.
type SessionEnd struct {
	// RevokedUntil becomes [Revocation.Until]. No session token of these sessions is
	// valid after it.
	RevokedUntil time.Time
	// Event is stored once for each session that ends, in the same transaction and as
	// EventFor completes it. Without a Name no event is stored.
	Event Event
}

// EventFor returns the event of one session that ends: Event with a new random ID and
// with the session and its own user, who need not be the user that the caller acts for.
func (e SessionEnd) EventFor(userID, sessionID string) Event {
	event := e.Event
	event.ID, event.UserID, event.SessionID = rand.Text(), userID, sessionID
	return event
}

// ReplacedSession is a session of any user that ends when a client gets another one.
type ReplacedSession struct {
	// ID is the id of the session. Empty, or the id of one that has ended, ends none.
	ID string
	// End says how it ends.
	End SessionEnd
}

// Clock is an interface that a [Store] with a clock of its own may implement. Instances
// compare that clock with their own, to detect a wrong one.
type Clock interface {
	// Time returns the store's time.
	Time(ctx context.Context) (time.Time, error)
}

// Notifier is an interface that a [Store] may implement to report new revocations at once.
// A notification only wakes the reader, which also polls every second.
type Notifier interface {
	// NotifyRevocations calls wake once at the beginning, and after each transaction
	// that wrote revocations. It returns when ctx ends or when the connection is lost.
	// The caller calls it again after a pause.
	NotifyRevocations(ctx context.Context, wake func()) error
}

// Find returns the first store that implements T, such as [Clock], in the chain of s and
// the stores that it unwraps. It returns false if there is none.
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
