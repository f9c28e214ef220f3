package route

import (
	"context"
	"errors"
	"strings"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/internal/visit"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/problem"
)

// The errors that belong to HTTP and not to the Service.
var (
	// ErrMediaType means that the body has the wrong Content-Type.
	ErrMediaType = errors.New("handlers: the body is not JSON")
	errNoRoute   = errors.New("handlers: no such route")
	errMethod    = errors.New("handlers: no such method")
	errTooLarge  = errors.New("handlers: the body is too large")
	errInternal  = errors.New("handlers: internal error")
)

// errorCodes maps errors to codes. The first entry that matches is used. Code handles
// InputErrors and limits itself. An error without an entry is internal.
var errorCodes = []struct {
	is   error
	code problem.Code
}{
	{usher.ErrUnavailable, problem.Unavailable},
	{usher.ErrInvalidCredentials, problem.InvalidCredentials},
	{usher.ErrPasswordExpired, problem.PasswordExpired},
	{usher.ErrUserDisabled, problem.UserDisabled},
	{usher.ErrLoginIDTaken, problem.LoginIDTaken},
	{usher.ErrSignUpClosed, problem.SignUpClosed},
	{usher.ErrInvalidToken, problem.InvalidToken},
	{usher.ErrInvalidCode, problem.InvalidCode},
	{usher.ErrInvalidSession, problem.InvalidSession},
	{visit.ErrNotSignedIn, problem.NotSignedIn},
	{visit.ErrImpersonationEnded, problem.ImpersonationEnded},
	{usher.ErrRecentSignInRequired, problem.RecentSignInRequired},
	// Not 401: on 401 a client drops its session, which may belong to another user.
	{usher.ErrPasswordRequired, problem.PasswordRequired},
	{middleware.ErrCrossOrigin, problem.CrossOrigin},
	{usher.ErrForbidden, problem.Forbidden},
	{usher.ErrEmailNotVerified, problem.EmailNotVerified},
	{errNoRoute, problem.NotFound},
	{usher.ErrNotFound, problem.NotFound},
	{errMethod, problem.MethodNotAllowed},
	{usher.ErrConflict, problem.Conflict},
	{ErrMediaType, problem.UnsupportedMediaType},
	{errTooLarge, problem.TooLarge},
	{context.DeadlineExceeded, problem.Unavailable},
	{context.Canceled, problem.Unavailable},
}

// refusals maps the code of a refusal by the middleware to the error of the routes
// that has the same code.
var refusals = map[problem.Code]error{
	problem.NotSignedIn:          visit.ErrNotSignedIn,
	problem.InvalidSession:       usher.ErrInvalidSession,
	problem.ImpersonationEnded:   visit.ErrImpersonationEnded,
	problem.RecentSignInRequired: usher.ErrRecentSignInRequired,
	problem.Forbidden:            usher.ErrForbidden,
	problem.EmailNotVerified:     usher.ErrEmailNotVerified,
	problem.CrossOrigin:          middleware.ErrCrossOrigin,
	problem.Unavailable:          usher.ErrUnavailable,
}

// refusedError is the error of a request that the middleware refuses.
type refusedError struct {
	error
	// challenge is the WWW-Authenticate header, or empty.
	challenge string
}

func (e *refusedError) Unwrap() error { return e.error }

func newRefusedError(refusal middleware.Refusal) error {
	cause := refusals[refusal.Code]
	if refusal.Code == problem.Rejected {
		cause = refusal.Err
	}
	if cause == nil {
		cause = errInternal
	}
	return &refusedError{cause, refusal.Challenge}
}

// challenges are the WWW-Authenticate headers of RFC 6750 §3 and RFC 9470 §3, as
// package middleware writes them.
var challenges = map[problem.Code]string{
	problem.NotSignedIn:          `Bearer realm="session"`,
	problem.InvalidSession:       `Bearer realm="session", error="invalid_token"`,
	problem.ImpersonationEnded:   `Bearer realm="session", error="invalid_token"`,
	problem.RecentSignInRequired: `Bearer realm="session", error="insufficient_user_authentication"`,
}

