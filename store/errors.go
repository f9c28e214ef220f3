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

// Rejection is the error with which the program's own code refuses a change of a user,
// such as a sign-up without an invitation. A hook of the store or usher.Config.Claims
// returns it. The client gets the status 422 with its fields, and a page shows Message
// beside the input. The change does not happen. Any other error of that code counts as
// an outage.
type Rejection struct {
	// Code is stable and names the reason, such as "not_invited". Required.
	Code string
	// Field is the input that caused it, such as "loginId". Defaults to none.
	Field string
	// Message is a sentence for the user. Defaults to a general one.
	Message string
}

// Error names the code and the field.
func (e *Rejection) Error() string {
	if e.Field == "" {
		return "usher: the program rejects this: " + e.Code
	}
	return "usher: the program rejects " + e.Field + ": " + e.Code
}

// Rejection returns the fields, for package middleware, which does not import this one.
func (e *Rejection) Rejection() (code, field, message string) { return e.Code, e.Field, e.Message }
