package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/problem"
)

// The errors that are of HTTP and not of the Service.
var (
	errInvalidRequest = errors.New("handlers: the request cannot be accepted")
	errPasswordPolicy = errors.New("handlers: the password does not meet the policy")
	errTooMany        = errors.New("handlers: too many tries")
	errNotSignedIn    = errors.New("handlers: no session")
	errNoRoute        = errors.New("handlers: no such route")
	errMethod         = errors.New("handlers: no such method")
	errMediaType      = errors.New("handlers: the body is not JSON")
	errTooLarge       = errors.New("handlers: the body is too large")
	errInternal       = errors.New("handlers: internal error")
)

const (
	// The challenges of RFC 6750 §3 and RFC 9470 §3, as package middleware writes
	// them.
	challenge        = `Bearer realm="session"`
	challengeInvalid = challenge + `, error="invalid_token"`
	challengeRecent  = challenge + `, error="insufficient_user_authentication"`
)

// kind is what the client is told of an error.
type kind struct {
	is        error
	code      problem.Code
	challenge string
}

// kinds is how every error is answered: the first that matches counts. An error
// that is not in it is the last one.
var kinds = []kind{
	{is: usher.ErrUnavailable, code: problem.Unavailable},
	{is: errInvalidRequest, code: problem.InvalidRequest},
	{is: errPasswordPolicy, code: problem.PasswordPolicy},
	{is: errTooMany, code: problem.TooManyRequests},
	{is: usher.ErrInvalidCredentials, code: problem.InvalidCredentials},
	{is: usher.ErrPasswordExpired, code: problem.PasswordExpired},
	{is: usher.ErrUserDisabled, code: problem.UserDisabled},
	{is: usher.ErrLoginIDTaken, code: problem.LoginIDTaken},
	{is: usher.ErrSignUpClosed, code: problem.SignUpClosed},
	{is: usher.ErrInvalidToken, code: problem.InvalidToken},
	{is: usher.ErrInvalidSession, code: problem.InvalidSession, challenge: challengeInvalid},
	{is: errNotSignedIn, code: problem.NotSignedIn, challenge: challenge},
	{is: usher.ErrRecentSignInRequired, code: problem.RecentSignInRequired, challenge: challengeRecent},
	// Not 401: clients end their session on that, and this one may be another's.
	{is: usher.ErrPasswordRequired, code: problem.PasswordRequired},
	{is: middleware.ErrCrossOrigin, code: problem.CrossOrigin},
	{is: usher.ErrForbidden, code: problem.Forbidden},
	{is: errNoRoute, code: problem.NotFound},
	{is: usher.ErrNotFound, code: problem.NotFound},
	{is: errMethod, code: problem.MethodNotAllowed},
	{is: usher.ErrConflict, code: problem.Conflict},
	{is: errMediaType, code: problem.UnsupportedMediaType},
	{is: errTooLarge, code: problem.TooLarge},
	{is: context.DeadlineExceeded, code: problem.Unavailable},
	{is: context.Canceled, code: problem.Unavailable},
	{is: errInternal, code: problem.Internal},
}

// field is what is wrong with one input. The detail is in English.
type field struct {
	name, code, detail string
	limit              int // of a rule of the password policy
}

// inputError is a request that cannot be accepted, with the inputs to blame.
type inputError struct {
	code   problem.Code
	detail string // in the place of the kind's, in English
	fields []field
}

func (e *inputError) Error() string { return "handlers: " + string(e.code) }

// Is makes an inputError find its kind.
func (e *inputError) Is(target error) bool {
	return target == errInvalidRequest && e.code == problem.InvalidRequest ||
		target == errPasswordPolicy && e.code == problem.PasswordPolicy
}

func badBody(detail string) error { return &inputError{code: problem.InvalidRequest, detail: detail} }

// weak is the answer to a password that breaks the policy.
func weak(name string, p *password.PolicyError) *inputError {
	e := &inputError{code: problem.PasswordPolicy}
	for _, v := range p.Violations {
		e.fields = append(e.fields, field{name, string(v.Code), v.Detail, v.Limit})
	}
	return e
}

// inputOf returns the error as an inputError if an input is to blame.
func inputOf(err error) *inputError {
	var (
		input   *inputError
		several *usher.InputErrors
		policy  *password.PolicyError
		one     *usher.FieldError
	)
	switch {
	case errors.As(err, &input):
		return input
	case errors.As(err, &several):
		all := &inputError{code: problem.InvalidRequest}
		for _, err := range several.All {
			if one := inputOf(err); one != nil {
				all.fields = append(all.fields, one.fields...)
			}
		}
		return all
	case errors.As(err, &policy):
		return weak("newPassword", policy)
	case errors.As(err, &one):
		return &inputError{code: problem.InvalidRequest, fields: []field{{name: one.Field, code: one.Code, detail: one.Detail}}}
	}
	return nil
}

