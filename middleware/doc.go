// Package middleware validates the session of a request and puts its verified
// claims into the request's context.
//
//	m, err := middleware.New(middleware.Config{
//		Validator: service, // an *usher.Service
//		Refresher: service,
//		Cookies:   jar, // a *cookies.Jar; omit both for bearer tokens only
//	})
//	...
//	mux.Handle("GET /dashboard", m.RequireFunc(dashboard))
//	mux.Handle("POST /articles", m.RequireRole("editor", "admin")(publish))
//	mux.Handle("POST /payout", m.RequireRecent(5*time.Minute)(payout))
//
//	func dashboard(w http.ResponseWriter, r *http.Request) {
//		claims, _ := middleware.Claims(r.Context())
//		...
//	}
//
// A program that mounts package handlers needs no Middleware of its own: a
// handlers.Handlers has every method of [Middleware].
//
// Every middleware is a func(http.Handler) http.Handler, so it works with
// net/http, chi, gorilla/mux, alice and other routers. The package links neither
// SQL nor a cookie library.
//
// # Sessions of another program
//
// A program without users of its own validates the sessions of another program
// with that program's public keys: [OpenRemote] returns a [Validator] for Config.
//
// # Where the token comes from
//
// The token comes from the Authorization header with the scheme Bearer or, if
// the request has no such header, from the session cookie. If the header is
// invalid the request is refused, even if it also has a valid cookie. The query
// and the body are not read (RFC 9700 §4.3.2).
//
// # Cookies
//
// A request with a cookie that could change something must come from the
// program's own pages; see [CrossOrigin]. If the session token in a cookie has
// expired, the [Refresher] exchanges the refresh token and the response carries
// the new cookie. Concurrent requests with the same cookie share one exchange. A
// protocol upgrade, such as the handshake of a WebSocket, exchanges nothing,
// because its response cannot set the cookie. If the session has ended, the
// response deletes the cookie. If the exchange fails for another reason, the
// response is 503 and the cookie stays, so that an outage signs no user out.
//
// # Caches
//
// The response to a request with a valid session has Cache-Control: no-store, so that
// the back button of a browser does not show it after the sign-out. A handler may set
// another value, such as "private, max-age=3600" for an image that every user sees.
//
// # Refusals
//
// A refused request gets a problem document of package problem. Config.SignInPath
// sends users who navigate to a sign-in page instead, and Config.OnRefusal replaces the
// response. [RequestID] gives every request an id that documents and logs
// contain.
package middleware
