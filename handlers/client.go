package handlers

import (
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
)

// client is who asks.
func (h *Handlers) client(w http.ResponseWriter, r *http.Request) usher.Client {
	c := usher.Client{
		Address:   middleware.ClientAddress(r, h.cfg.TrustedProxies),
		UserAgent: r.UserAgent(),
		Language:  r.Header.Get("Accept-Language"),
		RequestID: problem.RequestID(w, r),
	}
	if h.cfg.Cookies != nil {
		c.Device = h.cfg.Cookies.Device(r)
	}
	return c
}

// newcomer is client for a request that starts a session. It names the session
// that the new one takes the place of: the one in the cookies, which are about
// to be overwritten, or the one of the bearer token. That no other site sent the
// request is known by its body, which no form can send.
func (h *Handlers) newcomer(w http.ResponseWriter, r *http.Request) usher.Client {
	c := h.client(w, r)
	if c.SessionID = h.cookieSession(r); c.SessionID == "" {
		if claims, ok := middleware.Claims(r.Context()); ok {
			c.SessionID = claims.SessionID
		}
	}
	return c
}

// cookieSession is the id of the session in the cookies, if a token of it
// verifies.
func (h *Handlers) cookieSession(r *http.Request) string {
	if h.cfg.Cookies == nil {
		return ""
	}
	pair, present := h.cfg.Cookies.Tokens(r)
	if !present {
		return ""
	}
	claims, err := h.auth.ValidateSession(r.Context(), pair.Session.Reveal())
	if err != nil {
		claims, err = h.auth.ValidateRefresh(r.Context(), pair.Refresh)
	}
	if err != nil {
		return ""
	}
	return claims.SessionID
}
