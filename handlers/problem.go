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
	codeInvalidRequest = "invalid_request"
	codePasswordPolicy = "password_policy"

	// The challenges of RFC 6750 §3 and RFC 9470 §3, as package middleware writes
	// them.
	challenge        = `Bearer realm="session"`
	challengeInvalid = challenge + `, error="invalid_token"`
	challengeRecent  = challenge + `, error="insufficient_user_authentication"`
)

// kind is what the client is told of an error.
type kind struct {
	is        error
	status    int
	code      string
	challenge string
}

// kinds is how every error is answered: the first that matches counts. An error
// that is not in it is the last one.
var kinds = []kind{
	{is: usher.ErrUnavailable, status: 503, code: "unavailable"},
	{is: errInvalidRequest, status: 400, code: codeInvalidRequest},
	{is: errPasswordPolicy, status: 400, code: codePasswordPolicy},
	{is: errTooMany, status: 429, code: "too_many_requests"},
	{is: usher.ErrInvalidCredentials, status: 401, code: "invalid_credentials"},
	{is: usher.ErrPasswordExpired, status: 403, code: "password_expired"},
	{is: usher.ErrUserDisabled, status: 403, code: "user_disabled"},
	{is: usher.ErrLoginIDTaken, status: 409, code: "login_id_taken"},
	{is: usher.ErrSignUpClosed, status: 403, code: "sign_up_closed"},
	{is: usher.ErrInvalidToken, status: 400, code: "invalid_token"},
	{is: usher.ErrInvalidSession, status: 401, code: "invalid_session", challenge: challengeInvalid},
	{is: errNotSignedIn, status: 401, code: "not_signed_in", challenge: challenge},
	{is: usher.ErrRecentSignInRequired, status: 401, code: "recent_sign_in_required", challenge: challengeRecent},
	// Not 401: clients end their session on that, and this one may be another's.
	{is: usher.ErrPasswordRequired, status: 403, code: "password_required"},
	{is: middleware.ErrCrossOrigin, status: 403, code: "cross_origin"},
	{is: usher.ErrForbidden, status: 403, code: "forbidden"},
	{is: errNoRoute, status: 404, code: "not_found"},
	{is: usher.ErrNotFound, status: 404, code: "not_found"},
	{is: errMethod, status: 405, code: "method_not_allowed"},
	{is: usher.ErrConflict, status: 409, code: "conflict"},
	{is: errMediaType, status: 415, code: "unsupported_media_type"},
	{is: errTooLarge, status: 413, code: "too_large"},
	{is: context.DeadlineExceeded, status: 503, code: "unavailable"},
	{is: context.Canceled, status: 503, code: "unavailable"},
	{is: errInternal, status: 500, code: "internal"},
}

// field is what is wrong with one input.
type field struct {
	Field  string `json:"field"`
	Code   string `json:"code"`
	Detail string `json:"detail"` // in English, until it is answered
	limit  int    // of a rule of the password policy
}

// inputError is a request that cannot be accepted, with the inputs to blame.
type inputError struct {
	code   string
	detail string // in the place of the kind's, in English
	fields []field
}

func (e *inputError) Error() string { return "handlers: " + e.code }

// Is makes an inputError find its kind.
func (e *inputError) Is(target error) bool {
	return target == errInvalidRequest && e.code == codeInvalidRequest ||
		target == errPasswordPolicy && e.code == codePasswordPolicy
}

func badBody(detail string) error { return &inputError{code: codeInvalidRequest, detail: detail} }

// weak is the answer to a password that breaks the policy.
func weak(name string, p *password.PolicyError) *inputError {
	e := &inputError{code: codePasswordPolicy}
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
		all := &inputError{code: codeInvalidRequest}
		for _, err := range several.All {
			if one := inputOf(err); one != nil {
				all.fields = append(all.fields, one.fields...)
			}
		}
		return all
	case errors.As(err, &policy):
		return weak("newPassword", policy)
	case errors.As(err, &one):
		return &inputError{code: codeInvalidRequest, fields: []field{{Field: one.Field, Code: one.Code, Detail: one.Detail}}}
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

// problem is a problem document (RFC 9457).
type problem struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Code      string  `json:"code"`
	Detail    string  `json:"detail"`
	Fields    []field `json:"fields,omitempty"`
	RequestID string  `json:"requestId"`
}

// writeProblem answers with an error, and says nothing of its cause. It speaks the
// reader's language (RFC 9457 §3.1.3). What is said to programmers alone is in
// English, and Content-Language names both then (RFC 9110 §8.5).
func (h *Handlers) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	k := kindOf(err)
	speaker := h.catalogue.For(r.Header["Accept-Language"]...)
	p := problem{
		Type: "urn:usher:problem:" + k.code, Title: speaker.Text("problem." + k.code), Status: k.status, Code: k.code,
		Detail: speaker.Text("problem." + k.code + ".text"), RequestID: w.Header().Get(requestIDHeader),
	}
	english := false
	if input := inputOf(err); input != nil {
		for _, f := range input.fields {
			var translated bool
			f.Detail, translated = f.say(speaker)
			english = english || !translated
			p.Fields = append(p.Fields, f)
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
	write(w, k.status, "application/problem+json; charset=utf-8", p)
}

// say returns what is wrong with the input in the words of the catalogue, which
// has some for what people type and for the rules of the policy. For the rest it
// is false, and the English detail, which tells programmers more.
func (f field) say(s *locale.Speaker) (string, bool) {
	if key := "invalid." + f.Field + "." + f.Code; s.Has(key) {
		return s.Text(key), true
	}
	switch key := "policy." + f.Code; {
	case f.limit != 0 && s.Has(key):
		return s.Text(key, f.limit), true
	case isPassword(f.Field) && f.Code != string(password.CodeTooLong) && s.Has(key):
		return s.Text(key), true
	}
	return f.Detail, false
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
	case k.status >= 500:
		level = slog.LevelError
	case errors.Is(err, middleware.ErrCrossOrigin):
		level = slog.LevelInfo
	}
	h.cfg.Logger.LogAttrs(r.Context(), level, "handlers: refused",
		slog.Time("at", h.cfg.Now().UTC()), slog.String("request_id", w.Header().Get(requestIDHeader)),
		slog.String("network", logs.Network(middleware.ClientAddress(r, h.cfg.TrustedProxies))), slog.String("method", r.Method),
		slog.String("route", r.Pattern), slog.String("error", fmt.Sprint(err)))
}

// refuse answers what the middleware refuses; that has logged it.
func (h *Handlers) refuse(w http.ResponseWriter, r *http.Request, refusal middleware.Refusal) {
	err := errInternal
	switch refusal.Kind {
	case middleware.NoCredentials:
		err = errNotSignedIn
	case middleware.InvalidCredentials:
		err = usher.ErrInvalidSession
	case middleware.CrossOriginRequest:
		err = middleware.ErrCrossOrigin
	case middleware.Unavailable:
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
