// Package handlers is the HTTP face of a Service: sign-up, sign-in, passwords,
// sessions and mailed links as JSON routes, and the middleware that guards the
// program's own routes with the same sessions.
//
//	h, err := handlers.New(service, handlers.Config{Cookies: jar})
//	…
//	mux.Handle("/auth/", http.StripPrefix("/auth", h))
//	mux.Handle("GET /dashboard", h.Require(dashboard))
//	server := handlers.NewServer(":8443", mux)
//
// Every route is also a method of Handlers, to be mounted alone.
//
// # Tokens
//
// With Config.Cookies the tokens are in cookies and in no body: for browsers.
// Without, they are in the bodies, as sessionToken, refreshToken and expiresIn
// (seconds), the session token comes back as a bearer token (RFC 6750), and
// refresh and sign-out take {"refreshToken"}. One program may mount both over
// one Service. "The session" that routes answer with is
//
//	{"user":{"id","loginId","email","emailVerified","name","picture"},
//	 "session":{"id","createdAt","lastSeenAt","expiresAt","current","userAgent","address"}}
//
// # Requests
//
// A body is one JSON object of at most 16 KiB with Content-Type
// application/json. Unknown members are ignored; a member that is there twice is
// an error. Nothing is read from the query.
//
// Requests that change something must come from the program's own pages, or
// from Config.TrustedOrigins. One that rests on a cookie and comes with neither
// Sec-Fetch-Site nor Origin, which no browser of today sends, needs an
// X-Requested-With header of any value:
//
//	curl -c jar -b jar -H 'Content-Type: application/json' -d '{"loginId":…}' https://app.example.com/auth/signin
//	curl -c jar -b jar -H 'X-Requested-With: curl' -X POST https://app.example.com/auth/signout
//
// The first does not need it even when the jar is full, since a sign-in, a
// sign-up, a replacement and a reset prove who asks by what is in the body,
// which no form of another site can send.
//
// # Pages
//
// With Config.Pages the mount has pages for people too, and takes their forms
// beside JSON: sign-up, sign-in, the way back after a forgotten password,
// confirming an address, and the account. See [Pages].
//
// # Answers
//
// Nothing may be cached but GET /keys and, for a second, GET /revocations.
// X-Request-Id names the request in the log and in events: the client's own if it has up to 64 letters, digits, dots,
// dashes and underscores. Errors are problem documents (RFC 9457),
//
//	{"type":"urn:usher:problem:invalid_request","title":"…","status":400,"code":"invalid_request",
//	 "detail":"…","fields":[{"field":"user.name","code":"too_long","detail":"…"}],"requestId":"…"}
//
// in the reader's language ([Config.Texts]); what is said to programmers alone, such
// as how a body is malformed, is in English. The code is stable:
//
//	invalid_request          400  the body, or the inputs in fields
//	password_policy          400  the new password; the rules it breaks are in fields
//	invalid_token            400  a mailed link that is unknown, used, too old or void
//	invalid_credentials      401  every sign-in that failed
//	not_signed_in            401  no session came with the request
//	invalid_session          401  the session is not valid, or has ended
//	password_expired         403  the password was right and must be replaced
//	user_disabled            403  the password was right and the user is shut out
//	recent_sign_in_required  401  sign in again, or give the current password
//	password_required        403  the link needs the account's password, or a session of its user
//	sign_up_closed           403
//	forbidden                403  the login id is somebody else's
//	cross_origin             403  another site's page sent the request
//	not_found                404
//	method_not_allowed       405  see Allow
//	login_id_taken           409
//	conflict                 409  changed by somebody else at the same time
//	too_large                413
//	unsupported_media_type   415
//	too_many_requests        429  see Retry-After, in seconds
//	internal                 500
//	unavailable              503  nothing was changed; try again
package handlers
