package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/locale"
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
	is           error
	status       int
	code, detail string
	challenge    string
}

// kinds is how every error is answered: the first that matches counts. An error
// that is not in it is the last one.
var kinds = []kind{
	{is: usher.ErrUnavailable, status: 503, code: "unavailable", detail: "Try again in a moment."},
	{is: errInvalidRequest, status: 400, code: codeInvalidRequest, detail: "The request cannot be accepted as it is."},
	{is: errPasswordPolicy, status: 400, code: codePasswordPolicy, detail: "Choose another password."},
	{is: errTooMany, status: 429, code: "too_many_requests", detail: "Wait before you try again."},
	{is: usher.ErrInvalidCredentials, status: 401, code: "invalid_credentials", detail: "The login id or the password is wrong."},
	{is: usher.ErrPasswordExpired, status: 403, code: "password_expired", detail: "The password must be replaced first."},
	{is: usher.ErrUserDisabled, status: 403, code: "user_disabled", detail: "This user may not sign in."},
	{is: usher.ErrLoginIDTaken, status: 409, code: "login_id_taken", detail: "Somebody has this login id."},
	{is: usher.ErrSignUpClosed, status: 403, code: "sign_up_closed", detail: "Nobody can sign up here."},
	{is: usher.ErrInvalidToken, status: 400, code: "invalid_token", detail: "The link is not valid any more. Ask for another one."},
	{is: usher.ErrInvalidSession, status: 401, code: "invalid_session", detail: "The session is not valid. Sign in again.", challenge: challengeInvalid},
	{is: errNotSignedIn, status: 401, code: "not_signed_in", detail: "Sign in first.", challenge: challenge},
	{is: usher.ErrRecentSignInRequired, status: 401, code: "recent_sign_in_required", detail: "Sign in again, or give the current password.", challenge: challengeRecent},
	{is: middleware.ErrCrossOrigin, status: 403, code: "cross_origin", detail: "The request must come from this site itself. Programs without a browser send an X-Requested-With header."},
	{is: usher.ErrForbidden, status: 403, code: "forbidden", detail: "This session may not do that."},
	{is: errNoRoute, status: 404, code: "not_found", detail: "There is nothing here."},
	{is: usher.ErrNotFound, status: 404, code: "not_found", detail: "There is nothing here."},
	{is: errMethod, status: 405, code: "method_not_allowed", detail: "The header Allow has the methods."},
	{is: usher.ErrConflict, status: 409, code: "conflict", detail: "It was changed in the meantime. Nothing was changed now."},
	{is: errMediaType, status: 415, code: "unsupported_media_type", detail: "The body must be application/json."},
	{is: errTooLarge, status: 413, code: "too_large", detail: "The body must be at most 16 KiB."},
	{is: context.DeadlineExceeded, status: 503, code: "unavailable", detail: "Try again in a moment."},
	{is: context.Canceled, status: 503, code: "unavailable", detail: "Try again in a moment."},
	{is: errInternal, status: 500, code: "internal", detail: "Something went wrong."},
}

// texts is the catalogue that answers speak from.
func (h *Handlers) texts() *locale.Catalogue {
	if h.pages != nil {
		return h.pages.catalogue
	}
	return locale.Default()
}

// field is what is wrong with one input.
type field struct {
	Field  string `json:"field"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// inputError is a request that cannot be accepted, with the inputs to blame.
type inputError struct {
	code   string
	detail string // in the place of the kind's
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
		e.fields = append(e.fields, field{Field: name, Code: string(v.Code), Detail: v.Detail})
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
		return &inputError{code: codeInvalidRequest, fields: []field{{one.Field, one.Code, one.Detail}}}
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

// writeProblem answers with an error, and says nothing of its cause. Its title is
// in the reader's language (RFC 9457 §3.1.3).
func (h *Handlers) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	k := kindOf(err)
	speaker := h.texts().For(r.Header["Accept-Language"]...)
	w.Header().Set("Content-Language", speaker.Lang())
	w.Header().Add("Vary", "Accept-Language")
	p := problem{
		Type: "urn:usher:problem:" + k.code, Title: speaker.Text("problem." + k.code), Status: k.status, Code: k.code, Detail: k.detail,
		RequestID: w.Header().Get(requestIDHeader),
	}
	if input := inputOf(err); input != nil {
		p.Fields = input.fields
		if input.detail != "" {
			p.Detail = input.detail
		}
	}
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
		slog.String("request_id", w.Header().Get(requestIDHeader)), slog.String("method", r.Method),
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
