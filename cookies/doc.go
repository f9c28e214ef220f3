// Package cookies keeps tokens and short-lived state in a browser, over
// gorilla/sessions.
//
//	jar, err := cookies.New(cookies.Config{Secret: secret})
//	...
//	err = jar.SetTokens(w, r, auth.Tokens) // after a sign-in
//	pair, present := jar.Tokens(r)         // with each request; package middleware does it
//	jar.ClearTokens(w, r)                  // at sign-out
//
// A jar has one cookie for the session, __Host-session, which holds both tokens,
// encrypted and signed under keys derived from the secret. It is HttpOnly,
// Secure, SameSite=Lax, and bound to the one host (RFC 6265bis §4.1.3.2).
// Config.Store puts the tokens into any gorilla store instead, and leaves an id
// in the cookie; Config.Plain makes the tokens themselves the cookies, for a
// gateway that reads them.
//
// The device cookie, the return path and the flash are further sessions of the
// same jar, each in a cookie of its own.
//
// A cookie that is forged, damaged or there twice is no cookie, and never an
// error. One that would be too large for a browser is an error, and is not sent.
package cookies
