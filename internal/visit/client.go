package visit

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/token"
)

// Client describes the client that sent the request.
func (v *Visits) Client(w http.ResponseWriter, r *http.Request) usher.Client {
	v.warnOfProxy(r)
	c := usher.Client{
		Address:   v.Address(r),
		UserAgent: r.UserAgent(),
		Language:  append(v.Languages(r), "")[0],
		RequestID: problem.RequestID(w, r),
	}
	if v.Cookies != nil {
		c.Device = v.Cookies.Device(r)
	}
	return c
}

// Languages returns what the reader prefers: the language that the user has chosen on a
// page, and then the values of Accept-Language.
func (v *Visits) Languages(r *http.Request) []string {
	all := r.Header["Accept-Language"]
	if v.Cookies != nil {
		if chosen := v.Cookies.Note(r, NoteLanguage).Reveal(); chosen != "" {
			return append([]string{chosen}, all...)
		}
	}
	return slices.Clip(all)
}

// Address returns the IP address of the client.
func (v *Visits) Address(r *http.Request) netip.Addr {
	return middleware.ClientAddress(r, v.TrustedProxies)
}

// warnOfProxy warns once if a proxy seems to have sent the request and its clients have
// no addresses: the peer is a Unix socket, or it is in a private network, sends
// X-Forwarded-For and is not trusted.
func (v *Visits) warnOfProxy(r *http.Request) {
	at := v.Address(r)
	if at.IsValid() {
		trusted := slices.ContainsFunc(v.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(at) })
		private := at.IsLoopback() || at.IsPrivate()
		if trusted || !private || r.Header["X-Forwarded-For"] == nil || at != middleware.ClientAddress(r, nil) {
			return
		}
	}
	v.proxyWarning.Do(func() {
		v.Logger.Warn("handlers: all clients behind the proxy count as one network, because their addresses are unknown: name the proxy in Config.TrustedProxies (middleware.UnixSocket for a Unix socket), and let it set X-Forwarded-For")
	})
}

// ClientSigningIn describes a client that asks for a session. It also names the session
// that the new one replaces: the session of the cookies, which will be overwritten, or of
// the bearer token. The origin of the request need not be checked for that, because a page
// of another site cannot send the body of a sign-in.
func (v *Visits) ClientSigningIn(w http.ResponseWriter, r *http.Request) usher.Client {
	c := v.Client(w, r)
	c.EndWithBrowser = v.EndWithBrowser
	if c.SessionID = v.CookieSession(r); c.SessionID == "" {
		if claims, ok := middleware.Claims(r.Context()); ok {
			c.SessionID, c.SessionActor = claims.SessionID, claims.Actor
		}
	}
	return c
}

// CookieSession returns the id of the session in the cookies, or "" if none of
// its tokens is valid.
func (v *Visits) CookieSession(r *http.Request) string {
	if claims := v.cookieClaims(r); claims != nil {
		return claims.SessionID
	}
	return ""
}

// cookieClaims returns the claims of the session in the cookies, or nil if none of its
// tokens is valid.
func (v *Visits) cookieClaims(r *http.Request) *token.Claims {
	if v.Cookies == nil {
		return nil
	}
	pair, present := v.Cookies.Tokens(r)
	if !present {
		return nil
	}
	claims, err := v.Service.ValidateSession(r.Context(), pair.Session)
	if err != nil {
		claims, err = v.Service.ValidateRefresh(r.Context(), pair.Refresh)
	}
	if err != nil {
		return nil
	}
	return claims
}
