package store

import (
	"context"
	"slices"
	"time"

	"github.com/usherkit/usher/token"
)

// UserStore keeps users and their passwords.
type UserStore interface {
	// CreateUser stores a new user. It returns the events of the sessions it ended.
	// ErrLoginIDTaken if another user has one of the canonical login ids. ErrConflict if
	// another user has the id, or there is no such Invitation.
	CreateUser(ctx context.Context, c UserCreation) ([]Event, error)
	// Account returns the user with an id. ErrNotFound if there is none.
	Account(ctx context.Context, userID string) (Account, error)
	// AccountByLoginID returns the user with a canonical login id. ErrNotFound if there
	// is none.
	AccountByLoginID(ctx context.Context, canonical string) (Account, error)
	// AccountByAddress returns the user with a canonical login id, or else the only user
	// who has verified an address that is equal to it without the case of ASCII letters.
	// ErrNotFound if there is none; ErrLoginIDTaken if several users have verified it.
	AccountByAddress(ctx context.Context, canonical string) (Account, error)
	// Users returns one page of users, with a Search in the order of the text that
	// matches, otherwise newest first. A caller that follows Next gets each user who
	// matches during all that time exactly once, even if others are created, changed and
	// deleted meanwhile; with a Search, unless that user's login ids, address or name
	// change. A page costs the same wherever it is. It may have fewer than Limit users,
	// or none, although Next is set, if few users match several conditions.
	Users(ctx context.Context, q UserQuery) (UserPage, error)
	// UpdateUser changes fields of a user. It returns the user after the change, and the
	// events of the sessions it ended. If the user has verified the address, the open
	// invitations of the address and of the login ids that the user loses are removed. A
	// new address changes the password as [EmailAddress.Password] says. ErrNotFound if
	// there is no such user; ErrLoginIDTaken if another user has one of the canonical login
	// ids.
	UpdateUser(ctx context.Context, u UserUpdate) (User, []Event, error)
	// DeleteUser removes a user and everything that belongs to it, except events,
	// revocations and queued emails. If the user has verified the address, the open
	// invitation of the address is removed. It returns the events of the sessions it ended.
	// ErrNotFound if there is no such user, or if IfSession is not a session of the user.
	DeleteUser(ctx context.Context, d UserDeletion) ([]Event, error)
	// ChangePassword sets a password. It returns the events of the sessions it ended.
	// ErrConflict if IfVersion is not the version of the password, if the user is
	// disabled and RequireEnabled is set, if the address is not IfUnproven or is
	// verified, or if there is no such Invitation. ErrNotFound if there is no such user,
	// or if IfSession has ended.
	ChangePassword(ctx context.Context, c PasswordChange) ([]Event, error)
	// ClaimUser gives a user whose address was never verified to the owner of the mailbox:
	// it marks the address as verified, removes the password (its version grows), the
	// profile, the language and all one-time tokens, and ends all sessions. It returns the
	// user after the change, and the events of the sessions it ended. ErrConflict if Email
	// is not the address, if the address is verified already, if IfVersion is not the
	// version of the password, if the user is disabled, or if there is no such Invitation.
	// ErrNotFound if there is no such user.
	ClaimUser(ctx context.Context, c UserClaim) (User, []Event, error)
}

// UserClaim is the input of [UserStore.ClaimUser].
type UserClaim struct {
	UserID string
	// Email is the address that the owner of the mailbox has proven, as stored. Spelling
	// replaces it, as [User.Respelled] does, unless Spelling is empty.
	Email, Spelling string
	// Invitation is the hash of the invitation that the user accepts. It is removed and
	// granted, as [Invitation.Grant] does. Nil accepts none.
	Invitation []byte
	// IfVersion is the version of the password that the caller has read.
	IfVersion int64
	// Profile and Language are those of the owner. They replace what was there.
	Profile  Profile
	Language string
	// At becomes UpdatedAt, and ChangedAt of the password.
	At time.Time
	// End ends the sessions of the user.
	End SessionEnd
	// ClearLimits are keys of limits to remove.
	ClearLimits []string
	Effects
}

// Allows reports whether the claim may be applied to the account: if not, ClaimUser
// returns ErrConflict.
func (c UserClaim) Allows(a Account) bool {
	return a.User.Status == StatusEnabled && !a.User.EmailVerified && a.User.Email == c.Email && a.Password.Version == c.IfVersion
}

// Apply returns the account after the claim. The hash of a password stays only if the
// password was useless already (PasswordNone).
func (c UserClaim) Apply(a Account) Account {
	a.User = c.Profile.Apply(WithoutProfile(a.User)).Respelled(c.Spelling)
	a.User.EmailVerified, a.User.Language, a.User.UpdatedAt = true, c.Language, c.At
	hash := ""
	if a.Password.State == PasswordNone {
		hash = a.Password.Hash
	}
	a.Password = Password{Hash: hash, State: PasswordNone, Version: a.Password.Version + 1, ChangedAt: c.At}
	return a
}

// UserCreation is the input of [UserStore.CreateUser].
type UserCreation struct {
	User User
	// Canonical are the canonical forms of User.LoginIDs, in the same order.
	Canonical []string
	Password  Password
	// Session is the first session of the user. Nil starts none.
	Session *SessionRecord
	// Replaces is the session that ends.
	Replaces ReplacedSession
	// Token is the one-time token of the email in Effects. Nil stores none.
	Token *OneTimeToken
	// Invitation is the hash of the invitation that the user accepts, which is removed.
	// User has what it grants. Nil accepts none.
	Invitation []byte
	// Fields are the values of the program's sign-up fields, for a hook of the store. The
	// store does not keep them.
	Fields Fields
	Effects
}

