package handlers

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/nostore"
	"github.com/usherkit/usher/internal/route"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// guards authenticate the requests to the routes of this package.
type guards struct {
	// session accepts a bearer token or the cookies.
	session *middleware.Middleware
	// reset also accepts the token of a reset session.
	reset *middleware.Middleware
	// bearer accepts only a bearer token.
	bearer *middleware.Middleware
}

// CORS lets the pages of Config.TrustedOrigins read the answers of the program's own
// routes, and answers the preflight requests of browsers with 204 before they reach
// next. These have the method OPTIONS, which a ServeMux pattern with another method does
// not match, so wrap the mux or use patterns without a method:
//
//	mux.Handle("/api/", h.CORS(h.Require(api)))
//	server := handlers.NewServer(addr, h.CORS(mux))
func (h *Handlers) CORS(next http.Handler) http.Handler { return h.chain.CORS(next) }

// RequireUser is like [Handlers.Require] for a route of the program, and passes the user to
// next as the store has it, with name and login ids. Use it where a page needs them:
// Require does not read the store. Its refusals are those of Require; in addition it
// refuses a session that has ended on another instance a moment ago (401), and every
// request while the store is unavailable (503).
//
//	mux.Handle("GET /dashboard", h.RequireUser(func(w http.ResponseWriter, r *http.Request, user usher.User) { … }))
func (h *Handlers) RequireUser(next func(w http.ResponseWriter, r *http.Request, user usher.User)) http.Handler {
	return h.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := middleware.Claims(r.Context())
		user, _, err := h.chain.Visits.Service.Me(r.Context(), &claims)
		if err != nil {
			h.chain.FailProgram(w, r, err)
			return
		}
		next(w, r, user)
	})
}

// Client describes the client of a request to a route of the program that signs a user in
// by other means than the password. Pass it to [usher.Service.StartSession], whose result
// goes to [Handlers.Finish]. The session that the request already has is in it, so that
// the new session replaces it, and the new tokens are tested against the limits of a
// cookie before anything is stored.
func (h *Handlers) Client(w http.ResponseWriter, r *http.Request) (c usher.Client) {
	h.guards.bearer.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c = h.chain.Visits.ClientSigningIn(w, r)
		c.PrepareDelivery = h.chain.Visits.CheckDelivery(r)
	})).ServeHTTP(w, r)
	return c
}

// Finish answers a request to a route of the program after
// [usher.Service.StartSession], as the route of the sign-in answers: with Config.Cookies
// it sets the cookies, and otherwise the tokens are in the body. If a browser opens a page
// and the mount has cookies, it redirects to the path in the value "return_to" of the
// query or form, or to Config.Pages.Home; the program may set the value in r.Form. Paths
// that [middleware.SafeReturnTo] refuses are ignored. If the request has a live session, that
// session ends.
//
// A session of [usher.Operator.Impersonate] ends no other session. With Config.Cookies its
// token is in a cookie beside the session of the operator, which must be in the cookies of
// the request; otherwise Finish answers 500 and logs why. Requests of the browser are then
// those of the user. POST /signout ends that session alone, and then the operator's own
// session is used again.
//
// If the tokens cannot be delivered, the new session ends and Finish answers with the
// error. Call it before anything is written.
func (h *Handlers) Finish(w http.ResponseWriter, r *http.Request, auth *usher.Authentication) {
	h.guards.bearer.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h.chain.Visits.Deliver(w, r, auth)
		nostore.Set(w.Header())
		switch {
		case err != nil:
			h.chain.FailProgram(w, r, err)
		case h.chain.Visits.Cookies == nil || !middleware.IsNavigation(r):
			h.api.Finish(w, auth)
		case h.site != nil:
			h.site.Finish(w, r, auth, returnTo(r))
		default:
			http.Redirect(w, r, cmp.Or(middleware.SafeReturnTo(returnTo(r)), "/"), http.StatusSeeOther)
		}
	})).ServeHTTP(w, r)
}

// returnTo returns the return path of a query or form, or "" if the two have several.
func returnTo(r *http.Request) string {
	path := r.FormValue("return_to")
	if len(r.Form["return_to"]) > 1 {
		return ""
	}
	return path
}

// Fail answers a request to a route of the program with an error of the Service, as the
// routes of the mount do: with the problem document of its code, or with a page if a
// browser opens one.
func (h *Handlers) Fail(w http.ResponseWriter, r *http.Request, err error) {
	h.chain.FailProgram(w, r, err)
}

