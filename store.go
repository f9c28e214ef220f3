package usher

import (
	"context"
	"time"

	"github.com/usherkit/usher/token"
)

// Store keeps everything that must outlive the process. Each method is one
// atomic step of the domain: it happens whole or not at all, also when the
// process dies in the middle, and when it returned nil its effect is durable.
// Those of LimitStore alone may become so with the next one that does.
// Acts that may happen once (a login id taken, a one-time token spent, a
// refresh token swapped) have exactly one winner among any number of callers
// on any number of machines; the others get the error named at the method.
//
// An error that is none of the named ones means that the outcome is unknown or
// the store is out of reach; the Service reports it as [ErrUnavailable].
// Methods never keep what they are given nor hand out what they keep. Times
// come from the caller, are kept to the microsecond and returned in UTC. All
// methods may be called at once from many goroutines, and end with ctx.
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
	Mail []QueuedMail
}

// SessionEnd describes sessions that end early. Each leaves a [Revocation].
type SessionEnd struct {
	// Except is a session that lives on. Defaults to none.
	Except string
	// RevokedUntil is when the last session token of these sessions is out.
	RevokedUntil time.Time
}

// UserStore keeps users and their passwords.
type UserStore interface {
	// CreateUser stores a new user with all that belongs to it.
	// ErrLoginIDTaken if any of the canonical login ids is taken: then nothing
	// changed.
	CreateUser(ctx context.Context, c UserCreation) error
	// Account returns the user with that id. ErrNotFound if there is none.
	Account(ctx context.Context, userID string) (Account, error)
	// AccountByLoginID returns the user with that canonical login id.
	// ErrNotFound if there is none.
	AccountByLoginID(ctx context.Context, canonical string) (Account, error)
	// UpdateUser changes the named fields. ErrNotFound if there is no such
	// user. It returns the user as it is now, and the sessions it ended.
	UpdateUser(ctx context.Context, u UserUpdate) (User, []string, error)
	// DeleteUser removes the user and everything that names it, but events,
	// revocations and queued mail. ErrNotFound if there is no such user. It
	// returns the ids of the sessions it ended.
	DeleteUser(ctx context.Context, d UserDeletion) ([]string, error)
	// ChangePassword sets a password. ErrConflict if IfVersion is no longer
	// the version, or the user is disabled while RequireEnabled is set;
	// ErrNotFound if there is no such user, or Renew names a session that has
	// ended. It returns the ids of the sessions it ended.
	ChangePassword(ctx context.Context, c PasswordChange) ([]string, error)
}

// UserCreation is the step of a sign-up or an import.
type UserCreation struct {
	User User
	// Canonical are the compared forms of User.LoginIDs, in the same order.
	Canonical []string
	Password  Password
	// Session starts at once. Nil starts none.
	Session *Session
	// Token is the one-time token of the mail in Effects. Nil is none.
	Token *OneTimeToken
	Effects
}

// UserUpdate is a change of fields; nil leaves a field as it is.
type UserUpdate struct {
	UserID      string
	Profile     Profile
	Roles       *[]string
	Permissions *[]string
	Tenants     *map[string]token.Tenant
	Attributes  *map[string]any
	Status      *Status
	// Email sets the address and whether it is verified, in one.
	Email *EmailAddress
	// At becomes UpdatedAt.
	At time.Time
	// End ends the user's sessions. Nil ends none.
	End *SessionEnd
	// DropTokens removes the user's one-time tokens, and the sessions of kind
	// reset that came of them.
	DropTokens bool
	Effects
}

// EmailAddress is an address and whether its mailbox was proven.
type EmailAddress struct {
	Address  string
	Verified bool
}

// UserDeletion is the step of a deletion.
type UserDeletion struct {
	UserID string
	End    SessionEnd
	// ClearLimits are removed.
	ClearLimits []string
	Effects
}

