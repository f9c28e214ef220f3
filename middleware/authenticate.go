package middleware

import (
	"errors"
	"net/http"
	"strings"

	"github.com/usherkit/usher/token"
)

var errNoToken = errors.New("middleware: the session cookie holds no token")

// authenticate finds the request's credential, in one place only, and judges
// it. It returns either a session or a refusal.
func (m *Middleware) authenticate(w http.ResponseWriter, r *http.Request) (session, *Refusal) {
	raw, found, err := bearer(r.Header)
	switch {
	case err != nil:
		return session{}, newRefusal(InvalidCredentials, err)
	case found:
		claims, err := m.validate(r, raw)
		if err != nil {
			return session{}, judge(err)
		}
		return session{claims, Bearer, m}, nil
	case m.cfg.Cookies == nil:
		return session{}, newRefusal(NoCredentials, nil)
	}
	pair, present := m.cfg.Cookies.Tokens(r)
	if !present {
		return session{}, newRefusal(NoCredentials, nil)
	}
	if err := m.checkOrigin(r); err != nil {
		return session{}, newRefusal(CrossOriginRequest, err)
	}
	claims, refusal := m.fromPair(w, r, pair)
	if refusal != nil {
		return session{}, refusal
	}
	return session{claims, Cookie, m}, nil
}

// checkOrigin is the check for cookies. The handshake of a WebSocket is a GET,
// and what follows is not: it is checked as if it were a POST.
func (m *Middleware) checkOrigin(r *http.Request) error {
	if r.Method == http.MethodGet && r.Header["Upgrade"] != nil && strings.Contains(strings.ToLower(r.Header.Get("Upgrade")), "websocket") {
		post := r.WithContext(r.Context())
		post.Method = http.MethodPost
		r = post
	}
	return m.origins.CheckCookie(r)
}

// fromPair judges the session token of a cookie, and refreshes one that is
// expired or missing.
func (m *Middleware) fromPair(w http.ResponseWriter, r *http.Request, pair token.Pair) (*token.Claims, *Refusal) {
	canRefresh := m.cfg.Refresher != nil && pair.Refresh != ""
	if pair.Session == "" {
		if canRefresh {
			return m.refresh(w, r, pair.Refresh)
		}
		return nil, newRefusal(InvalidCredentials, errNoToken)
	}
	claims, err := m.validate(r, pair.Session.Reveal())
	switch {
	case err == nil:
		return claims, nil
	case canRefresh && errors.Is(err, token.ErrExpired):
		return m.refresh(w, r, pair.Refresh)
	}
	return nil, judge(err)
}

// validate asks Sessions, and makes sure of its contract.
func (m *Middleware) validate(r *http.Request, raw string) (*token.Claims, error) {
	claims, err := m.cfg.Sessions.ValidateSession(r.Context(), raw)
	if err == nil && claims == nil {
		return nil, errors.New("middleware: Config.Sessions returned neither claims nor an error")
	}
	return claims, err
}

// judge turns an error of Sessions into a refusal. What is not plainly a refusal
// of the token says nothing about it.
func judge(err error) *Refusal {
	if errors.Is(err, token.ErrInvalid) {
		return newRefusal(InvalidCredentials, err)
	}
	return newRefusal(Unavailable, err)
}
