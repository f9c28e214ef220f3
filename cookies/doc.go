// Package cookies keeps tokens and short-lived state in the cookies of a browser,
// over gorilla/sessions.
//
//	jar, err := cookies.New(cookies.Config{Secret: secret})
//	...
//	err = jar.SetTokens(w, r, auth.Tokens) // after a sign-in
//	pair, present := jar.Tokens(r)         // in each request; package middleware does this
//	jar.ClearTokens(w, r)                  // at sign-out
//
// With handlers.Config.Pages, package handlers creates the [Jar] by itself. A program
// creates one to change a default, and passes it on as handlers.Config.Cookies.
//
// # The session cookie
//
// By default, one cookie named __Host-session contains both tokens, encrypted and
// signed with keys derived from Config.Secret. It is HttpOnly, Secure and
// SameSite=Lax, and browsers send it only to the host that set it (RFC 6265bis
// §4.1.3.2). With Config.Store the tokens are in a gorilla store and the cookie
// contains an id. With Config.Plain the tokens themselves are two cookies, for a
// gateway that reads them.
//
// # An operator who acts as a user
//
// [Jar.SetImpersonation] puts the token of usher.Operator.Impersonate into a second cookie.
// Its name is that of the session cookie with "-as" at the end. The session cookie of the
// operator stays as it is. handlers.Handlers.Finish calls SetImpersonation.
//
// # Other state
//
// The device token ([Jar.Device]), the flash message ([Jar.Flash]) and notes
// ([Jar.Note]) have a cookie each, sealed in the same way.
//
// # Invalid cookies
//
// A cookie that is forged or damaged reads as empty and is never an error. If a request
// has several cookies of one name, those that do not open are ignored; see [Jar.Tokens].
// A cookie that would be too large for a browser is an error, and the response does not
// set it.
package cookies
