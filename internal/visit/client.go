package visit

import (
	"net/http"
	"net/netip"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
)

// Client describes the client that sent the request.
func (v *Visits) Client(w http.ResponseWriter, r *http.Request) usher.Client {
	c := usher.Client{
		Address:   v.Address(r),
		UserAgent: r.UserAgent(),
		Language:  r.Header.Get("Accept-Language"),
		RequestID: problem.RequestID(w, r),
	}
	if v.Cookies != nil {
		c.Device = v.Cookies.Device(r)
	}
	return c
}

// Address returns the IP address of the client.
func (v *Visits) Address(r *http.Request) netip.Addr {
	return middleware.ClientAddress(r, v.TrustedProxies)
}

// ClientSigningIn describes a client that asks for a session. It also names the
// session that the new one replaces: that of the cookies, which will be
// overwritten, or that of the bearer token. The origin of the request need not be
// checked for that, because a page of another site cannot send the body of a sign-in.
func (v *Visits) ClientSigningIn(w http.ResponseWriter, r *http.Request) usher.Client {
	c := v.Client(w, r)
	if c.SessionID = v.CookieSession(r); c.SessionID == "" {
		if claims, ok := middleware.Claims(r.Context()); ok {
			c.SessionID = claims.SessionID
		}
	}
	return c
}

// CookieSession returns the id of the session in the cookies, or "" if none of
// its tokens is valid.
func (v *Visits) CookieSession(r *http.Request) string {
	if v.Cookies == nil {
		return ""
	}
	pair, present := v.Cookies.Tokens(r)
	if !present {
		return ""
	}
	claims, err := v.Service.ValidateSession(r.Context(), pair.Session)
	if err != nil {
		claims, err = v.Service.ValidateRefresh(r.Context(), pair.Refresh)
	}
	if err != nil {
		return ""
	}
	return claims.SessionID
}
