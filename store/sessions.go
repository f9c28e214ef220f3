package store

import (
	"context"
	"time"
)

// SessionStore keeps sessions and revocations.
type SessionStore interface {
	// StartSession starts a session for a user who was authenticated. It returns the
	// events of the sessions it ended: EndSession, and the oldest above Max.
	// ErrNotFound if Spend is void, of another purpose or of another user. Otherwise
	// ErrConflict if the version of the password is not IfPasswordVersion, or if the
	// user is disabled or deleted.
	StartSession(ctx context.Context, s SessionStart) ([]Event, error)
	// Session returns a session that has not ended, ErrNotFound if there is none. It
	// returns expired sessions too, until DeleteExpired removes them.
	Session(ctx context.Context, id string) (SessionRecord, error)
	// UserSessions returns the user's full sessions that have not expired at now,
	// newest first.
	UserSessions(ctx context.Context, userID string, now time.Time) ([]Session, error)
	// SwapRefresh exchanges a refresh token, as [RefreshSwap.Apply] decides. ErrNotFound
	// if the session has ended or expired, or its user is disabled.
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
	// Spend is the one-time token of the user that starts the session. Nil spends none.
	Spend *TokenSpend
	// IfPasswordVersion is the version of the password that the caller has read, and
	// verified if the user signs in with it.
	IfPasswordVersion int64
	// RehashTo replaces the stored hash if it is still RehashFrom. Both are hashes of
	// the same password. Empty changes nothing.
	RehashFrom, RehashTo string
	// Language becomes the user's, unless it is empty.
	Language string
	// EndSession is the id of a session, of any user, that ends. Empty ends none.
	EndSession string
	// Max is how many full sessions the user may have, including this one. Sessions that
	// have expired at Session.LastSeenAt do not count.
	Max int
	// End describes how EndSession and the sessions above Max end.
	End SessionEnd
	// ClearLimits are keys of limits to remove, ReleaseLimits of limits to lower by one.
	ClearLimits, ReleaseLimits []string
	Effects
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
	// SessionImpersonated is the session of an operator who acts as the user. It does not
	// count in Max, and UserSessions does not return it.
	SessionImpersonated SessionKind = "impersonated"
)

// Session is one signed-in device.
type Session struct {
	// ID is the claim sid of the session's tokens. It is not a secret.
	ID string
	// UserID is the user of the session.
	UserID string
	// Kind is SessionFull, SessionReset or SessionImpersonated.
	Kind SessionKind
	// CreatedAt is when the user was authenticated. The absolute lifetime and the age of
	// the sign-in count from here. A refresh does not change it.
	CreatedAt time.Time
	// LastSeenAt is the time of the last refresh, or of the start of the session.
	LastSeenAt time.Time
	// IdleExpiresAt is when the session expires without a refresh. Every refresh
	// moves it, at most to ExpiresAt.
	IdleExpiresAt time.Time
	// ExpiresAt is when the session expires in any case.
	ExpiresAt time.Time
	// EndsWithBrowser is true if its cookies end when the browser is closed.
	EndsWithBrowser bool
	// AMR are the authentication methods of the sign-in (RFC 8176), such as "pwd" and
	// "email", or those of usher.Proof.
	AMR []string
	// UserAgent and Address describe the device at its last refresh. Address is empty
	// if it was not known.
	UserAgent, Address string
	// Tenant is the tenant that the user has selected in the session. Empty is none. It
	// counts only while the user is in the tenant ([User.InTenant]).
	Tenant string
}

// SessionRecord is a session as the store keeps it: what programs may see, and the
// state of its refresh tokens, which stays between the Service and the store.
type SessionRecord struct {
	Session
	Refresh RefreshState
}
