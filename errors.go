package usher

import (
	"errors"
	"fmt"
	"time"

	"github.com/usherkit/usher/token"
)

// The errors that callers branch on. Everything that a Service method returns
// is one of these (or wraps one), a [*LimitError], a [*FieldError], a
// [*password.PolicyError], or [*InputErrors] of the latter two.
var (
	// ErrInvalidCredentials is every failed sign-in: unknown login id, wrong
	// password, disabled user, no password set, locked password. The cause is
	// in the event, never in the error.
	ErrInvalidCredentials = errors.New("usher: invalid credentials")
	// ErrPasswordExpired follows the right password when that password is
	// expired or temporary: it must be replaced or reset first.
	ErrPasswordExpired = errors.New("usher: the password has expired and must be replaced")
	// ErrUserDisabled follows the right password of a disabled user.
	ErrUserDisabled = errors.New("usher: the user is disabled")
	// ErrSignUpClosed means that this program does not let people sign up.
	ErrSignUpClosed = errors.New("usher: sign-up is closed")
	// ErrInvalidToken is a one-time token that is unknown, spent, too old or
	// void.
	ErrInvalidToken = errors.New("usher: the link is not valid any more")
	// ErrInvalidSession is a session or refresh token that is not valid, or
	// whose session has ended.
	// It is also [token.ErrInvalid].
	ErrInvalidSession = linked("usher: the session is not valid", token.ErrInvalid)
	// ErrRecentSignInRequired means that the sign-in is too old for the act.
	ErrRecentSignInRequired = errors.New("usher: sign in again, or give the current password")
	// ErrPasswordRequired means that a link confirms nothing by itself: it needs
	// a session of its user, or the account's password.
	ErrPasswordRequired = errors.New("usher: give the account's password, or follow the link where you are signed in")
	// ErrForbidden means that the session is valid but not for this.
	ErrForbidden = errors.New("usher: not allowed")
	// ErrUnavailable means that the store, or the hashing queue behind it,
	// could not be reached. Nobody was signed in or out by it. It is also
	// [token.ErrUnavailable].
	ErrUnavailable = linked("usher: temporarily unavailable", token.ErrUnavailable)
)

// LimitError means that there were too many tries; nothing was checked.
type LimitError struct {
	// RetryAfter is when a further try may be let through.
	RetryAfter time.Duration
	// Limit names the limit, for logs: "login_id", "network", "lock", …
	Limit string
}

// Error says how long to wait.
func (e *LimitError) Error() string {
	return fmt.Sprintf("usher: too many tries, wait %s", e.RetryAfter.Round(time.Second))
}

// FieldError means that an input cannot be accepted, whatever is stored.
type FieldError struct {
	// Field is the input's name as the JSON routes spell it, such as
	// "loginId".
	Field string
	// Code is stable: "required", "invalid", "too_long", "not_allowed".
	Code string
	// Detail says what would be accepted. It never repeats the input.
	Detail string
}

// Error names the field and what is wrong with it.
func (e *FieldError) Error() string {
	return fmt.Sprintf("usher: %s: %s", e.Field, e.Detail)
}

// InputErrors are several inputs that cannot be accepted, so that a person can mend
// them together. One alone comes as it is. [errors.As] finds the first *FieldError
// and the *password.PolicyError among them.
type InputErrors struct {
	// All are *FieldError, in the order of the inputs, and at most one
	// *password.PolicyError.
	All []error
}

// Error says what is wrong with each.
func (e *InputErrors) Error() string { return errors.Join(e.All...).Error() }

// Unwrap returns all of them.
func (e *InputErrors) Unwrap() []error { return e.All }

// inputErrors is what is wrong with some inputs, or nil.
func inputErrors(errs ...error) error {
	var all []error
	for _, err := range errs {
		var several *InputErrors
		if errors.As(err, &several) {
			all = append(all, several.All...)
		} else if err != nil {
			all = append(all, err)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &InputErrors{all}
}

// kin is a sentinel that is also another package's.
type linkedError struct {
	text  string
	other error
}

func linked(text string, other error) error { return &linkedError{text, other} }

func (k *linkedError) Error() string { return k.text }

func (k *linkedError) Is(target error) bool { return target == k.other }
