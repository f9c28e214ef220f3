package usher

import (
	"errors"
	"fmt"
	"time"

	"github.com/usherkit/usher/token"
)

// The errors that callers branch on, with errors.Is. Every error of a Service or Operator
// method is one of them, [ErrLoginIDTaken], [ErrNotFound] or [ErrConflict], or wraps one.
// The other types are [*FieldError], [*password.PolicyError], [*InputErrors],
// [*LimitError], [*EmailProofError], [*BreachedPasswordError], and [*token.Error] of the
// methods that only validate a token. A [*Rejection] of the program's own code is wrapped,
// as is any other error of [Config.Claims]. Claims that are reserved, or too large for a
// token, are an error without a type.
var (
	// ErrInvalidCredentials is the error of every failed password check: unknown login
	// id, wrong password, no password set, or locked password. The event has the
	// cause; the error never reveals it.
	ErrInvalidCredentials = errors.New("usher: invalid credentials")
	// ErrPasswordExpired means that the password was right but is expired or
	// temporary. The user has to replace or reset it.
	ErrPasswordExpired = errors.New("usher: the password has expired and must be replaced")
	// ErrUserDisabled means that the password was right but the user is disabled.
	ErrUserDisabled = errors.New("usher: the user is disabled")
	// ErrSignUpClosed means that [Config.SignUpClosed] is set.
	ErrSignUpClosed = errors.New("usher: sign-up is closed")
	// ErrInvalidToken means that a one-time token of an emailed link is unknown, used,
	// expired or void.
	ErrInvalidToken = errors.New("usher: the link is not valid")
	// ErrInvalidCode means that the code of an email is wrong or expired, or that its link
	// is void. The client does not learn which of these is the case, or whether the login
	// id has a user.
	ErrInvalidCode = errors.New("usher: the code is not valid")
	// ErrInvalidSession means that a session or refresh token is not valid, or that
	// its session has ended. It also matches [token.ErrInvalid].
	ErrInvalidSession = linked("usher: the session is not valid", token.ErrInvalid)
	// ErrRecentSignInRequired means that the sign-in is too old for the call and that
	// no current password was given.
	ErrRecentSignInRequired = errors.New("usher: sign in again, or give the current password")
	// ErrPasswordRequired means that a link to confirm an address needs a session of
	// its user or the account's password.
	ErrPasswordRequired = errors.New("usher: give the account's password, or open the link in a browser that is signed in")
	// ErrEmailNotVerified means that the user has to confirm the email address first. Only
	// [Service.StartSession], [Service.EnsureUser] and [Operator.Impersonate] return it.
	ErrEmailNotVerified = errors.New("usher: the email address is not verified")
	// ErrForbidden means that the session is valid but does not allow the call.
	ErrForbidden = errors.New("usher: not allowed")
	// ErrNotInTenant means that the user is not in the tenant. It also matches ErrForbidden.
	ErrNotInTenant = linked("usher: the user is not in the tenant", ErrForbidden)
	// ErrUnavailable means that the store could not be reached, or that this instance
	// must not serve because its clock is wrong. The call authenticated no client. It
	// also matches [token.ErrUnavailable].
	ErrUnavailable = linked("usher: temporarily unavailable", token.ErrUnavailable)
	// ErrClock means that the clock of this instance differs from that of the store by more
	// than a minute, or has jumped, so the instance must not serve. It also matches
	// ErrUnavailable.
	ErrClock = linked("usher: the clock of this instance is wrong", ErrUnavailable)
)

// EmailProofError means that the call needs a password that proves who the user is, and the
// user has none. A password proves nothing in the first 24 hours if it was set in a session
// without the earlier password, because a stolen session could have set it. The user can
// set another password with an emailed link ([Service.SendPasswordReset]) and repeat the
// call with that one.
type EmailProofError struct {
	// Until is when the present password begins to prove the user. It is zero if the user
	// has no password, or one that has leaked ([BreachedReplaced]).
	Until time.Time
}

// Error says what the user can do.
func (e *EmailProofError) Error() string {
	if e.Until.IsZero() {
		return "usher: set a password with an emailed link first"
	}
	return "usher: a session alone set the password: set one with an emailed link, or wait until " + e.Until.Format(time.RFC3339)
}

// BreachedPasswordError means that the password was right but is in the list of leaked
// passwords, and that [Config.BreachedAtSignIn] demands another one. If ByEmail is false,
// it also matches [ErrPasswordExpired].
type BreachedPasswordError struct {
	// ByEmail is true for a user with a verified address, who has to set another password
	// with an emailed link ([Service.SendPasswordReset]). If it is false,
	// [Service.ReplacePassword] takes the password as the old one.
	ByEmail bool
}

// Error says what the user can do.
func (e *BreachedPasswordError) Error() string {
	if e.ByEmail {
		return "usher: the password is in a list of leaked passwords: set another one with an emailed link"
	}
	return "usher: the password is in a list of leaked passwords and must be replaced"
}

// Is reports whether target is ErrPasswordExpired and ReplacePassword takes the password.
func (e *BreachedPasswordError) Is(target error) bool {
	return target == ErrPasswordExpired && !e.ByEmail
}

// LimitError means that there were too many attempts. The attempt was refused
// before any password or token was checked.
type LimitError struct {
	// RetryAfter is how long the client has to wait before the next attempt.
	RetryAfter time.Duration
	// Limit names the limit, for logs: "login_id", "network", "hashing" and others.
	Limit string
}

// Error says how long to wait.
func (e *LimitError) Error() string {
	return fmt.Sprintf("usher: too many attempts, wait %s", e.RetryAfter.Round(time.Second))
}

// FieldError means that an input is not acceptable, whatever the store contains.
type FieldError struct {
	// Field is the name of the input as in the JSON routes, such as "loginId".
	Field string
	// Code is stable: "required", "invalid", "too_long" or "not_allowed".
	Code string
	// Detail describes acceptable input. It never repeats the input.
	Detail string
}

// Error names the field and describes acceptable input.
func (e *FieldError) Error() string {
	return fmt.Sprintf("usher: %s: %s", e.Field, e.Detail)
}

// InputErrors holds the errors of several inputs, so that the user can correct them
// together. A single error is returned as it is. [errors.As] finds the first
// *FieldError and the *password.PolicyError.
type InputErrors struct {
	// All holds each *FieldError, in the order of the inputs, and at most one
	// *password.PolicyError. ErrInvalidCode is among them if the code of a reset is wrong
	// beside a password that the policy refuses.
	All []error
}

// Error joins the texts of all errors, one a line.
func (e *InputErrors) Error() string { return errors.Join(e.All...).Error() }

// Unwrap returns all errors.
func (e *InputErrors) Unwrap() []error { return e.All }

// inputErrors returns nil if all of errs are nil, the error if there is one, and an
// *InputErrors of them otherwise.
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

// linkedError is an error that also matches other in errors.Is.
type linkedError struct {
	text  string
	other error
}

func linked(text string, other error) error { return &linkedError{text, other} }

func (e *linkedError) Error() string { return e.text }

func (e *linkedError) Is(target error) bool { return errors.Is(e.other, target) }
