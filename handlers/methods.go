package handlers

import "net/http"

// serve serves the route of that method and path.
func (h *Handlers) serve(route string, w http.ResponseWriter, r *http.Request) {
	h.byRoute[route].ServeHTTP(w, r)
}

// SignUp is POST /signup: it creates a user and signs the user in. Body:
//
//	{"loginId","password","user":{"name","email","givenName","middleName","familyName","phone","picture"},"fields":{…}}
//
// user and its members are optional. fields has the values of usher.Config.SignUpFields. 201 with the session; 409 login_id_taken; 422
// rejected if a hook of the program refuses, with its code and field in fields.
// With usher.Config.ConfirmFirst always 202, without a session.
func (h *Handlers) SignUp(w http.ResponseWriter, r *http.Request) { h.serve("POST /signup", w, r) }

// SignIn is POST /signin: {"loginId","password","rememberMe"}. 200 with the session; 401
// invalid_credentials for every failure. rememberMe is optional: with false the session
// ends with the browser, and after usher.SessionConfig.BrowserAbsolute at the latest
// (see Config.EndWithBrowser). SignUp and ReplacePassword take it, too. Without Config.Cookies the body may also have
// "deviceToken" (see the documentation of the package). If the request already has a
// session, that session ends. The body authenticates the request, so a client that keeps cookies
// needs no X-Requested-With header.
func (h *Handlers) SignIn(w http.ResponseWriter, r *http.Request) { h.serve("POST /signin", w, r) }

// UpdatePassword is POST /password/update. It requires a signed-in user:
// {"newPassword","currentPassword","loginId"}. loginId is optional, and so is
// currentPassword after a recent sign-in. 200 with a new session, in which the
// caller continues; all earlier ones end. The token of a reset session ([Handlers.VerifyReset]) is
// accepted as a bearer token, once; the answer is then that of [Handlers.ResetPassword].
func (h *Handlers) UpdatePassword(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /password/update", w, r)
}

// ReplacePassword is POST /password/replace: {"loginId","oldPassword",
// "newPassword"}. It also replaces an expired password. 200 with the session; all
// other sessions end.
func (h *Handlers) ReplacePassword(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /password/replace", w, r)
}

// SendPasswordReset is POST /password/reset: {"loginId","redirectUrl"};
// redirectUrl is optional. Always 202, so the answer never reveals whether an
// account exists.
func (h *Handlers) SendPasswordReset(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /password/reset", w, r)
}

// ResetPassword is POST /password/reset/complete: {"token","newPassword"} with
// the token of the emailed link, or {"loginId","code","newPassword"} with the code in the
// email. 400 invalid_code if the code is wrong, or older than ten minutes. 200 with {}, or {"deviceToken"} without
// Config.Cookies: the user then signs in with the new password. With usher.Config.ResetSignsIn it is 200 with the session.
func (h *Handlers) ResetPassword(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /password/reset/complete", w, r)
}

// VerifyReset is POST /password/reset/verify: {"token"} with the token of the
// emailed link, which it uses up. 200 with {"resetToken","expiresIn"}: a bearer token
// that only [Handlers.UpdatePassword] accepts, and only once.
func (h *Handlers) VerifyReset(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /password/reset/verify", w, r)
}

// AcceptInvitation is POST /invitation/accept: {"token","newPassword"} with the token of
// the link of an invitation (usher.Operator.Invite). 200 with the session of the new user.
// If the user has an account with the address already, 200 with {"hasAccount":true}: the
// account has the roles of the invitation and its own password, which newPassword does not
// change. 400 invalid_token if the link is used, expired, withdrawn or replaced.
func (h *Handlers) AcceptInvitation(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /invitation/accept", w, r)
}

// PasswordPolicy is GET /password/policy. 200 with the rules that a new password
// must meet.
func (h *Handlers) PasswordPolicy(w http.ResponseWriter, r *http.Request) {
	h.serve("GET /password/policy", w, r)
}

// SendEmailVerification is POST /email/verify/send. It requires a signed-in user,
// and sends another email with a link that confirms the address. 202; 429 with
// Retry-After if the account has requested too many emails.
func (h *Handlers) SendEmailVerification(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /email/verify/send", w, r)
}

// VerifyEmail is POST /email/verify: {"token","password"} with the token of the
// emailed link and the password of the account, or {"loginId","code","password"} with the
// code in the email; without loginId the account is that of the session. password is optional if the user
// of the account is signed in; a session that is not valid is ignored. 200 with
// {"emailVerified":true}. If the user of the account is signed in, the cookies get new
// tokens, or without Config.Cookies the answer also has "sessionToken" and "expiresIn"
// (the refresh token stays), so that the claim email_verified is true at once. No session starts or ends. 403
// password_required if neither is there, 401 invalid_credentials for a wrong password;
// after both, the link still works. A session cookie is ignored if the request has none
// of the headers Sec-Fetch-Site, Origin and X-Requested-With.
func (h *Handlers) VerifyEmail(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /email/verify", w, r)
}

// ChangeEmail is POST /email/change. It requires a signed-in user:
// {"newEmail","currentPassword"}. 202; the address changes when the user confirms
// the new one. An earlier change that is not confirmed is replaced. 429 with
// Retry-After if the account has requested too many emails.
func (h *Handlers) ChangeEmail(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /email/change", w, r)
}

// CancelEmailChange is DELETE /email/change. It requires a signed-in user, and
// cancels a change of address that is not confirmed. 204, or 404 if there is none.
func (h *Handlers) CancelEmailChange(w http.ResponseWriter, r *http.Request) {
	h.serve("DELETE /email/change", w, r)
}

