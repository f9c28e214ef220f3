package store

import "errors"

// The errors of a [Store] that callers compare with errors.Is.
var (
	// ErrLoginIDTaken means that a user with this login id exists.
	ErrLoginIDTaken = errors.New("usher: the login id is taken")
	// ErrNotFound means that the user, session or token does not exist. Of the
	// Service, only operators' methods, RevokeSession and CancelEmailChange return it.
	ErrNotFound = errors.New("usher: not found")
	// ErrConflict means that another caller changed the data since it was read.
	// Nothing was written.
	ErrConflict = errors.New("usher: the data was changed by another caller")
	// ErrBadCursor means that a cursor is malformed.
	ErrBadCursor = errors.New("usher: the cursor is not valid")
)
