package store

import (
	"context"
	"time"
)

// Purpose is what a one-time token may be used for.
type Purpose string

// The purposes of one-time tokens.
const (
	// PurposeReset sets a new password. The address was verified when the token was
	// made.
	PurposeReset Purpose = "reset"
	// PurposeConfirmAndReset sets a new password and verifies the address, which was
	// not verified when the token was made.
	PurposeConfirmAndReset Purpose = "claim"
	// PurposeVerifyEmail verifies the stored address.
	PurposeVerifyEmail Purpose = "verify_email"
	// PurposeChangeEmail verifies a new address, which replaces the stored one.
	PurposeChangeEmail Purpose = "change_email"
	// PurposeSignIn starts a session. The program delivers the token.
	PurposeSignIn Purpose = "sign_in"
)

// OneTimeToken is the stored part of an emailed link, or of a token that signs in.
type OneTimeToken struct {
	// Hash is the SHA-256 of the token.
	Hash []byte
	// CodeHash is a keyed hash of the code in the same email, or nil if it has none. The
	// code is valid as long as the token is.
	CodeHash []byte
	UserID   string
	Purpose  Purpose
	// Email is the user's address when the token was made. The token is void once the
	// address has changed.
	Email string
	// NewEmail is the address to verify, for PurposeChangeEmail.
	NewEmail string
	// PasswordVersion is the version of the password when the token was made. The
	// token is void once the version has changed.
	PasswordVersion      int64
	CreatedAt, ExpiresAt time.Time
}

// TokenAddition is the input of [OneTimeTokenStore.AddOneTimeToken].
type TokenAddition struct {
	Token OneTimeToken
	// MaxOpen is how many valid tokens of this purpose a user may have, including this
	// one.
	MaxOpen int
	// DropOldest removes the oldest tokens above MaxOpen. Without it, the new token is
	// refused.
	DropOldest bool
	Effects
	// Refused happens instead if the token is refused. Nil changes nothing then.
	Refused *TokenRefusal
}

// TokenRefusal is what [OneTimeTokenStore.AddOneTimeToken] stores instead of a token.
type TokenRefusal struct {
	// ReleaseLimits are keys of limits to lower by one.
	ReleaseLimits []string
	Effects
}

// OneTimeTokenStore keeps one-time tokens. A token is void when it has expired, when its
// user is disabled, or when the user has another address or another password version than
// the token. A void token does not exist for any method: ErrNotFound.
type OneTimeTokenStore interface {
	// AddOneTimeToken stores a token. It removes the user's tokens of the same purpose
	// with another NewEmail, so that only one change of address is pending. ErrConflict
	// if the user has MaxOpen tokens, or if the token is void already, because it has
	// expired or has no user. With Refused, a store does the same work and the same
	// number of round trips whether or not the token is refused.
	AddOneTimeToken(ctx context.Context, a TokenAddition) error
	// OneTimeToken returns a token that is valid at now, and does not spend it.
	OneTimeToken(ctx context.Context, hash []byte, now time.Time) (OneTimeToken, error)
	// UserTokens returns the user's tokens of the purposes that are valid at now, newest
	// first.
	UserTokens(ctx context.Context, userID string, purposes []Purpose, now time.Time) ([]OneTimeToken, error)
	// DropTokens removes the user's tokens of a purpose. ErrNotFound if none of them is
	// valid at now.
	DropTokens(ctx context.Context, userID string, p Purpose, now time.Time, fx Effects) error
	// ResetPassword spends a token and changes the password of its user. ErrNotFound if
	// the token is void or of another purpose; otherwise as ChangePassword.
	ResetPassword(ctx context.Context, s TokenSpend, c PasswordChange) ([]Event, error)
	// StartResetSession spends a token and starts a session of kind SessionReset. With a
	// PurposeConfirmAndReset token, it also verifies the address, removes the password (its
	// version grows; the hash stays if the state was PasswordNone), the language, the
	// profile and all tokens of the user, ends all sessions, and returns their events.
	StartResetSession(ctx context.Context, s TokenSpend, session SessionRecord, end SessionEnd, fx Effects) ([]Event, error)
	// VerifyEmail spends a PurposeVerifyEmail token and marks the address as verified.
	// It returns the user after the change.
	VerifyEmail(ctx context.Context, s TokenSpend, fx Effects) (User, error)
	// ChangeEmail spends a PurposeChangeEmail token and replaces the address by NewEmail,
	// verified. A login id with the canonical form oldCanonical becomes NewEmail, with
	// the canonical form newCanonical: ErrLoginIDTaken if another user has that. It
	// removes the user's one-time tokens and reset sessions, and, if the old address was
	// verified, the open invitations of it and of the other login ids. It returns the user
	// after the change.
	ChangeEmail(ctx context.Context, s TokenSpend, oldCanonical, newCanonical string, fx Effects) (User, error)
}

// TokenSpend names a one-time token to spend: the one with Hash, if its purpose is one of
// Purposes and it is valid at Now.
type TokenSpend struct {
	Hash     []byte
	Purposes []Purpose
	Now      time.Time
	// Invitation is the hash of the invitation that the user accepts. It is removed and
	// granted, as [Invitation.Grant] does: ErrConflict if there is no such invitation. Nil
	// accepts none. For ResetPassword it is [PasswordChange.Invitation] instead, and
	// StartSession accepts none.
	Invitation []byte
}
