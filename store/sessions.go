package store

import (
	"context"
	"time"
)

// RefreshRenewal replaces the refresh tokens of a session: those issued before are
// void at once.
type RefreshRenewal struct {
	SessionID string
	Refresh   RefreshState
}

// SessionStore keeps sessions and revocations.
type SessionStore interface {
	// StartSession starts a session for a user whose password was checked.
	// ErrConflict if the password's version is no longer IfPasswordVersion or
	// the user is not enabled (also if it is gone). It returns the ids of the
	// sessions it ended: EndSession, and the oldest above Max.
	StartSession(ctx context.Context, s SessionStart) ([]string, error)
	// Session returns a session that has not ended. ErrNotFound if there is
	// none. A session past its times is still returned until DeleteExpired.
	Session(ctx context.Context, id string) (SessionRecord, error)
	// UserSessions returns the user's full sessions that are alive at now,
	// newest first.
	UserSessions(ctx context.Context, userID string, now time.Time) ([]Session, error)
	// SwapRefresh exchanges a refresh token; see RefreshOutcome. ErrNotFound
	// if the session has ended, is past its times, or its user is not enabled.
	SwapRefresh(ctx context.Context, s RefreshSwap) (RefreshResult, error)
	// EndSession ends one session of that user. ErrNotFound if the user has no
	// such session.
	EndSession(ctx context.Context, userID, sessionID string, end SessionEnd, fx Effects) error
	// EndUserSessions ends the user's sessions and returns their ids. None to
	// end is not an error.
	EndUserSessions(ctx context.Context, userID string, end SessionEnd, fx Effects) ([]string, error)
	// Revocations returns the revocations with an ID above after, by ID.
	// Because steps may become visible out of order, callers ask again for a
	// range they have read.
	Revocations(ctx context.Context, after int64) ([]Revocation, error)
}

// SessionStart is the step of a sign-in.
type SessionStart struct {
	Session SessionRecord
	// IfPasswordVersion is the version whose password was checked.
	IfPasswordVersion int64
	// RehashFrom and RehashTo replace the stored hash by another of the same
	// password, if it is still the first. Empty changes nothing.
	RehashFrom, RehashTo string
	// Language becomes the user's, unless it is empty.
	Language string
	// EndSession is a session, of whomever, that ends. Empty ends none.
	EndSession string
	// Max is how many full sessions the user may have, this one included.
	Max int
	// RevokedUntil is for the revocations of what it ended.
	RevokedUntil time.Time
	// ClearLimits are removed; ReleaseLimits are lowered by one.
	ClearLimits, ReleaseLimits []string
	Effects
}

// RefreshOutcome is what became of a refresh token.
type RefreshOutcome int

// The outcomes of [SessionStore.SwapRefresh].
const (
	// RefreshSwapped: it was the one in use and Next has taken its place.
	RefreshSwapped RefreshOutcome = iota + 1
	// RefreshReplayed: it was the one before, within the grace time; the
	// session is unchanged.
	RefreshReplayed
	// RefreshReused: it was older; the session has ended.
	RefreshReused
)

// RefreshSwap is the step of a refresh.
type RefreshSwap struct {
	SessionID string
	// Presented is the hash of the refresh token shown, Next of its successor.
	// Equal ones (rotation switched off) swap nothing but move the times.
	Presented, Next []byte
	// Now becomes LastSeenAt and Refresh.RotatedAt; Idle from now, but never beyond
	// ExpiresAt, becomes IdleExpiresAt.
	Now  time.Time
	Idle time.Duration
	// Grace is how long after Refresh.RotatedAt the previous token still serves.
	Grace time.Duration
	// UserAgent and Address replace the session's unless empty.
	UserAgent, Address string
	// RevokedUntil is for the revocation of a session ended by reuse.
	RevokedUntil time.Time
	// Swapped and Reused are the effects of these outcomes; a replay has none.
	Swapped, Reused Effects
}

// RefreshResult is what a refresh found, read in the same step.
type RefreshResult struct {
	Outcome RefreshOutcome
	// Session and User are as they are after the step; after a reuse, Session
	// is as it was before it ended.
	Session SessionRecord
	User    User
}

// Revocation is the fact that a session has ended early.
type Revocation struct {
	// ID grows in the order in which revocations were written.
	ID        int64
	SessionID string
	// Until is when the last token of the session is out: later the
	// revocation means nothing.
	Until time.Time
}

// SessionKind says what a session is good for.
type SessionKind string

// The kinds of session.
const (
	// SessionFull is a signed-in device.
	SessionFull SessionKind = "full"
	// SessionReset comes from a mailed link and is good for setting one new
	// password, nothing else.
	SessionReset SessionKind = "reset"
)

// Session is one signed-in device.
type Session struct {
	// ID names the session: the claim sid of its tokens. It opens nothing.
	ID string
	// UserID is whose session it is.
	UserID string
	// Kind is full, or reset.
	Kind SessionKind
	// CreatedAt is when the password was checked. The absolute life and the
	// age of the sign-in count from here; refreshing never moves it.
	CreatedAt time.Time
	// LastSeenAt is the last refresh (or the sign-in).
	LastSeenAt time.Time
	// IdleExpiresAt ends a session that nobody refreshes; it moves with every
	// refresh, never beyond ExpiresAt.
	IdleExpiresAt time.Time
	// ExpiresAt is the absolute end.
	ExpiresAt time.Time
	// AMR are the methods of the sign-in (RFC 8176): "pwd", "email".
	AMR []string
	// UserAgent and Address describe the device at its last refresh. Address
	// is empty when it was not known.
	UserAgent, Address string
}

// SessionRecord is a session as the store keeps it: what programs may see, and the
// state of its refresh tokens, which stays between the Service and the store.
type SessionRecord struct {
	Session
	Refresh RefreshState
}

// RefreshState identifies the refresh tokens of a session by their hashes.
type RefreshState struct {
	// Current is SHA-256 of the jti of the refresh token in use.
	Current []byte
	// Previous is the hash of the token before it, which may be presented again
	// within the grace time. It is empty if there is none.
	Previous []byte
	// RotatedAt is when Current took its place.
	RotatedAt time.Time
}
