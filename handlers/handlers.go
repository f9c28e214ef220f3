package handlers

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/middleware"
)

// Handlers are the routes of a Service, and the middleware that guards the
// program's own routes with the same sessions. It is safe for concurrent use.
// See [New].
//
// Each method that takes an http.ResponseWriter is one route and is complete by
// itself, wherever it is mounted: method, size and type of the body, origin,
// headers and panics are seen to.
type Handlers struct {
	// Middleware guards the program's routes: h.Require, h.RequireRole and so
	// on.
	*middleware.Middleware

	auth    *usher.Service
	cfg     Config
	origins *middleware.CrossOrigin
	// own guards the routes of this package, orReset the one that takes reset
	// sessions too, and bearer looks at the Authorization header alone.
	own, orReset, bearer *middleware.Middleware

	catalogue *locale.Catalogue

	pages    *pages // nil without Config.Pages
	mux      *http.ServeMux
	notFound http.Handler
	alone    routes
}

// routes are the handlers behind the methods of Handlers.
type routes struct {
	signUp, signIn                                  http.Handler
	updatePassword, replacePassword, passwordPolicy http.Handler
	sendPasswordReset, resetPassword, verifyReset   http.Handler
	sendEmailVerification, verifyEmail              http.Handler
	changeEmail, cancelEmailChange, emailChange     http.Handler
	refresh, me, updateMe, sessions, revokeSession  http.Handler
	signOut, signOutEverywhere, keys, revocations   http.Handler
}

// New returns the handlers of a Service. An error names the setting that is
// wrong.
func New(auth *usher.Service, cfg Config) (*Handlers, error) {
	if auth == nil {
		return nil, errors.New("handlers: New needs a Service: usher.New makes one")
	}
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	h := &Handlers{auth: auth, cfg: cfg}
	h.origins, err = middleware.NewCrossOrigin(middleware.CrossOriginConfig{
		TrustedOrigins: cfg.TrustedOrigins, TrustedProxies: cfg.TrustedProxies,
	})
	if err != nil {
		return nil, fmt.Errorf("handlers: %w", err)
	}
	if h.catalogue, err = locale.New(cfg.Texts.Languages, cfg.Texts.Texts); err != nil {
		return nil, fmt.Errorf("handlers: Config.Texts: %w", err)
	}
	if err := h.addPages(); err != nil {
		return nil, err
	}
	if err := h.guards(); err != nil {
		return nil, fmt.Errorf("handlers: %w", err)
	}
	h.build()
	return h, nil
}

// guards makes the four ways in which a request may be authenticated.
func (h *Handlers) guards() error {
	bearer := middleware.Config{
		Validator: h.auth, TrustedProxies: h.cfg.TrustedProxies, TrustedOrigins: h.cfg.TrustedOrigins,
		Logger: h.cfg.Logger, Now: h.cfg.Now,
	}
	either := bearer
	if h.cfg.Cookies != nil {
		either.Cookies, either.Refresher = h.cfg.Cookies, h.auth
	}
	program, own, reset := either, either, either
	program.OnRefusal = h.cfg.OnRefusal
	own.OnRefusal = h.refuse
	reset.OnRefusal, reset.Validator = h.refuse, orReset{h.auth}
	bearer.OnRefusal = h.signOutRefused

	var errs [4]error
	h.Middleware, errs[0] = middleware.New(program)
	h.own, errs[1] = middleware.New(own)
	h.orReset, errs[2] = middleware.New(reset)
	h.bearer, errs[3] = middleware.New(bearer)
	return errors.Join(errs[:]...)
}