// PasswordChange is the step of setting a password, whoever asks for it.
type PasswordChange struct {
	UserID string
	// IfVersion is the version that the caller has seen.
	IfVersion int64
	// RequireEnabled refuses a user who is disabled.
	RequireEnabled bool
	// Hash and State are the new password; its version is IfVersion+1. An
	// empty Hash keeps the stored one, when it was set, and the earlier ones,
	// and changes only the state; the version grows all the same, so that a
	// sign-in under way comes too late.
	Hash  string
	State PasswordState
	// At becomes ChangedAt.
	At time.Time
	// KeepEarlier is how many earlier hashes to keep, the present one first.
	KeepEarlier int
	// End ends the user's sessions. Nil ends none.
	End *SessionEnd
	// DropTokens removes the user's one-time tokens, and the sessions of kind
	// reset that came of them.
	DropTokens bool
	// VerifyEmail marks the stored address as proven.
	VerifyEmail bool
	// Language becomes the user's, unless it is empty.
	Language string
	// Renew gives a session that lives on a new refresh token; the one before
	// it is void at once. Nil renews none.
	Renew *RefreshRenewal
	// Session starts in the same step. Nil starts none.
	Session *Session
	// ClearLimits are removed.
	ClearLimits []string
	Effects
}

// RefreshRenewal replaces the refresh token of a session without grace.
type RefreshRenewal struct {
	SessionID   string
	RefreshHash []byte
	At          time.Time
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
	Session(ctx context.Context, id string) (Session, error)
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
	Session Session
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
	// ClearLimits are removed; GiveBack are lowered by one.
	ClearLimits, GiveBack []string
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
	// Now becomes LastSeenAt and RotatedAt; Idle from now, but never beyond
	// ExpiresAt, becomes IdleExpiresAt.
	Now  time.Time
	Idle time.Duration
	// Grace is how long after RotatedAt the previous token still serves.
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
	Session Session
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

// Purpose says what a one-time token is good for.
type Purpose string

// The purposes of one-time tokens.
const (
	// PurposeReset sets a new password for a verified address.
	PurposeReset Purpose = "reset"
	// PurposeClaim does so for an address that was not verified before.
	PurposeClaim Purpose = "claim"
	// PurposeVerifyEmail proves the stored address.
	PurposeVerifyEmail Purpose = "verify_email"
	// PurposeChangeEmail proves a new address, which takes the old one's place.
	PurposeChangeEmail Purpose = "change_email"
)

// OneTimeToken is the stored half of a mailed link.
type OneTimeToken struct {
	// Hash is SHA-256 of the token.
	Hash    []byte
	UserID  string
	Purpose Purpose
	// Email is the user's address when the token was made: if the user's
	// address is another by now, the token is void.
	Email string
	// NewEmail is the address to prove, for PurposeChangeEmail.
	NewEmail string
	// PasswordVersion is the password's version when the token was made: if it
	// has moved, the token is void.
	PasswordVersion      int64
	CreatedAt, ExpiresAt time.Time
}

// TokenAddition is the step of a mailed link.
type TokenAddition struct {
	Token OneTimeToken
	// MaxOpen is how many valid tokens of that purpose a user may have, this one
	// included.
	MaxOpen int
	// DropOldest makes room: the oldest above MaxOpen go. Without it the new
	// token is refused.
	DropOldest bool
	Effects
}

// OneTimeTokenStore keeps one-time tokens. A token is void for every method
// when it is past ExpiresAt, its user is not enabled, or the user's address or
// password version is not the token's any more; ErrNotFound then, as if it had
// never existed.
type OneTimeTokenStore interface {
	// AddOneTimeToken stores a token. The user's others of that purpose with
	// another NewEmail go: only one change of address is under way. ErrConflict
	// if there is no room, or the token is void from the start; then nothing
	// changed.
	AddOneTimeToken(ctx context.Context, a TokenAddition) error
	// OneTimeToken returns a token that is valid at now, without spending it.
	OneTimeToken(ctx context.Context, hash []byte, now time.Time) (OneTimeToken, error)
	// UserTokens returns the user's tokens of that purpose that are valid at
	// now, newest first.
	UserTokens(ctx context.Context, userID string, p Purpose, now time.Time) ([]OneTimeToken, error)
	// DropTokens removes the user's tokens of that purpose. ErrNotFound if none
	// of them was valid at now.
	DropTokens(ctx context.Context, userID string, p Purpose, now time.Time, fx Effects) error
	// ResetPassword spends a token of one of the given purposes and changes
	// the password of its user, in one. ErrNotFound if the token is void or of
	// another purpose; otherwise as ChangePassword.
	ResetPassword(ctx context.Context, s TokenSpend, c PasswordChange) ([]string, error)
	// StartResetSession spends such a token and starts a session of kind
	// reset, in one. For a PurposeClaim token the address becomes verified,
	// the user's password (its version grows) and language are dropped, all
	// sessions end and all tokens go; the ids of the ended sessions are returned.
	StartResetSession(ctx context.Context, s TokenSpend, session Session, end SessionEnd, fx Effects) ([]string, error)
	// VerifyEmail spends a PurposeVerifyEmail token and marks the address as
	// verified, in one. It returns the user as it is now.
	VerifyEmail(ctx context.Context, s TokenSpend, fx Effects) (User, error)
	// ChangeEmail spends a PurposeChangeEmail token, in one with putting
	// NewEmail, verified, in the place of the address. A login id whose
	// canonical form is oldCanonical becomes NewEmail (canonical form
	// newCanonical); ErrLoginIDTaken if another user has it: then nothing
	// changed. All of the user's one-time tokens go, and the sessions of kind
	// reset that came of them.
	ChangeEmail(ctx context.Context, s TokenSpend, oldCanonical, newCanonical string, fx Effects) (User, error)
}

// TokenSpend names the one-time token that a step spends.
type TokenSpend struct {
	Hash     []byte
	Purposes []Purpose
	Now      time.Time
}

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
	// GiveBackLimits lowers each counter by one, as if a hit had not happened.
	// Unknown keys are no error.
	GiveBackLimits(ctx context.Context, keys []string) error
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

// StoredKeys are the signing keys, their private halves sealed.
type StoredKeys struct {
	// Version grows by one with every change.
	Version int64
	Keys    []StoredKey
}

// StoredKey is one signing key.
type StoredKey struct {
	ID, Algorithm string
	// Private is sealed; the store cannot read it.
	Private                                   []byte
	CreatedAt, ActiveAt, RetiredAt, RemovedAt time.Time
}

// KeyStore keeps the signing keys.
type KeyStore interface {
	// SigningKeys returns all keys; none, with Version 0, at first.
	SigningKeys(ctx context.Context) (StoredKeys, error)
	// SaveSigningKeys replaces all keys. ErrConflict unless k.Version is one
	// above the stored version.
	SaveSigningKeys(ctx context.Context, k StoredKeys, fx Effects) error
}

// QueuedMail is a message in the outbox.
type QueuedMail struct {
	// ID is random, and the same for every try.
	ID string
	// Sealed is the message; the store cannot read it.
	Sealed []byte
	// CreatedAt is when it was queued; NotBefore when the next try is due.
	CreatedAt, NotBefore time.Time
	// Tries is how many tries have begun.
	Tries int
}

// OutboxStore keeps mail until it is delivered.
type OutboxStore interface {
	// ClaimMail hands out at most n messages that are due at now, counts a try
	// for each, and hides them from others until now+lease. It chooses those
	// that have been due the longest, so that tries in vain keep no new message
	// waiting, and returns them in the order in which they were queued.
	ClaimMail(ctx context.Context, now time.Time, lease time.Duration, n int) ([]QueuedMail, error)
	// FinishMail removes a message, delivered or given up. A missing one is
	// not an error.
	FinishMail(ctx context.Context, id string, fx Effects) error
	// RetryMail makes a message due again at notBefore. A missing one is not
	// an error.
	RetryMail(ctx context.Context, id string, notBefore time.Time) error
	// MailCount returns how many messages wait.
	MailCount(ctx context.Context) (int, error)
}

// EventStore keeps the audit trail.
type EventStore interface {
	// Record stores effects that belong to no other step, in one.
	Record(ctx context.Context, fx Effects) error
	// Events reads the audit trail back, newest first.
	Events(ctx context.Context, q EventQuery) ([]Event, error)
}
