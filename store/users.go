package store

import (
	"context"
	"time"

	"github.com/usherkit/usher/token"
)

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
	Session *SessionRecord
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
	Session *SessionRecord
	// ClearLimits are removed.
	ClearLimits []string
	Effects
}

// Status says whether a user may sign in.
type Status string

// The states of a user.
const (
	// StatusEnabled is a user who may sign in.
	StatusEnabled Status = "enabled"
	// StatusDisabled is a user whom an operator has shut out. Sign-in and
	// refresh fail; nothing of the user is lost.
	StatusDisabled Status = "disabled"
)

// User is a stored identity. It holds no password and no secret, so it may be
// logged or shown to the user it describes.
type User struct {
	// ID names the user for ever. It is random (128 bits and more), so it
	// tells neither order nor number of users.
	ID string
	// LoginIDs are the login ids of the user, as typed. They are compared in
	// their canonical form, which the rules compute: ASCII letters in lower
	// case, domains as A-labels.
	LoginIDs []string
	// Email is where mail goes, as typed. It may be empty.
	Email string
	// EmailVerified is true once somebody proved to read that mailbox.
	EmailVerified bool

	// Name, GivenName, MiddleName, FamilyName, Phone and Picture describe the
	// person. All are optional and none is trusted.
	Name, GivenName, MiddleName, FamilyName, Phone, Picture string

	// Language is what the person reads, as her browser said when she signed up
	// or last signed in by it: a BCP 47 tag, or the value of an Accept-Language
	// header. Mails about the account are written in it, whoever causes them. It
	// may be empty.
	Language string

	// Roles, Permissions and Tenants go into the session token. Only the
	// program and its operators set them, never the person.
	Roles, Permissions []string
	Tenants            map[string]token.Tenant
	// Attributes are the program's own facts about the user. They must
	// survive encoding/json.
	Attributes map[string]any

	// Status is enabled, or disabled by an operator.
	Status Status
	// CreatedAt and UpdatedAt are set by the Service.
	CreatedAt, UpdatedAt time.Time
}

// LoginID returns the login id the user signed up with, as typed.
func (u User) LoginID() string {
	if len(u.LoginIDs) == 0 {
		return ""
	}
	return u.LoginIDs[0]
}

// Profile is what a person may say of herself at sign-up and afterwards. A nil
// field is left as it is.
type Profile struct {
	Name, GivenName, MiddleName, FamilyName, Phone, Picture *string
}

// PasswordState says what a stored password is good for.
type PasswordState string

// The states of a password.
const (
	// PasswordNone means that the user has no password: it never was set, or
	// was dropped when somebody else proved to own the mailbox.
	PasswordNone PasswordState = "none"
	// PasswordActive signs in.
	PasswordActive PasswordState = "active"
	// PasswordExpired signs in nowhere and is good for one replacement.
	PasswordExpired PasswordState = "expired"
	// PasswordTemporary was set by an operator: like an expired one.
	PasswordTemporary PasswordState = "temporary"
)

// Password is the stored proof of a user's password.
type Password struct {
	// Hash is the encoded hash (see package password), empty when State is
	// PasswordNone.
	Hash string
	// State says what it is good for.
	State PasswordState
	// Version grows by one with every change of the password or of its state,
	// never with a rehash. Changes compare and swap on it.
	Version int64
	// ChangedAt is when the password was set.
	ChangedAt time.Time
	// Earlier are the hashes before this one, newest first, at most as many as
	// the policy's reuse rule asks for.
	Earlier []string
}

// Account is a user with the proof of its password, as the Service reads it
// for a sign-in. It must not leave the Service: it holds the hash.
type Account struct {
	User     User
	Password Password
}
