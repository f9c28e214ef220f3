// Package handlers serves a usher.Service over HTTP: sign-up, sign-in, passwords,
// sessions and emailed links as JSON routes and as HTML pages, and the middleware
// that requires a session on the program's own routes.
//
//	h, err := handlers.New(service, handlers.Config{Pages: &pages.Config{Home: "/dashboard"}})
//	…
//	mux.Handle("/auth/", h)
//	mux.Handle("GET /dashboard", h.Require(dashboard))
//	server := handlers.NewServer("localhost:8080", mux)
//
// See the example of the package for a whole program.
//
// Each JSON route is also a method of Handlers, which can be mounted alone. The
// table of all routes is in routes.go.
//
// # Tokens
//
// With Config.Pages or Config.Cookies the tokens are in cookies and in no body, for
// browsers. Otherwise they are in the bodies, as sessionToken, refreshToken and
// expiresIn (seconds). The client then sends the session token as a bearer token
// (RFC 6750), and {"refreshToken"} to refresh and sign out. A program may mount both
// kinds over one Service.
//
// An answer that signs a user in or completes a reset also makes the browser or the app a
// known one, by a device token: in a cookie, or in the body as deviceToken. An app keeps it
// for 180 days, also after the sign-out, and replaces it by each new one. It sends the token
// in the body of POST /signin, /password/replace, /password/update, /password/reset, /email/verify
// and /email/change. Known browsers and apps have limits of their own (usher.LimitConfig),
// so that an attacker who guesses the password does not keep the user out. The token does
// not sign a user in, and a change of the password invalidates it.
//
// In the documentation of the routes, "the session" is
//
//	{"user":{"id","loginId","email","emailVerified","name","picture"},
//	 "session":{"id","createdAt","lastSeenAt","expiresAt","current","userAgent","address"}}
//
// A program that signs users in by other means too passes [Handlers.Client] to
// usher.Service.StartSession, and the result to [Handlers.Finish].
//
// # Requests
//
// A body is one JSON object of at most 16 KiB with Content-Type
// application/json. Unknown members are ignored; a member that occurs twice is an
// error. Nothing is read from the query.
//
// A request that changes something must come from the program's own pages or from
// Config.TrustedOrigins. Every current browser sends a Sec-Fetch-Site or Origin header,
// which proves that. Another client that is authenticated by a cookie must send an
// X-Requested-With header of any value:
//
//	curl -c jar -b jar -H 'Content-Type: application/json' -d '{"loginId":…}' https://app.example.com/auth/signin
//	curl -c jar -b jar -H 'X-Requested-With: curl' -X POST https://app.example.com/auth/signout
//
// The first command does not need the header, even if the jar has a session.
// Sign-in, sign-up, replacement and reset are authenticated by their body, and no form
// of another site can send such a body.
//
// The pages of Config.TrustedOrigins may also read the answers (CORS), and with
// [Handlers.CORS] those of the program's own routes:
//
//	mux.Handle("/api/", h.CORS(h.Require(api)))
//
// # Pages
//
// With Config.Pages the mount also has pages for sign-up, sign-in, a forgotten
// password, the confirmation of an address, and the account. Its routes then take
// forms as well as JSON. See package pages.
//
// # Answers
//
// Caches must not store any answer except that of GET /keys, for a minute. X-Request-Id
// names the request in the log and in events. It is the client's own id if that has at
// most 64 letters, digits, dots, dashes and underscores.
//
// Errors are problem documents (RFC 9457) in the reader's language, see
// [Config.Texts]. Details for programmers, such as what is wrong with a body, are
// in English.
//
//	{"type":"https://…/docs/errors/invalid_request.md","title":"…","status":400,"code":"invalid_request",
//	 "detail":"…","fields":[{"field":"user.name","code":"too_long","detail":"…"}],"requestId":"…"}
//
// The code is stable. The constants of package problem are all codes, each with its
// meaning and status. [Config.OnError] replaces the format.
package handlers
