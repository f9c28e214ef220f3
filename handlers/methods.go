package handlers

import "net/http"

// serve serves the route of that method and path.
func (h *Handlers) serve(route string, w http.ResponseWriter, r *http.Request) {
	h.byRoute[route].ServeHTTP(w, r)
}

// SignUp is POST /signup. It creates a user and signs the user in. The body is:
//
//	{"loginId","password","user":{"name","email","givenName","middleName","familyName","phone","picture"},"fields":{…},"rememberMe"}
//
// user, its members and rememberMe (see [Handlers.SignIn]) are optional. fields has the
// values of usher.Config.SignUpFields.
//
// The answer is 201 with the session. With usher.Config.ConfirmFirst it is always 202,
// without a session. It is 409 login_id_taken if another user has the login id, and 422
// rejected if a hook of the program refuses, with its code and field in fields.
func (h *Handlers) SignUp(w http.ResponseWriter, r *http.Request) { h.serve("POST /signup", w, r) }

// SignIn is POST /signin. It checks the password and starts a session. The body is:
//
//	{"loginId","password","rememberMe","deviceToken"}
//
// rememberMe is optional: with false the session ends with the browser, and after
// usher.SessionConfig.BrowserAbsolute at the latest. It defaults to the opposite of
// [Config.EndWithBrowser]. deviceToken is optional, and is read only without
// Config.Cookies; see the documentation of the package. The body authenticates the
// request, so a client that keeps cookies needs no X-Requested-With header.
//
// The answer is 200 with the session, and 401 invalid_credentials for every failure. If
// the request already has a session, that session ends.
func (h *Handlers) SignIn(w http.ResponseWriter, r *http.Request) { h.serve("POST /signin", w, r) }

// UpdatePassword is POST /password/update. It requires a signed-in user, and sets a new
// password. The body is:
//
//	{"newPassword","currentPassword","loginId"}
//
// loginId is optional, and so is currentPassword after a recent sign-in.
//
// The answer is 200 with a new session, in which the caller continues; all earlier ones
// end. The token of a reset session ([Handlers.VerifyReset]) is accepted once, as a bearer
// token; the answer is then that of [Handlers.ResetPassword].
func (h *Handlers) UpdatePassword(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /password/update", w, r)
}

// ReplacePassword is POST /password/replace. It sets a new password with the old one, which
// may be expired or temporary, and signs the user in. The body is:
//
//	{"loginId","oldPassword","newPassword","rememberMe"}
//
// rememberMe is optional; see [Handlers.SignIn].
//
// The answer is 200 with the session. All other sessions end.
func (h *Handlers) ReplacePassword(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /password/replace", w, r)
}

// SendPasswordReset is POST /password/reset. It emails a link that sets a new password. The
// body is {"loginId","redirectUrl"}. redirectUrl is optional: usher.Config.Redirects must
// allow it.
//
// The answer is 202, whether or not the account exists.
func (h *Handlers) SendPasswordReset(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /password/reset", w, r)
}

// ResetPassword is POST /password/reset/complete. It sets a new password. The body is
// {"token","newPassword"} with the token of the emailed link, or
// {"loginId","code","newPassword"} with the code in the email.
//
// The answer is 200 with {}, or with {"deviceToken"} without Config.Cookies: the user then
// signs in with the new password. With usher.Config.ResetSignsIn it is 200 with the
// session. It is 400 invalid_token if the link does not work any more, and 400
// invalid_code if the code is wrong, or older than ten minutes.
func (h *Handlers) ResetPassword(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /password/reset/complete", w, r)
}

// VerifyReset is POST /password/reset/verify. It spends the emailed link and starts a reset
// session. The body is {"token"} with the token of the link.
//
// The answer is 200 with {"resetToken","expiresIn"}: a bearer token, which only
// [Handlers.UpdatePassword] accepts, and only once. expiresIn is in seconds.
func (h *Handlers) VerifyReset(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /password/reset/verify", w, r)
}

