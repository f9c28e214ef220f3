package store

import "time"

// PasswordState is what a stored password may be used for.
type PasswordState string

// The states of a password.
const (
	// PasswordNone means that the user has no password: none was set, or it was
	// removed when another person proved to own the mailbox.
	PasswordNone PasswordState = "none"
	// PasswordActive is a password for signing in.
	PasswordActive PasswordState = "active"
	// PasswordExpired does not sign in. It can only be replaced.
	PasswordExpired PasswordState = "expired"
	// PasswordTemporary was set by an operator. It does not sign in, and can only be
	// replaced, within the time that the rules allow.
	PasswordTemporary PasswordState = "temporary"
	// PasswordBreached is in a list of leaked passwords. It does not sign in. Anyone who
	// has the list knows it, so only an emailed link replaces it, or the password itself
	// for a user without a verified address.
	PasswordBreached PasswordState = "breached"
)

// Password is the stored password of a user.
type Password struct {
	// Hash is the encoded hash (see package password), empty when State is
	// PasswordNone.
	Hash string
	// State is what the password may be used for.
	State PasswordState
	// Version grows by one with every change of the password or its state, but not
	// with a new hash of the same password. Callers detect concurrent changes by it.
	Version int64
	// ChangedAt is when the password was set.
	ChangedAt time.Time
	// Earlier are the hashes before this one, newest first, as many as the policy's
	// rule against reuse needs.
	Earlier []string
	// UnprovenAt is when a session alone set the password. It is zero if a proof of the
	// user or an operator set it. A change that only the password proves keeps it.
	UnprovenAt time.Time
}

// LeakedPasswordNeedsLink reports whether the password is known to have leaked and the user
// has a verified address, so that only an emailed link may replace the password.
func (a Account) LeakedPasswordNeedsLink() bool {
	return a.Password.State == PasswordBreached && a.User.Email != "" && a.User.EmailVerified
}

// Password returns the password of an account that gets this address. A leaked password
// that only an emailed link may replace becomes useless with an unverified address, which
// would let the password replace itself.
func (e EmailAddress) Password(a Account) Password {
	if a.LeakedPasswordNeedsLink() && (e.Address == "" || !e.Verified) {
		a.Password.State, a.Password.Version = PasswordNone, a.Password.Version+1
	}
	return a.Password
}

// PasswordChange is the input of [UserStore.ChangePassword] and
// [OneTimeTokenStore.ResetPassword].
type PasswordChange struct {
	UserID string
	// IfVersion is the version of the password that the caller has read.
	IfVersion int64
	// RequireEnabled refuses a user who is disabled.
	RequireEnabled bool
	// Hash and State are the new password. Its version is IfVersion+1. An empty Hash
	// leaves the hash as it is. The version grows then too, so that a concurrent sign-in
	// fails even if it has already verified the password.
	Hash  string
	State PasswordState
	// At becomes ChangedAt.
	At time.Time
	// UnprovenAt becomes the UnprovenAt of the password, even if it is zero.
	UnprovenAt time.Time
	// KeepEarlier is how many earlier hashes to keep, including the current one.
	KeepEarlier int
	// End ends the sessions of the user. Nil ends none.
	End *SessionEnd
	// DropTokens removes the one-time tokens and the reset sessions of the user. A reset
	// session that only it removes leaves no revocation and no event.
	DropTokens bool
	// IfUnproven is the address that the user must have, unverified. Empty skips this
	// check.
	IfUnproven string
	// Spelling replaces the address, as [User.Respelled] does, unless it is empty.
	Spelling string
	// VerifyEmail marks the stored address as verified.
	VerifyEmail bool
	// Language becomes the user's, unless it is empty.
	Language string
	// ClearProfile empties the fields of Profile.
	ClearProfile bool
	// Invitation is the hash of the invitation that the user accepts. It is removed and
	// granted, as [Invitation.Grant] does. Nil accepts none.
	Invitation []byte
	// IfSession is the id of the user's session that authorizes the change, and that End
	// ends. The change fails if it has ended before. Empty checks none.
	IfSession string
	// Session starts. Nil starts none.
	Session *SessionRecord
	// Replaces is a further session that ends.
	Replaces ReplacedSession
	// ClearLimits are keys of limits to remove.
	ClearLimits []string
	Effects
}

// Allows reports whether the password of the account may be changed: if not,
// ChangePassword returns ErrConflict.
func (c PasswordChange) Allows(a Account) bool {
	return a.Password.Version == c.IfVersion && (!c.RequireEnabled || a.User.Status == StatusEnabled) &&
		(c.IfUnproven == "" || a.User.Email == c.IfUnproven && !a.User.EmailVerified)
}
