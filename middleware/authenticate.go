package middleware

import (
	"errors"
	"net/http"
	"strings"

	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/token"
)

var (
	errNoToken  = errors.New("middleware: the session cookie contains no token")
	errConflict = errors.New("middleware: the session cookies belong to different sessions")
)

// authenticate finds the one credential of the request and validates it. It
// returns either a session or a refusal.
func (m *Middleware) authenticate(w http.ResponseWriter, r *http.Request, p *protected) (session, *Refusal) {
	raw, found, err := bearer(r.Header)
	switch {
	case err != nil:
		return session{}, newRefusal(problem.InvalidSession, err)
	case found:
		claims, err := m.validate(r, raw)
		if err != nil {
			return session{}, refusalFor(err)
		}
		return session{claims: claims, validatedBy: m, bearer: true}, nil
	case m.cfg.Cookies == nil:
		return session{}, newRefusal(problem.NotSignedIn, nil)
	}
	pair, present, err := m.readTokens(r)
	var acting impersonationCookie
	if m.impersonation != nil {
		acting.session, acting.operatorSession, acting.present = m.impersonation.Impersonation(r)
	}
	if !present && !acting.present {
		return session{}, newRefusal(problem.NotSignedIn, nil)
	}
	if err := m.checkOrigin(r); err != nil {
		return session{}, newRefusal(problem.CrossOrigin, err)
	}
	if err != nil {
		return session{}, newRefusal(problem.Unavailable, err)
	}
	if pair == (token.Pair{}) {
		if c, ok := m.cfg.Cookies.(conflictRejecter); ok && c.RejectConflict(w, r) {
			p.cookiesAdded(w)
			return session{}, newRefusal(problem.InvalidSession, errConflict)
		}
	}
	claims, refusal := m.authenticatePair(w, r, p, pair)
	if acting.present {
		return m.authenticateImpersonation(w, r, p, acting, claims, refusal)
	}
	if refusal != nil {
		return session{}, refusal
	}
	return session{claims: claims, validatedBy: m}, nil
}

// tokenReader is an interface that Config.Cookies may implement. cookies.Jar does.
type tokenReader interface {
	// ReadTokens is TokenCookies.Tokens. With an error it is not known whether the request has
	// a session.
	ReadTokens(r *http.Request) (pair token.Pair, present bool, err error)
}

func (m *Middleware) readTokens(r *http.Request) (pair token.Pair, present bool, err error) {
	if c, ok := m.cfg.Cookies.(tokenReader); ok {
		return c.ReadTokens(r)
	}
	pair, present = m.cfg.Cookies.Tokens(r)
	return pair, present, nil
}

// conflictRejecter is an interface that Config.Cookies may implement. cookies.Jar does.
type conflictRejecter interface {
	// RejectConflict reports whether the request has session cookies of different
	// sessions. It then adds cookies to the response that delete all of them.
	RejectConflict(w http.ResponseWriter, r *http.Request) bool
}

// checkOrigin checks the origin of a request with a cookie. The handshake of a
// WebSocket is a GET, but it opens a connection that can change something, so it
// is checked like a POST.
func (m *Middleware) checkOrigin(r *http.Request) error {
	if r.Method == http.MethodGet && len(r.Header["Upgrade"]) > 0 && strings.Contains(strings.ToLower(strings.Join(r.Header["Upgrade"], ",")), "websocket") {
		post := r.WithContext(r.Context())
		post.Method = http.MethodPost
		r = post
	}
	return m.origins.CheckCookie(r)
}

// authenticatePair validates the session token of a cookie. It refreshes the
// tokens if that token is expired or missing.
func (m *Middleware) authenticatePair(w http.ResponseWriter, r *http.Request, p *protected, pair token.Pair) (*token.Claims, *Refusal) {
	canRefresh := m.cfg.Refresher != nil && pair.Refresh != ""
	if pair.Session == "" {
		if canRefresh {
			return m.refresh(w, r, p, pair.Refresh)
		}
		return nil, newRefusal(problem.InvalidSession, errNoToken)
	}
	claims, err := m.validate(r, pair.Session.Reveal())
	switch {
	case err == nil:
		return claims, nil
	case canRefresh && errors.Is(err, token.ErrExpired):
		return m.refresh(w, r, p, pair.Refresh)
	}
	return nil, refusalFor(err)
}

// validate calls the Validator and enforces its contract.
func (m *Middleware) validate(r *http.Request, raw string) (*token.Claims, error) {
	claims, err := m.cfg.Validator.ValidateSession(r.Context(), token.Secret(raw))
	if err == nil && claims == nil {
		return nil, errors.New("middleware: Config.Validator returned neither claims nor an error")
	}
	return claims, err
}

// refusalFor returns the refusal for an error of the Validator or Refresher. Only
// token.ErrInvalid means that the token is invalid.
func refusalFor(err error) *Refusal {
	var rejected rejection
	switch {
	case errors.Is(err, token.ErrInvalid):
		return newRefusal(problem.InvalidSession, err)
	case errors.As(err, &rejected):
		return newRefusal(problem.Rejected, err)
	}
	return newRefusal(problem.Unavailable, err)
}
