// Package middleware validates the session of a request and puts its verified
// claims into the context. It is func(http.Handler) http.Handler throughout, so
// it fits net/http, chi, gorilla/mux, alice and every other router alike, and it
// links neither SQL nor a cookie library.
//
//	m, err := middleware.New(middleware.Config{
//		Sessions:  service, // an *usher.Service
//		Refresher: service,
//		Cookies:   jar, // a *cookies.Jar; leave both out for bearer tokens alone
//	})
//	...
//	mux.Handle("GET /dashboard", m.Require(dashboard))
//	mux.Handle("POST /articles", m.RequireRole("editor", "admin")(publish))
//	mux.Handle("POST /payout", m.RequireRecent(5*time.Minute)(payout))
//
//	func dashboard(w http.ResponseWriter, r *http.Request) {
//		claims, _ := middleware.Claims(r.Context())
//		...
//	}
//
// A program that holds no users validates the same sessions with the public keys
// of the one that does: see [OpenRemote].
//
// # Where a token may be
//
// In one place: the Authorization header with the scheme Bearer, or, where the
// request has no such header, the session cookie. A header that does not count
// is never made good by a cookie. Query and body are not read (RFC 9700 §4.3.2).
//
// # Cookies
//
// With a cookie, requests that could change something must come from the
// program's own pages: see [CrossOrigin]. A session token that has expired is
// exchanged by the Refresher in passing, once for all requests that arrive
// together, and the answer carries the new cookie. Where the session has ended
// the cookie is taken away; where it only cannot be judged now the answer is 503
// and the cookie stays, so that an outage signs nobody out.
package middleware
