package store

import (
	"context"
	"time"
)

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
	StartResetSession(ctx context.Context, s TokenSpend, session SessionRecord, end SessionEnd, fx Effects) ([]string, error)
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