// AcceptInvitation is POST /invitation/accept. It creates the invited user
// (usher.Operator.Invite) and signs the user in. The body is {"token","newPassword"} with
// the token of the emailed link.
//
// The answer is 200 with the session. If the user has an account with the address already,
// it is 200 with {"hasAccount":true}: the account gets the roles of the invitation and
// keeps its password, and newPassword is ignored. It is 400 invalid_token if the link is
// used, expired, withdrawn or replaced.
func (h *Handlers) AcceptInvitation(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /invitation/accept", w, r)
}

// PasswordPolicy is GET /password/policy. The answer is 200 with the rules that a new
// password must meet.
func (h *Handlers) PasswordPolicy(w http.ResponseWriter, r *http.Request) {
	h.serve("GET /password/policy", w, r)
}

// SendEmailVerification is POST /email/verify/send. It requires a signed-in user, and
// emails another link that confirms the address.
//
// The answer is 202, and 429 with Retry-After if the user has requested too many emails.
func (h *Handlers) SendEmailVerification(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /email/verify/send", w, r)
}

// VerifyEmail is POST /email/verify. It confirms an address. The body is
// {"token","password"} with the token of the emailed link and the password of the account,
// or {"loginId","code","password"} with the code in the email. Without loginId the account
// is that of the session. password is optional if the user of the account is signed in. A
// session that is not valid is ignored, and so is a session cookie if the request has none
// of the headers Sec-Fetch-Site, Origin and X-Requested-With.
//
// The answer is 200 with {"emailVerified":true}. No session starts or ends. If the user of
// the account is signed in, the client gets a session token in which the claim
// email_verified is true: in its cookies, or without Config.Cookies in the body, as
// "sessionToken" and "expiresIn". The refresh token stays valid.
//
// It is 403 password_required if the request has neither a session of the user nor a
// password, and 401 invalid_credentials if the password is wrong. The link still works
// after both.
func (h *Handlers) VerifyEmail(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /email/verify", w, r)
}

// ChangeEmail is POST /email/change. It requires a signed-in user, and emails a link to the
// new address. The body is {"newEmail","currentPassword"}.
//
// The answer is 202; the address changes when the user confirms the new one. An earlier
// change that is not confirmed is replaced. It is 429 with Retry-After if the user has
// requested too many changes.
func (h *Handlers) ChangeEmail(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /email/change", w, r)
}

// CancelEmailChange is DELETE /email/change. It requires a signed-in user, and cancels a
// change of address that is not confirmed.
//
// The answer is 204, and 404 if there is no such change.
func (h *Handlers) CancelEmailChange(w http.ResponseWriter, r *http.Request) {
	h.serve("DELETE /email/change", w, r)
}

// Refresh is POST /session/refresh. It exchanges the refresh token, which it takes from the
// cookies, or without Config.Cookies from the body, {"refreshToken"}.
//
// The answer is 200 with the session and new tokens. It is 401 if the session has ended,
// and 503 if the store is unavailable. Both leave the cookies as they are, because the
// browser may have those of a newer sign-in by then. The cookies of an ended session are
// deleted when the user opens a page.
func (h *Handlers) Refresh(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /session/refresh", w, r)
}

// ConfirmSession is POST /session/confirm. It requires a signed-in user, and checks the
// password again, so that middleware.RequireRecent accepts the session. The body is
// {"password"}, and without Config.Cookies optionally "refreshToken".
//
// The answer is 200 with the session, which keeps its id and its end. The cookies get new
// tokens. A client that sent a bearer token gets a new one in the body, also with
// Config.Cookies. If the body had "refreshToken", the answer has "refreshToken" and
// "deviceToken" too, and refreshes keep the time of this confirmation. It is 401
// invalid_credentials if the password is wrong, and 403 password_expired if it has expired.
func (h *Handlers) ConfirmSession(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /session/confirm", w, r)
}

// Me is GET /me. It requires a signed-in user.
//
// The answer is 200 with the session, "hasPassword", and "pendingEmail" if a change of
// address is not confirmed yet. "actor" is the name of the operator who acts as the user
// ([usher.Operator.Impersonate]).
func (h *Handlers) Me(w http.ResponseWriter, r *http.Request) { h.serve("GET /me", w, r) }

