package store

import (
	"context"
	"time"
)

// RefreshRenewal replaces the refresh tokens of a session. The earlier ones become
// void at once.
type RefreshRenewal struct {
	SessionID string
	Refresh   RefreshState
}

// SessionStore keeps sessions and revocations.
type SessionStore interface {
	// StartSession starts a session for a user whose password was verified. It returns
	// the events of the sessions it ended: EndSession, and the oldest above Max.
	// ErrConflict if the version of the password is not IfPasswordVersion, or if the
	// user is disabled or deleted.
	StartSession(ctx context.Context, s SessionStart) ([]Event, error)
	// Session returns a session that has not ended, ErrNotFound if there is none. It
	// returns expired sessions too, until DeleteExpired removes them.
	Session(ctx context.Context, id string) (SessionRecord, error)
	// UserSessions returns the user's full sessions that have not expired at now,
	// newest first.
	UserSessions(ctx context.Context, userID string, now time.Time) ([]Session, error)
	// SwapRefresh exchanges a refresh token; see [RefreshOutcome]. ErrNotFound if the
	// session has ended or expired, or its user is disabled.
	SwapRefresh(ctx context.Context, s RefreshSwap) (RefreshResult, error)
	// EndSession ends one session of the user. ErrNotFound if the user has no such
	// session. The event of the session is among fx, and end.Event is ignored.
	EndSession(ctx context.Context, userID, sessionID string, end SessionEnd, fx Effects) error
	// EndUserSessions ends the user's sessions and returns their events. It is not an
	// error if there are none.
	EndUserSessions(ctx context.Context, userID string, end SessionEnd, fx Effects) ([]Event, error)
	// Revocations returns the revocations with an ID above after, ordered by ID.
	// Transactions may become visible out of order, so callers read recent IDs again.
	Revocations(ctx context.Context, after int64) ([]Revocation, error)
}

// SessionStart is the input of [SessionStore.StartSession].
type SessionStart struct {
	Session SessionRecord
	// IfPasswordVersion is the version of the password that was verified.
	IfPasswordVersion int64
	// RehashTo replaces the stored hash if it is still RehashFrom. Both are hashes of
	// the same password. Empty changes nothing.
	RehashFrom, RehashTo string
	// Language becomes the user's, unless it is empty.
	Language string
	// EndSession is the id of a session, of any user, that ends. Empty ends none.
	EndSession string
	// Max is how many full sessions the user may have, including this one.
	Max int
	// End says how EndSession and the sessions above Max end. Its Except is ignored.
	End SessionEnd
	// ClearLimits are keys of limits to remove, ReleaseLimits of limits to lower by one.
	ClearLimits, ReleaseLimits []string
	Effects
}

// RefreshOutcome is the outcome of an exchange of a refresh token.
type RefreshOutcome int

// The outcomes of [SessionStore.SwapRefresh].
const (
	// RefreshSwapped: the token was the current one, and Next replaced it.
	RefreshSwapped RefreshOutcome = iota + 1
	// RefreshReplayed: the token was the previous one, within the grace time. The
	// session is unchanged.
	RefreshReplayed
	// RefreshReused: the token was an older one. The session has ended.
	RefreshReused
)

// RefreshSwap is the input of [SessionStore.SwapRefresh].
type RefreshSwap struct {
	SessionID string
	// Presented is the hash of the presented refresh token, Next of its successor. If
	// they are equal (rotation is switched off), only the times of the session change.
	Presented, Next []byte
	// Now becomes LastSeenAt and Refresh.RotatedAt. Now plus Idle, but at most
	// ExpiresAt, becomes IdleExpiresAt.
	Now  time.Time
	Idle time.Duration
	// Grace is how long after Refresh.RotatedAt the previous token is accepted.
	Grace time.Duration
	// UserAgent and Address replace those of the session, unless they are empty.
	UserAgent, Address string
	// RevokedUntil is for the revocation of a session that ends by reuse.
	RevokedUntil time.Time
	// Swapped and Reused are the effects of these outcomes. Reused has the event of the
	// session that ends. A replay has none.
	Swapped, Reused Effects
}

// RefreshResult is the result of [SessionStore.SwapRefresh].
type RefreshResult struct {
	Outcome RefreshOutcome
	// Session and User are those after the exchange. After a reuse, Session is the
	// one before it ended.
	Session SessionRecord
	User    User
}

// Revocation records that a session ended before its tokens expired.
type Revocation struct {
	// ID grows with every revocation.
	ID        int64
	SessionID string
	// Until is the time after which no session token of the session is valid and the
	// revocation is not needed.
	Until time.Time
}

// SessionKind is what a session may be used for.
type SessionKind string

// The kinds of session.
const (
	// SessionFull is a signed-in device.
	SessionFull SessionKind = "full"
	// SessionReset comes from an emailed link and can only set one new password.
	SessionReset SessionKind = "reset"
)

// Session is one signed-in device.
type Session struct {
	// ID is the claim sid of the session's tokens. It is no secret.
	ID string
	// UserID is the user of the session.
	UserID string
	// Kind is SessionFull or SessionReset.
	Kind SessionKind
	// CreatedAt is when the user signed in. The absolute lifetime and the age of the
	// sign-in count from here. A refresh does not change it.
	CreatedAt time.Time
	// LastSeenAt is the time of the last refresh, or of the sign-in.
	LastSeenAt time.Time
	// IdleExpiresAt is when the session expires without a refresh. Every refresh
	// moves it, at most to ExpiresAt.
	IdleExpiresAt time.Time
	// ExpiresAt is when the session expires in any case.
	ExpiresAt time.Time
	// AMR are the authentication methods of the sign-in (RFC 8176): "pwd", "email".
	AMR []string
	// UserAgent and Address describe the device at its last refresh. Address is empty
	// if it was not known.
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