// build makes the routes and mounts them.
func (h *Handlers) build() {
	const get, post, patch, del = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	me, updateMe := h.signedIn(h.me), h.signedIn(h.updateMe)
	a := &h.alone
	a.signUp = h.endpoint(methods{post: h.entering(h.signUp)})
	a.signIn = h.endpoint(methods{post: h.entering(h.signIn)})
	a.updatePassword = h.endpoint(methods{post: h.guarded(h.orReset, h.updatePassword)})
	a.replacePassword = h.endpoint(methods{post: h.entering(h.replacePassword)})
	a.sendPasswordReset = h.endpoint(methods{post: h.answer(h.sendPasswordReset)})
	a.resetPassword = h.endpoint(methods{post: h.entering(h.resetPassword)})
	a.verifyReset = h.endpoint(methods{post: h.answer(h.verifyReset)})
	a.passwordPolicy = h.endpoint(methods{get: h.answer(h.passwordPolicy)})
	a.sendEmailVerification = h.endpoint(methods{post: h.signedIn(h.sendEmailVerification)})
	a.verifyEmail = h.endpoint(methods{post: h.maybeSignedIn(h.verifyEmail)})
	changeEmail, cancelEmailChange := h.signedIn(h.changeEmail), h.signedIn(h.cancelEmailChange)
	a.changeEmail = h.endpoint(methods{post: changeEmail})
	a.cancelEmailChange = h.endpoint(methods{del: cancelEmailChange})
	a.emailChange = h.endpoint(methods{post: changeEmail, del: cancelEmailChange})
	a.refresh = h.endpoint(methods{post: h.answer(h.refresh)})
	a.me = h.endpoint(methods{get: me})
	a.updateMe = h.endpoint(methods{patch: updateMe})
	a.sessions = h.endpoint(methods{get: h.signedIn(h.sessions)})
	a.revokeSession = h.endpoint(methods{del: h.signedIn(h.revokeSession)})
	a.signOut = h.endpoint(methods{post: h.bearer.Require(h.answer(h.signOutBearer))})
	a.signOutEverywhere = h.endpoint(methods{post: h.signedIn(h.signOutEverywhere)})
	a.keys = h.endpoint(methods{get: h.answer(h.keys)})
	a.revocations = h.endpoint(methods{get: h.answer(h.revocations())})

	h.notFound = h.endpoint(nil)
	h.mux = http.NewServeMux()
	h.pages.mount(h.mux, a)
	for path, handler := range map[string]http.Handler{
		"/signup":                  a.signUp,
		"/signin":                  a.signIn,
		"/password/update":         a.updatePassword,
		"/password/replace":        a.replacePassword,
		"/password/reset":          a.sendPasswordReset,
		"/password/reset/complete": a.resetPassword,
		"/password/reset/verify":   a.verifyReset,
		"/password/policy":         a.passwordPolicy,
		"/email/verify/send":       a.sendEmailVerification,
		"/email/verify":            a.verifyEmail,
		"/email/change":            a.emailChange,
		"/session/refresh":         a.refresh,
		"/me":                      h.endpoint(methods{get: me, patch: updateMe}),
		"/sessions":                a.sessions,
		"/sessions/{id}":           a.revokeSession,
		"/signout":                 a.signOut,
		"/signout/all":             a.signOutEverywhere,
		"/keys":                    a.keys,
		"/revocations":             a.revocations,
		"/":                        h.notFound,
	} {
		h.mux.Handle(path, handler)
	}
}

// SignUp is POST /signup: it makes a user and signs it in. In:
//
//	{"loginId","password","user":{"name","email","givenName","middleName","familyName","phone","picture"}}
//
// of which user and its members may be left out. 201 with the session; 409
// where the login id is taken. With ConfirmFirst always 202, without a session.
func (h *Handlers) SignUp(w http.ResponseWriter, r *http.Request) { h.alone.signUp.ServeHTTP(w, r) }

// SignIn is POST /signin: {"loginId","password"}. 200 with the session; 401
// invalid_credentials for every failure. A session that the request came with
// ends. It does not rest on a cookie, so a program that keeps a jar of cookies
// needs no further header.
func (h *Handlers) SignIn(w http.ResponseWriter, r *http.Request) { h.alone.signIn.ServeHTTP(w, r) }

// UpdatePassword is POST /password/update, for who is signed in:
// {"newPassword","currentPassword","loginId"}. currentPassword may be left out
// after a recent sign-in, loginId always. 200 with the session, whose tokens
// are new; all other sessions end. The token of a reset session
// ([Handlers.VerifyReset]) serves here as a bearer token, once; the answer is
// {} then.
func (h *Handlers) UpdatePassword(w http.ResponseWriter, r *http.Request) {
	h.alone.updatePassword.ServeHTTP(w, r)
}

// ReplacePassword is POST /password/replace: {"loginId","oldPassword",
// "newPassword"}, also for an expired password. 200 with the session; all other
// sessions end.
func (h *Handlers) ReplacePassword(w http.ResponseWriter, r *http.Request) {
	h.alone.replacePassword.ServeHTTP(w, r)
}

// SendPasswordReset is POST /password/reset: {"loginId","redirectUrl"}, of
// which redirectUrl may be left out. 202, the same whoever asks about
// whomever.
func (h *Handlers) SendPasswordReset(w http.ResponseWriter, r *http.Request) {
	h.alone.sendPasswordReset.ServeHTTP(w, r)
}

// ResetPassword is POST /password/reset/complete: {"token","newPassword"} with
// the token of the mailed link. 200 with {}: the person signs in with the new
// password. With usher.Config.ResetSignsIn it is 200 with the session.
func (h *Handlers) ResetPassword(w http.ResponseWriter, r *http.Request) {
	h.alone.resetPassword.ServeHTTP(w, r)
}