func kindOf(err error) kind {
	var limit *usher.LimitError
	if input := inputOf(err); input != nil {
		err = input
	} else if errors.As(err, &limit) {
		err = errTooMany
	}
	for _, k := range kinds {
		if errors.Is(err, k.is) {
			return k
		}
	}
	return kinds[len(kinds)-1]
}

// writeProblem answers with an error, and says nothing of its cause. It speaks the
// reader's language (RFC 9457 §3.1.3). What is said to programmers alone is in
// English, and Content-Language names both then (RFC 9110 §8.5).
func (h *Handlers) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	k := kindOf(err)
	speaker := h.catalogue.For(r.Header["Accept-Language"]...)
	key := "problem." + string(k.code)
	p := problem.Problem{Code: k.code, Title: speaker.Text(key), Detail: speaker.Text(key + ".text")}
	english := false
	if input := inputOf(err); input != nil {
		for _, f := range input.fields {
			detail, translated := f.say(speaker)
			english = english || !translated
			p.Fields = append(p.Fields, problem.Field{Field: f.name, Code: f.code, Detail: detail})
		}
		if input.detail != "" {
			p.Detail, english = input.detail, true
		}
	}
	language := speaker.Lang()
	if english && !strings.HasPrefix(language, "en") {
		language += ", en"
	}
	w.Header().Set("Content-Language", language)
	w.Header().Add("Vary", "Accept-Language")
	var limit *usher.LimitError
	if errors.As(err, &limit) {
		seconds := max(1, int64((limit.RetryAfter+time.Second-1)/time.Second))
		w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	if k.challenge != "" {
		w.Header().Set("WWW-Authenticate", k.challenge)
	}
	problem.Write(w, r, p)
}

// say returns what is wrong with the input in the words of the catalogue, which
// has some for what people type and for the rules of the policy. For the rest it
// is false, and the English detail, which tells programmers more.
func (f field) say(s *locale.Speaker) (string, bool) {
	if key := "invalid." + f.name + "." + f.code; s.Has(key) {
		return s.Text(key), true
	}
	switch key := "policy." + f.code; {
	case f.limit != 0 && s.Has(key):
		return s.Text(key, f.limit), true
	case isPassword(f.name) && f.code != string(password.CodeTooLong) && s.Has(key):
		return s.Text(key), true
	}
	return f.detail, false
}

// fail answers with an error, and logs what an operator should see.
func (h *Handlers) fail(w http.ResponseWriter, r *http.Request, err error) {
	h.dropDead(w, r, err)
	h.noteRefused(w, r, err)
	if !h.pages.problem(w, r, err) {
		h.writeProblem(w, r, err)
	}
}

// noteRefused logs an error that is about to be answered.
func (h *Handlers) noteRefused(w http.ResponseWriter, r *http.Request, err error) {
	level := slog.LevelDebug
	switch k := kindOf(err); {
	case errors.Is(r.Context().Err(), context.Canceled):
		// The client has gone away: nobody's fault.
	case k.code.Status() >= 500:
		level = slog.LevelError
	case errors.Is(err, middleware.ErrCrossOrigin):
		level = slog.LevelInfo
	}
	h.cfg.Logger.LogAttrs(r.Context(), level, "handlers: refused",
		slog.Time("at", h.cfg.Now().UTC()), slog.String("request_id", problem.RequestID(w, r)),
		slog.String("network", logs.Network(middleware.ClientAddress(r, h.cfg.TrustedProxies))), slog.String("method", r.Method),
		slog.String("route", r.Pattern), slog.String("error", fmt.Sprint(err)))
}

// refuse answers what the middleware refuses; that has logged it.
func (h *Handlers) refuse(w http.ResponseWriter, r *http.Request, refusal middleware.Refusal) {
	err := errInternal
	switch refusal.Code {
	case problem.NotSignedIn:
		err = errNotSignedIn
	case problem.InvalidSession:
		err = usher.ErrInvalidSession
	case problem.CrossOrigin:
		err = middleware.ErrCrossOrigin
	case problem.Unavailable:
		err = usher.ErrUnavailable
	}
	h.dropDead(w, r, err)
	if !h.pages.problem(w, r, err) {
		h.writeProblem(w, r, err)
	}
}

// dropDead takes away the cookies of a session that has ended, so that the
// browser stops to send them. An outage leaves them.
func (h *Handlers) dropDead(w http.ResponseWriter, r *http.Request, err error) {
	if h.cfg.Cookies == nil || !errors.Is(err, usher.ErrInvalidSession) || len(r.Header["Authorization"]) > 0 {
		return
	}
	if _, present := h.cfg.Cookies.Tokens(r); present {
		h.cfg.Cookies.ClearTokens(w, r)
	}
}
