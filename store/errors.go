package store

import "errors"

// The errors of a Store that its callers branch on.
var (
	// ErrLoginIDTaken means that the login id belongs to somebody.
	ErrLoginIDTaken = errors.New("usher: the login id is taken")
	// ErrNotFound means that there is no such thing. Only operators' methods,
	// RevokeSession, CancelEmailChange and stores return it.
	ErrNotFound = errors.New("usher: not found")
	// ErrConflict means that what was read has changed in the meantime, and
	// nothing was written.
	ErrConflict = errors.New("usher: changed in the meantime")
)