// VerifyReset is POST /password/reset/verify: {"token"} with the token of the
// mailed link, which it spends. 200 with {"resetToken","expiresIn"}: a bearer
// token for [Handlers.UpdatePassword], once, and for nothing else.
func (h *Handlers) VerifyReset(w http.ResponseWriter, r *http.Request) {
	h.alone.verifyReset.ServeHTTP(w, r)
}

// PasswordPolicy is GET /password/policy. 200 with what a new password must
// meet.
func (h *Handlers) PasswordPolicy(w http.ResponseWriter, r *http.Request) {
	h.alone.passwordPolicy.ServeHTTP(w, r)
}

// SendEmailVerification is POST /email/verify/send, for who is signed in:
// another mail that asks to confirm the address. 202; 429 with Retry-After where
// the account has asked too often.
func (h *Handlers) SendEmailVerification(w http.ResponseWriter, r *http.Request) {
	h.alone.sendEmailVerification.ServeHTTP(w, r)
}

// VerifyEmail is POST /email/verify: {"token","password"} with the token of the
// mailed link and the account's password, which may be left out in a session of
// that very user. 200 with {"emailVerified":true}; no session begins or changes.
// 403 password_required where neither is there, 401 invalid_credentials for a
// wrong password: the link is still good then. A session that does not count is
// as good as none: a bearer token that has expired, or a cookie of a request that
// does not say where it comes from.
func (h *Handlers) VerifyEmail(w http.ResponseWriter, r *http.Request) {
	h.alone.verifyEmail.ServeHTTP(w, r)
}

// ChangeEmail is POST /email/change, for who is signed in:
// {"newEmail","currentPassword"}. 202; the address changes when the new one has
// confirmed. It takes the place of a change that is under way. 429 with Retry-After
// where the account has asked too often.
func (h *Handlers) ChangeEmail(w http.ResponseWriter, r *http.Request) {
	h.alone.changeEmail.ServeHTTP(w, r)
}

// CancelEmailChange is DELETE /email/change, for who is signed in: a change of
// address that waits to be confirmed is taken back. 204, or 404 if there is none.
func (h *Handlers) CancelEmailChange(w http.ResponseWriter, r *http.Request) {
	h.alone.cancelEmailChange.ServeHTTP(w, r)
}

// Refresh is POST /session/refresh. With cookies it reads the refresh token
// from the jar, else from {"refreshToken"}. 200 with the session and new
// tokens. A session that has ended is 401 and takes the cookie away; an outage
// is 503 and leaves it.
func (h *Handlers) Refresh(w http.ResponseWriter, r *http.Request) { h.alone.refresh.ServeHTTP(w, r) }

// Me is GET /me, for who is signed in. 200 with the session, and "pendingEmail" if
// a change of address waits to be confirmed.
func (h *Handlers) Me(w http.ResponseWriter, r *http.Request) { h.alone.me.ServeHTTP(w, r) }

// UpdateMe is PATCH /me, for who is signed in: any of {"name","givenName",
// "middleName","familyName","phone","picture"}; null and "" clear a field. 200
// with {"user"}.
func (h *Handlers) UpdateMe(w http.ResponseWriter, r *http.Request) { h.alone.updateMe.ServeHTTP(w, r) }

// Sessions is GET /sessions, for who is signed in. 200 with {"sessions":[…]},
// newest first.
func (h *Handlers) Sessions(w http.ResponseWriter, r *http.Request) { h.alone.sessions.ServeHTTP(w, r) }

// RevokeSession is DELETE /sessions/{id}, for who is signed in: it ends one of
// the user's sessions. 204, or 404 if there is no such session. Mounted alone,
// the pattern must have the wildcard {id}.
func (h *Handlers) RevokeSession(w http.ResponseWriter, r *http.Request) {
	h.alone.revokeSession.ServeHTTP(w, r)
}

// SignOut is POST /signout: it ends the session of the cookie or of the bearer
// token, and without cookies also that of {"refreshToken"}. 200 with {}, also
// where there is no session or it has ended already. A bearer token that never
// was a session's is 401, so that nobody takes a mistake for a sign-out. A
// bearer token that has expired names no session any more: send the refresh
// token along.
func (h *Handlers) SignOut(w http.ResponseWriter, r *http.Request) { h.alone.signOut.ServeHTTP(w, r) }

// SignOutEverywhere is POST /signout/all, for who is signed in: all sessions of
// the user end. 200 with {}.
func (h *Handlers) SignOutEverywhere(w http.ResponseWriter, r *http.Request) {
	h.alone.signOutEverywhere.ServeHTTP(w, r)
}

// Keys is GET /keys: the JWK Set (RFC 7517) by which other programs verify the
// session tokens. It is the one answer that caches may keep, for five minutes.
func (h *Handlers) Keys(w http.ResponseWriter, r *http.Request) { h.alone.keys.ServeHTTP(w, r) }