// addGuards makes the guards, and the middleware of the program's own routes.
func (h *Handlers) addGuards(auth *usher.Service, cfg Config) error {
	bearer := middleware.Config{
		Validator: auth, TrustedProxies: cfg.TrustedProxies, TrustedOrigins: cfg.writers(auth), HTTPS: usesHTTPS(auth),
		Logger: cfg.Logger, Now: cfg.Now,
	}
	either := bearer
	if cfg.Cookies != nil {
		either.Cookies, either.Refresher = h.chain.Visits.TokenCookies(), auth
	}
	program, session, reset := either, either, either
	if cfg.OnError != nil || h.site != nil {
		program.OnRefusal = h.chain.RefuseProgram
	}
	session.OnRefusal, session.Validator = h.chain.Refuse, unwatched{auth}
	reset.OnRefusal, reset.Validator = h.chain.Refuse, resetSessions{auth}
	bearer.OnRefusal, bearer.Validator = h.api.SignOutWithoutBearer, unwatched{auth}

	var errs [4]error
	h.Middleware, errs[0] = middleware.New(program)
	h.guards.session, errs[1] = middleware.New(session)
	h.guards.reset, errs[2] = middleware.New(reset)
	h.guards.bearer, errs[3] = middleware.New(bearer)
	return errors.Join(errs[:]...)
}

// unwatched validates session tokens for the routes of this package, which have a
// deadline: the end of the session does not interrupt them.
type unwatched struct{ middleware.Validator }

// resetSessions validates bearer tokens for the route that also accepts reset sessions.
type resetSessions struct{ auth *usher.Service }

// ValidateSession returns the claims of a session token or of a reset token. For any
// other token it returns the error of Service.ValidateSession.
func (s resetSessions) ValidateSession(ctx context.Context, raw token.Secret) (*token.Claims, error) {
	claims, err := s.auth.ValidateSession(ctx, raw)
	if err == nil {
		return claims, nil
	}
	if reset, resetErr := s.auth.ValidateReset(ctx, raw); resetErr == nil {
		return reset, nil
	}
	return nil, err
}

// claimsAction does the work of a route with the claims of the session. They are nil if
// the route is open to every client and the request has no valid session.
type claimsAction = func(w http.ResponseWriter, r *http.Request, claims *token.Claims) error

// public returns the handler of an action that needs no session.
func (h *Handlers) public(do route.Action) http.Handler { return h.chain.Action(do) }

// startsSession returns the handler of an action that starts a session. It needs no
// session. If the request has one, the new session replaces it.
func (h *Handlers) startsSession(do route.Action) http.Handler {
	return h.guards.bearer.Optional(h.chain.Action(do))
}

// requiresUser returns the handler of an action that requires a signed-in user.
func (h *Handlers) requiresUser(do claimsAction) http.Handler {
	return h.requires(h.guards.session, do)
}

// requiresUserOrReset returns the handler of an action that requires a signed-in user
// or a reset session.
func (h *Handlers) requiresUserOrReset(do claimsAction) http.Handler {
	return h.requires(h.guards.reset, do)
}

// requires returns the handler of an action behind a guard.
func (h *Handlers) requires(m *middleware.Middleware, do claimsAction) http.Handler {
	return m.Require(h.chain.Action(func(w http.ResponseWriter, r *http.Request) error {
		claims, _ := middleware.Claims(r.Context())
		return do(w, r, &claims)
	}))
}

// optionalUser returns the handler of an action that is open to every client, and gets
// the claims of a signed-in user. A session that is not valid is ignored.
func (h *Handlers) optionalUser(do claimsAction) http.Handler {
	return h.guards.session.Optional(h.chain.Action(func(w http.ResponseWriter, r *http.Request) error {
		if claims, ok := middleware.Claims(r.Context()); ok {
			return do(w, r, &claims)
		}
		return do(w, r, nil)
	}))
}

// userPage returns a page or form that requires a signed-in user, or nil for nil.
func (h *Handlers) userPage(page http.Handler) http.Handler {
	if page == nil {
		return nil
	}
	return h.guards.session.Require(page)
}

// publicPage returns a page or form that is open to every client, and gets the claims
// of a signed-in user. It returns nil for nil.
func (h *Handlers) publicPage(page http.Handler) http.Handler {
	if page == nil {
		return nil
	}
	return h.guards.session.Optional(page)
}
