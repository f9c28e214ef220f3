package middleware

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/token"
)

// Refusal describes a refused request.
type Refusal struct {
	// Code is the reason, one of these codes of package problem:
	//
	//	NotSignedIn           the request has no token
	//	InvalidSession        the request has an invalid token
	//	ImpersonationEnded    an operator acted as a user by a cookie, and that has ended
	//	RecentSignInRequired  the sign-in is too old (RFC 9470)
	//	Forbidden             the user lacks the role or permission
	//	EmailNotVerified      the user has not confirmed the email address
	//	CrossOrigin           a page of another site sent the request
	//	Unavailable           the session cannot be validated at the moment
	//	Internal              the refreshed tokens could not be put into cookies
	//	Rejected              the program refuses to refresh the session (usher.Rejection)
	//
	// Code.Status returns the HTTP status.
	Code problem.Code
	// Challenge is the value of the WWW-Authenticate header (RFC 6750 §3), or "".
	Challenge string
	// Err is the cause, for logs. Except a usher.Rejection, it must not reach the client.
	// It may be nil.
	Err error
}

// rejection is a usher.Rejection, by which Config.Claims refuses a refresh.
type rejection interface {
	error
	Rejection() (code, field, message string)
}

func newRefusal(code problem.Code, err error) *Refusal { return &Refusal{Code: code, Err: err} }

// challenge returns the WWW-Authenticate header of RFC 6750 §3, which has no error code if
// the request had no token, and the code of RFC 9470 if the sign-in is older than maxAge.
func challenge(realm string, code problem.Code, maxAge time.Duration) string {
	c := fmt.Sprintf("Bearer realm=%q", realm)
	switch code {
	case problem.NotSignedIn:
		return c
	case problem.InvalidSession, problem.ImpersonationEnded:
		return c + `, error="invalid_token"`
	case problem.RecentSignInRequired:
		return fmt.Sprintf(`%s, error="insufficient_user_authentication", max_age=%d`, c, max(0, int64(maxAge/time.Second)))
	case problem.Forbidden:
		return c + `, error="insufficient_scope"`
	}
	return ""
}

// WriteRefusal writes refusal as a problem document (RFC 9457) with its status:
//
//	{"type":"https://…/docs/errors/invalid_session.md","title":"Invalid session","status":401,
//	 "code":"invalid_session","detail":"…","requestId":"…"}
//
// Refusals with the same code differ only in the request id, so the client
// learns nothing about the cause.
func WriteRefusal(w http.ResponseWriter, r *http.Request, refusal Refusal) {
	if refusal.Challenge != "" {
		w.Header().Set("WWW-Authenticate", refusal.Challenge)
	}
	p := problem.Problem{Code: refusal.Code}
	var rejected rejection
	if refusal.Code == problem.Rejected && errors.As(refusal.Err, &rejected) {
		code, field, message := rejected.Rejection()
		p.Detail, p.Fields = message, []problem.Field{{Field: field, Code: code, Detail: message}}
	}
	problem.Write(w, r, p)
}

// refuse logs the refusal and writes the response. maxAge is that of RequireRecent, and
// cookies reports whether this Middleware has added cookies to the response.
func (m *Middleware) refuse(w http.ResponseWriter, r *http.Request, refusal *Refusal, maxAge time.Duration, cookies bool) {
	refusal.Challenge = challenge(m.cfg.Realm, refusal.Code, maxAge)
	m.logRefusal(w, r, refusal)
	if refusal.Code == problem.Unavailable {
		w.Header().Set("Retry-After", problem.UnavailableRetryAfter)
	}
	serveRefreshed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.cfg.OnRefusal(w, r, *refusal) }), w, r, cookies)
}

// logRefusal logs the code and cause of a refusal, but not the path, which may
// contain a secret.
func (m *Middleware) logRefusal(w http.ResponseWriter, r *http.Request, refusal *Refusal) {
	level := slog.LevelInfo
	switch refusal.Code {
	case problem.NotSignedIn:
		level = slog.LevelDebug
	case problem.Unavailable:
		level = slog.LevelWarn
	case problem.Internal:
		level = slog.LevelError
	}
	if !m.cfg.Logger.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.Time("at", m.cfg.Now().UTC()),
		slog.String("refusal", string(refusal.Code)),
		slog.String("method", r.Method),
		slog.String("route", r.Pattern),
		slog.String("network", logs.Network(ClientAddress(r, m.cfg.TrustedProxies))),
		slog.String("request_id", problem.RequestID(w, r)),
	}
	var te *token.Error
	if errors.As(refusal.Err, &te) {
		attrs = append(attrs, slog.String("reason", te.Reason))
	} else if refusal.Err != nil {
		attrs = append(attrs, slog.String("error", refusal.Err.Error()))
	}
	m.cfg.Logger.LogAttrs(r.Context(), level, "request refused", attrs...)
}