// Fields are the values of the program's sign-up fields by name: a string for a text and a
// bool for a box. In a hook all fields are there.
type Fields map[string]any

// Text returns the value of a text, or "" if there is none.
func (f Fields) Text(name string) string { s, _ := f[name].(string); return s }

// Checked reports whether a box is ticked.
func (f Fields) Checked(name string) bool { b, _ := f[name].(bool); return b }

// UserUpdate is the input of [UserStore.UpdateUser]. A nil field changes nothing.
type UserUpdate struct {
	UserID      string
	Profile     Profile
	Roles       *[]string
	Permissions *[]string
	Tenants     *map[string]token.Tenant
	Attributes  *map[string]any
	// Patch changes single attributes. UpdateUser then also returns the errors of
	// [AttributesPatch.Apply].
	Patch  *AttributesPatch
	Status *Status
	// Email sets the address and whether it is verified.
	Email *EmailAddress
	// LoginIDs replaces the login ids, and Canonical are their canonical forms in the
	// same order.
	LoginIDs  *[]string
	Canonical []string
	// At becomes UpdatedAt.
	At time.Time
	// End ends the sessions of the user. Nil ends none.
	End *SessionEnd
	// DropTokens removes the one-time tokens and the reset sessions of the user. A reset
	// session that only it removes leaves no revocation and no event.
	DropTokens bool
	Effects
}

// EmailAddress is an address, and whether the user proved to own its mailbox.
type EmailAddress struct {
	Address  string
	Verified bool
}

// UserDeletion is the input of [UserStore.DeleteUser].
type UserDeletion struct {
	UserID string
	// IfSession is the id of the user's session that authorizes the deletion. The deletion
	// fails if it has ended before. Empty checks none.
	IfSession string
	End       SessionEnd
	// ClearLimits are keys of limits to remove.
	ClearLimits []string
	Effects
}

// Status is whether a user may sign in.
type Status string

// The states of a user.
const (
	// StatusEnabled is a user who may sign in.
	StatusEnabled Status = "enabled"
	// StatusDisabled is a user whom an operator has disabled. Sign-in and refresh
	// fail. The data of the user is kept.
	StatusDisabled Status = "disabled"
)

// User is a stored identity. It holds no password and no secret, so it may be logged and
// shown to the user.
type User struct {
	// ID names the user and never changes. It is random (at least 128 bits), so it
	// reveals neither the order nor the number of users.
	ID string
	// LoginIDs are the login ids of the user, as typed. They are compared in
	// their canonical form, which the rules compute: ASCII letters in lower
	// case, domains as A-labels.
	LoginIDs []string
	// Email is the address for emails, as typed. It may be empty.
	Email string
	// EmailVerified is true once the user proved to own the mailbox.
	EmailVerified bool

	// Name, GivenName, MiddleName, FamilyName, Phone and Picture describe the user, who
	// may set them. All are optional, and none is verified.
	Name, GivenName, MiddleName, FamilyName, Phone, Picture string

	// Language is the language of the user's browser at sign-up or at the last sign-in
	// with a known browser: a BCP 47 tag, or the value of an Accept-Language header.
	// Emails to the user are written in it. It may be empty.
	Language string

	// Roles, Permissions and Tenants are claims of the session token. Only the program
	// and its operators set them.
	Roles, Permissions []string
	Tenants            map[string]token.Tenant
	// Attributes are data of the program about the user. encoding/json must be able to
	// encode them.
	Attributes map[string]any
	// exactAttributes are the attributes as JSON, if Attributes has lost digits; otherwise "".
	exactAttributes string

	// Status is StatusEnabled or StatusDisabled.
	Status Status
	// CreatedAt and UpdatedAt are set by the Service, in UTC.
	CreatedAt, UpdatedAt time.Time
}

// LoginID returns the first login id, as typed; "" if there is none.
func (u User) LoginID() string {
	if len(u.LoginIDs) == 0 {
		return ""
	}
	return u.LoginIDs[0]
}

// InTenant reports whether the user is in the tenant. It is false for the empty id.
func (u User) InTenant(id string) bool {
	_, ok := u.Tenants[id]
	return ok && id != ""
}

// Respelled returns the user with another spelling of the address, also where the address
// is a login id. Both have the same canonical form, and the new one is what the owner of
// the mailbox has proven. An empty one changes nothing.
func (u User) Respelled(address string) User {
	if address == "" {
		return u
	}
	u.LoginIDs = slices.Clone(u.LoginIDs)
	for i, id := range u.LoginIDs {
		if id == u.Email {
			u.LoginIDs[i] = address
		}
	}
	u.Email = address
	return u
}

// Profile holds the fields that users edit themselves. A nil field changes nothing.
type Profile struct {
	Name, GivenName, MiddleName, FamilyName, Phone, Picture *string
}

// Apply returns the user with the fields that are not nil.
func (p Profile) Apply(u User) User {
	for _, f := range []struct{ to, from *string }{
		{&u.Name, p.Name}, {&u.GivenName, p.GivenName}, {&u.MiddleName, p.MiddleName},
		{&u.FamilyName, p.FamilyName}, {&u.Phone, p.Phone}, {&u.Picture, p.Picture},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	return u
}

// WithoutProfile returns the user with the fields of [Profile] empty.
func WithoutProfile(u User) User {
	u.Name, u.GivenName, u.MiddleName, u.FamilyName, u.Phone, u.Picture = "", "", "", "", "", ""
	return u
}

// Account is a user with its password, as the Service reads it for a sign-in. It must
// not leave the Service, because it holds the hash.
type Account struct {
	User     User
	Password Password
}
