package usher

import (
	"time"

	"github.com/usherkit/usher/token"
)

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
	// LoginIDs are what the person may type to name the user, as typed. They
	// are compared in their canonical form; see [CanonicalLoginID].
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
