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

// RefusalKind says why a request was refused. As a string it is the stable code
// of the problem document.
type RefusalKind string

// The kinds of refusal. The status is in brackets.
const (
	// NoCredentials means that the request has no token at all [401].
	NoCredentials RefusalKind = "not_signed_in"
	// InvalidCredentials means that the request has a token that does not count;
	// the client is not told why [401].
	InvalidCredentials RefusalKind = "invalid_session"
	// RecentSignInRequired means that the sign-in is too old for the act [401,
	// RFC 9470].
	RecentSignInRequired RefusalKind = "recent_sign_in_required"
	// Forbidden means that the session is valid and lacks a right [403].
	Forbidden RefusalKind = "forbidden"
	// EmailNotVerified means that the user has not confirmed the address [403].
	EmailNotVerified RefusalKind = "email_not_verified"
	// CrossOriginRequest means that another site's page sent the request [403].
	CrossOriginRequest RefusalKind = "cross_origin"
	// Unavailable means that the session could not be judged now [503]. Nobody
	// was signed out by it.
	Unavailable RefusalKind = "unavailable"
	// Internal means that the refreshed tokens could not be stored in cookies
	// [500].
	Internal RefusalKind = "internal"
)

// Refusal is a request that was refused.
type Refusal struct {
	// Kind is why.
	Kind RefusalKind
	// Status is the HTTP status.
	Status int
	// Code is the stable code of the problem document.
	Code string
	// Challenge is the WWW-Authenticate header (RFC 6750 §3), or empty.
	Challenge string
	// Err is the cause: for logs, never for the client. It may be nil.
	Err error
}

// needsSignIn reports whether signing in would help.
func (r Refusal) needsSignIn() bool { return r.Status == http.StatusUnauthorized }

func newRefusal(kind RefusalKind, err error) *Refusal {
	return &Refusal{Kind: kind, Status: problem.Code(kind).Status(), Code: string(kind), Err: err}
}

func crossOriginRefusal(err error) Refusal { return *newRefusal(CrossOriginRequest, err) }

// challenge is the WWW-Authenticate header of RFC 6750 §3: without an error code
// where the request had no token, and with the one of RFC 9470 where the sign-in
// is too old.
func challenge(realm string, kind RefusalKind, maxAge time.Duration) string {
	c := fmt.Sprintf("Bearer realm=%q", realm)
	switch kind {
	case NoCredentials:
		return c
	case InvalidCredentials:
		return c + `, error="invalid_token"`
	case RecentSignInRequired:
		return fmt.Sprintf(`%s, error="insufficient_user_authentication", max_age=%d`, c, max(0, int64(maxAge/time.Second)))
	case Forbidden:
		return c + `, error="insufficient_scope"`
	}
	return ""
}

// WriteRefusal answers with a problem document (RFC 9457):
//
//	{"type":"urn:usher:problem:invalid_session","title":"Invalid session","status":401,
//	 "code":"invalid_session","detail":"…","requestId":"…"}
//
// Refusals of one kind differ in nothing but the request id, so the client
// learns nothing about the cause.
func WriteRefusal(w http.ResponseWriter, r *http.Request, refusal Refusal) {
	if refusal.Challenge != "" {
		w.Header().Set("WWW-Authenticate", refusal.Challenge)
	}
	problem.Write(w, r, problem.Problem{Code: problem.Code(refusal.Code), Status: refusal.Status})
}

// refuse logs and answers.
func (m *Middleware) refuse(w http.ResponseWriter, r *http.Request, refusal *Refusal, maxAge time.Duration) {
	refusal.Challenge = challenge(m.cfg.Realm, refusal.Kind, maxAge)
	m.log(w, r, refusal)
	m.cfg.OnRefusal(w, r, *refusal)
}

// log writes the class of a refusal. The path stays out: it may hold a secret.
func (m *Middleware) log(w http.ResponseWriter, r *http.Request, refusal *Refusal) {
	level := slog.LevelInfo
	switch refusal.Kind {
	case NoCredentials:
		level = slog.LevelDebug
	case Unavailable:
		level = slog.LevelWarn
	case Internal:
		level = slog.LevelError
	}
	if !m.cfg.Logger.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.Time("at", m.cfg.Now().UTC()),
		slog.String("refusal", refusal.Code),
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