// UpdateMe is PATCH /me. It requires a signed-in user, and changes the profile. The body has
// any of {"name","givenName","middleName","familyName","phone","picture"}; null and ""
// clear a field.
//
// The answer is 200 with {"user"}, and 429 with Retry-After after a hundred changes in an hour.
func (h *Handlers) UpdateMe(w http.ResponseWriter, r *http.Request) { h.serve("PATCH /me", w, r) }

// DeleteAccount is POST /account/delete. It requires a signed-in user, and deletes the user
// and everything that belongs to the user. The body is {"currentPassword"}. A user without
// a password needs a recent sign-in instead.
//
// The answer is 204; all sessions end. It is 422 rejected if a hook of the program
// refuses: then nothing is deleted.
func (h *Handlers) DeleteAccount(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /account/delete", w, r)
}

// AccountData is GET /account/data. It requires a signed-in user.
//
// The answer is 200 with what the store has about the user, as a file:
// {"user","password","pendingEmail","sessions","events","moreEvents"}. It has the
// attributes that the program has stored, and no secret. It is 429 with Retry-After after
// ten downloads in an hour.
func (h *Handlers) AccountData(w http.ResponseWriter, r *http.Request) {
	h.serve("GET /account/data", w, r)
}

// Sessions is GET /sessions. It requires a signed-in user.
//
// The answer is 200 with {"sessions":[…]}, newest first.
func (h *Handlers) Sessions(w http.ResponseWriter, r *http.Request) { h.serve("GET /sessions", w, r) }

// RevokeSession is DELETE /sessions/{id}. It requires a signed-in user, and ends one of the
// user's sessions. A pattern that mounts this method alone must have the wildcard {id}.
//
// The answer is 204, and 404 if the user has no such session.
func (h *Handlers) RevokeSession(w http.ResponseWriter, r *http.Request) {
	h.serve("DELETE /sessions/{id}", w, r)
}

// SignOut is POST /signout. It ends the session of the cookies or of the bearer token, and
// without Config.Cookies also that of {"refreshToken"}. An expired bearer token does not
// end its session, so clients should send the refresh token as well. If an operator acts as
// the user by a cookie ([usher.Operator.Impersonate]), only that session ends.
//
// The answer is 200 with {}, also if there is no session or it has ended already. It is 401
// if the bearer token is not valid, so that a client notices a mistake.
func (h *Handlers) SignOut(w http.ResponseWriter, r *http.Request) { h.serve("POST /signout", w, r) }

// SignOutEverywhere is POST /signout/all. It requires a signed-in user, and ends all
// sessions of the user.
//
// The answer is 200 with {}.
func (h *Handlers) SignOutEverywhere(w http.ResponseWriter, r *http.Request) {
	h.serve("POST /signout/all", w, r)
}

// Keys is GET /keys. The answer is 200 with the JWK Set (RFC 7517) with which other programs
// verify the session tokens. Caches may keep it for a minute.
func (h *Handlers) Keys(w http.ResponseWriter, r *http.Request) { h.serve("GET /keys", w, r) }

// Revocations is GET /revocations. The answer is 200 with the sessions that ended before
// their tokens expired. Programs that have only the JWK Set fetch the list again and again
// (middleware.RemoteConfig.RevocationsURL):
//
//	{"revocations":[{"sid":"…","until":1764000000}]}
//
// No cache may keep the answer; a client asks with its ETag again. The ids are not secret,
// so every client may read them. A program that restricts the readers mounts the route
// behind a check of its own:
//
//	mux.Handle("/auth/revocations", check(http.HandlerFunc(h.Revocations)))
func (h *Handlers) Revocations(w http.ResponseWriter, r *http.Request) {
	h.serve("GET /revocations", w, r)
}

// WellKnownChangePassword redirects to the page that changes the password. Password managers
// look for it at a fixed path at the root of the site (W3C, "A Well-Known URL for Changing
// Passwords"):
//
//	mux.HandleFunc("GET /.well-known/change-password", h.WellKnownChangePassword)
//
// Without [Config.Pages] the answer is 404.
func (h *Handlers) WellKnownChangePassword(w http.ResponseWriter, r *http.Request) {
	if h.site == nil {
		h.notFound.ServeHTTP(w, r)
		return
	}
	h.chain.Headers(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h.site.Redirect(w, "/account/password")
	})).ServeHTTP(w, r)
}
