package store

import "time"

// UserQuery selects users. A user must meet every condition that is set.
type UserQuery struct {
	// Search selects the users with a canonical login id, an address or a name that
	// begins with this text. ASCII letters compare without case, and no character has a
	// special meaning. The text has no ASCII letter in upper case. Defaults to all.
	Search string
	// Status selects the users of one status. Defaults to all.
	Status Status
	// Role selects the users with one role, of at most 200 characters. Defaults to all.
	Role string
	// CreatedSince selects the users who were created at that time or later. Defaults
	// to all.
	CreatedSince time.Time
	// Limit is the maximum number of users; at least 1.
	Limit int
	// After continues after a page: it is that page's Next. Nil begins with the first
	// user.
	After *UserPosition
	// Count asks for UserPage.Count.
	Count bool
}

// UserPosition is the place of a user in the order of a [UserQuery]: by Term, then by
// CreatedAt, newest first, then by ID, in descending order without a Search.
type UserPosition struct {
	// Term is the first login id, address or name of the user, in the order of bytes,
	// that begins with UserQuery.Search. Empty without a Search.
	Term string
	// CreatedAt is the zero time with a Search.
	CreatedAt time.Time
	ID        string
}

// UserPage is one page of users.
type UserPage struct {
	// Accounts are the users of the page.
	Accounts []Account
	// Next is the After of the following page, and nil if no further user can match.
	Next *UserPosition
	// Count is the number of users on all pages, up to MaxUserCount. Zero without
	// UserQuery.Count.
	Count int
	// More means that further users may match, which Count does not include.
	More bool
}

// MaxUserCount is how many users UserPage.Count counts at most.
const MaxUserCount = 10_000

// MaxRoleLength is the maximum number of characters of UserQuery.Role.
const MaxRoleLength = 200