// Code returns the code of an error.
func Code(err error) problem.Code {
	if input := AsInputError(err); input != nil {
		return input.Code
	}
	var limit *usher.LimitError
	if errors.As(err, &limit) {
		return problem.TooManyRequests
	}
	var unproven *usher.EmailProofError
	if errors.As(err, &unproven) {
		return problem.EmailProofRequired
	}
	var breached *usher.BreachedPasswordError
	if errors.As(err, &breached) && breached.ByEmail {
		return problem.PasswordBreached
	}
	for _, a := range errorCodes {
		if errors.Is(err, a.is) {
			return a.code
		}
	}
	return problem.Internal
}

// InputError means that the inputs of a request are invalid.
type InputError struct {
	Code problem.Code
	// Detail is an English sentence that replaces the text of the code, or empty.
	Detail string
	Fields []Field
}

func (e *InputError) Error() string { return "handlers: " + string(e.Code) }

// BadBody returns an error for a body that cannot be read. The detail is in
// English.
func BadBody(detail string) error {
	return &InputError{Code: problem.InvalidRequest, Detail: detail}
}

// AsInputError returns err as an InputError, or nil if inputs did not cause it.
func AsInputError(err error) *InputError {
	var (
		input    *InputError
		several  *usher.InputErrors
		policy   *password.PolicyError
		one      *usher.FieldError
		rejected *usher.Rejection
	)
	switch {
	case errors.As(err, &input):
		return input
	case errors.As(err, &several):
		all := &InputError{Code: problem.Rejected}
		for _, err := range several.All {
			if errors.Is(err, usher.ErrInvalidCode) {
				all.Code = problem.InvalidRequest
				all.Fields = append(all.Fields, Field{Name: "code", Code: "wrong", Detail: problem.InvalidCode.Detail()})
				continue
			}
			if one := AsInputError(err); one != nil {
				all.Fields = append(all.Fields, one.Fields...)
				if one.Code != problem.Rejected {
					all.Code = problem.InvalidRequest
				}
			}
		}
		return all
	case errors.As(err, &rejected):
		return &InputError{
			Code: problem.Rejected, Detail: rejected.Message,
			Fields: []Field{{Name: rejected.Field, Code: rejected.Code, Detail: rejected.Message}},
		}
	case errors.As(err, &policy):
		e := &InputError{Code: problem.PasswordPolicy}
		for _, v := range policy.Violations {
			e.Fields = append(e.Fields, Field{"newPassword", string(v.Code), v.Detail, v.Limit})
		}
		return e
	case errors.As(err, &one):
		return &InputError{Code: problem.InvalidRequest, Fields: []Field{{Name: one.Field, Code: one.Code, Detail: one.Detail}}}
	}
	return nil
}

// Field is what is wrong with one input. The detail is in English.
type Field struct {
	Name, Code, Detail string
	// Limit is the number in a rule of the password policy, or 0.
	Limit int
}

// text returns what is wrong with the input in the language of the speaker. If
// the catalogue has no text for it, text returns the English detail, which is
// meant for programmers, and false.
func (f Field) text(s *locale.Speaker) (string, bool) {
	if key := "invalid." + f.Name + "." + f.Code; s.Has(key) {
		return s.Text(key), true
	}
	switch key := "policy." + f.Code; {
	case f.Limit != 0 && s.Has(key):
		return s.Text(key, f.Limit), true
	case IsPassword(f.Name) && f.Code != string(password.CodeTooLong) && s.Has(key):
		return s.Text(key), true
	}
	return f.Detail, false
}

// IsPassword reports whether an input of that name is for a password.
func IsPassword(name string) bool { return strings.HasSuffix(strings.ToLower(name), "password") }
