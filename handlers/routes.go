package handlers

import (
	"net/http"

	"github.com/usherkit/usher/internal/route"
)

// routeEntry is one row of the table of routes.
type routeEntry struct {
	method, path string
	// json answers programs, or is nil.
	json http.Handler
	// page shows a page (GET) or takes its form (POST), or is nil. All pages are
	// nil without Config.Pages.
	page http.Handler
}

// routes returns every route of the mount.
func (h *Handlers) routes() []routeEntry {
	const get, post, patch, del = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	a, v := h.api, h.site.Views()
	open, form := h.site.Open, h.site.Form
	return []routeEntry{
		{get, "/signup", nil, h.forAnyone(open(v.SignUp))},
		{post, "/signup", h.starting(a.SignUp), form(v.SignUp)},
		{get, "/signin", nil, h.forAnyone(open(v.SignIn))},
		{post, "/signin", h.starting(a.SignIn), form(v.SignIn)},

		{post, "/password/update", h.resetting(a.UpdatePassword), h.forUser(form(v.Password))},
		{post, "/password/replace", h.starting(a.ReplacePassword), form(v.Replace)},
		{get, "/forgot", nil, h.forAnyone(open(v.Forgot))},
		{post, "/password/reset", h.everyone(a.SendPasswordReset), form(v.Forgot)},
		{get, "/reset", nil, h.forAnyone(open(v.Reset))},
		{post, "/password/reset/complete", h.starting(a.ResetPassword), form(v.Reset)},
		{post, "/password/reset/verify", h.everyone(a.VerifyReset), nil},
		{get, "/password/policy", h.everyone(a.PasswordPolicy), nil},

		{post, "/email/verify/send", h.signedIn(a.SendEmailVerification), h.forUser(form(v.ResendEmail))},
		{get, "/verify", nil, h.forAnyone(open(v.Verify))},
		{post, "/email/verify", h.maybeSignedIn(a.VerifyEmail), h.forAnyone(form(v.Verify))},
		{post, "/email/change", h.signedIn(a.ChangeEmail), h.forUser(form(v.Email))},
		{del, "/email/change", h.signedIn(a.CancelEmailChange), nil},
		{post, "/account/email/cancel", nil, h.forUser(form(v.CancelEmail))},

		{get, "/me", h.signedIn(a.Me), nil},
		{patch, "/me", h.signedIn(a.UpdateMe), nil},
		{get, "/account", nil, h.forUser(open(v.Account))},
		{get, "/account/name", nil, h.forUser(open(v.Name))},
		{post, "/account/name", nil, h.forUser(form(v.Name))},
		{get, "/account/email", nil, h.forUser(open(v.Email))},
		{get, "/account/password", nil, h.forUser(open(v.Password))},

		{post, "/session/refresh", h.everyone(a.Refresh), nil},
		{get, "/sessions", h.signedIn(a.Sessions), nil},
		{del, "/sessions/{id}", h.signedIn(a.RevokeSession), nil},
		{post, "/account/sessions/{id}", nil, h.forUser(form(v.RevokeSession))},
		{post, "/signout", h.guards.bearer.Require(h.everyone(a.SignOutBearer)), form(v.SignOut)},
		{post, "/signout/all", h.signedIn(a.SignOutEverywhere), h.forUser(form(v.SignOutEverywhere))},

		{get, "/keys", h.everyone(a.Keys), nil},
		{get, "/revocations", h.everyone(a.Revocations), nil},
		{get, "/icon.svg", nil, h.site.Icon()},
	}
}

// mount makes the handlers of all paths, and those behind the methods of
// Handlers.
func (h *Handlers) mount() {
	byPath := map[string][]routeEntry{}
	for _, e := range h.routes() {
		if e.json != nil || e.page != nil {
			byPath[e.path] = append(byPath[e.path], e)
		}
	}
	h.mux, h.single = http.NewServeMux(), map[string]http.Handler{}
	for path, entries := range byPath {
		pages, json := route.Methods{}, route.Methods{}
		for _, e := range entries {
			if e.page != nil {
				pages[e.method] = e.page
			}
			if e.json != nil {
				json[e.method] = e.json
			}
		}
		h.mux.Handle(path, h.chain.FormOrJSON(pages, json))
		for _, e := range entries {
			if e.json == nil {
				continue
			}
			// Mounted alone, a JSON route has its own form, and the page at its path.
			own := route.Methods{}
			for method, page := range pages {
				if method == e.method || json[method] == nil {
					own[method] = page
				}
			}
			h.single[e.method+" "+path] = h.chain.FormOrJSON(own, route.Methods{e.method: e.json})
		}
	}
	h.notFound = h.chain.Path(nil)
	h.mux.Handle("/", h.notFound)
}