// Refresh is POST /session/refresh. It takes the refresh token from the cookies,
// or from {"refreshToken"} without Config.Cookies. 200 with the session and new
// tokens. 401 if the session has ended; 503 if the store is unavailable. Both leave the
// cookie, because it may be that of a newer sign-in by then. It is removed when the user
// opens a page.
func (h *Handlers) Refresh(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /session/refresh", w, r)
}

// ConfirmSession is POST /session/confirm. It requires a signed-in user: {"password"},
// the current one. It checks the password again, so that middleware.RequireRecent lets the
// user go on. 200 with the session, whose id and end stay: the cookies get new tokens. A
// bearer token is answered with a new one in the body, also with Config.Cookies; without
// them the body of the request may have "refreshToken", and the answer then has one, too,
// which keeps the time of this confirmation, and "deviceToken". 401 invalid_credentials for a wrong
// password; 403 password_expired.
func (h *Handlers) ConfirmSession(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /session/confirm", w, r)
}

// Me is GET /me. It requires a signed-in user. 200 with the session, "hasPassword", and
// "pendingEmail" if a change of address is not confirmed yet. "actor" is the name of the
// operator who acts as the user ([usher.Operator.Impersonate]).
func (h *Handlers) Me(w http.ResponseWriter, r *http.Request) { h.serve("GET /me", w, r) }

// UpdateMe is PATCH /me. It requires a signed-in user: any of {"name","givenName",
// "middleName","familyName","phone","picture"}; null and "" clear a field. 200
// with {"user"}.
func (h *Handlers) UpdateMe(w http.ResponseWriter, r *http.Request) { h.serve("PATCH /me", w, r) }

// DeleteAccount is POST /account/delete. It requires a signed-in user:
// {"currentPassword"}. A user without a password needs a recent sign-in instead. 204: the
// user and everything that belongs to the user is deleted, and all sessions end. 422
// rejected if a hook of the program refuses: then nothing is deleted.
func (h *Handlers) DeleteAccount(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /account/delete", w, r)
}

// AccountData is GET /account/data. It requires a signed-in user. 200 with what the store
// has about the user, as a file: {"user","password","pendingEmail","sessions","events",
// "moreEvents"}. It has the attributes that the program has stored, and no secret. 429
// with Retry-After after ten downloads in an hour.
func (h *Handlers) AccountData(w http.ResponseWriter, r *http.Request) {
	h.serve("GET /account/data", w, r)
}

// Sessions is GET /sessions. It requires a signed-in user. 200 with
// {"sessions":[…]}, newest first.
func (h *Handlers) Sessions(w http.ResponseWriter, r *http.Request) { h.serve("GET /sessions", w, r) }

// RevokeSession is DELETE /sessions/{id}. It requires a signed-in user, and ends
// one of the user's sessions. 204, or 404 if there is no such session. Mounted
// alone, its pattern must have the wildcard {id}.
func (h *Handlers) RevokeSession(w http.ResponseWriter, r *http.Request) {
	h.serve("DELETE /sessions/{id}", w, r)
}

// SignOut is POST /signout. It ends the session of the cookie or of the bearer
// token, and without Config.Cookies also that of {"refreshToken"}. 200 with {},
// also if there is no session or it has ended already. 401 for a bearer token that
// is invalid, so that a client notices a mistake. If an operator acts as the user by a cookie
// ([usher.Operator.Impersonate]), it ends that session alone. An expired bearer token does not end
// its session, so clients should send the refresh token as well.
func (h *Handlers) SignOut(w http.ResponseWriter, r *http.Request) { h.serve("POST /signout", w, r) }

// SignOutEverywhere is POST /signout/all. It requires a signed-in user, and ends
// all sessions of the user. 200 with {}.
func (h *Handlers) SignOutEverywhere(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /signout/all", w, r)
}

// Keys is GET /keys: the JWK Set (RFC 7517) with which other programs verify the
// session tokens. Caches may keep the answer for a minute.
func (h *Handlers) Keys(w http.ResponseWriter, r *http.Request) { h.serve("GET /keys", w, r) }

// Revocations is GET /revocations: the sessions that ended before their tokens
// expired, for programs that have only the JWK Set and follow the list
// (middleware.RemoteConfig.RevocationsURL). 200 with
//
//	{"revocations":[{"sid":"…","until":1764000000}]}
//
// No cache may keep the answer; a client asks with its ETag again. The ids are not secret,
// so every client may read them. A program that restricts the readers mounts the route behind a
// check of its own:
//
//	mux.Handle("/auth/revocations", check(http.HandlerFunc(h.Revocations)))
func (h *Handlers) Revocations(w http.ResponseWriter, r *http.Request) {
	h.serve("GET /revocations", w, r)
}

// WellKnownChangePassword redirects to the page that changes the password.
// Password managers look for it at a fixed path at the root of the site (W3C, "A
// Well-Known URL for Changing Passwords"):
//
//	mux.HandleFunc("GET /.well-known/change-password", h.WellKnownChangePassword)
//
// Without [Config.Pages] it is 404.
func (h *Handlers) WellKnownChangePassword(w http.ResponseWriter, r *http.Request) {
	if h.site == nil {
		h.notFound.ServeHTTP(w, r)
		return
	}
	h.chain.Headers(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h.site.Redirect(w, "/account/password")
	})).ServeHTTP(w, r)
}
