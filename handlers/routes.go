package handlers

import (
	"net/http"

	"github.com/usherkit/usher/internal/route"
)

// routeEntry is a row of the table of routes.
type routeEntry struct {
	method, path string
	// json serves the JSON route, or is nil.
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
		{get, "/signup", nil, h.publicPage(open(v.SignUp))},
		{post, "/signup", h.startsSession(a.SignUp), form(v.SignUp)},
		{get, "/signin", nil, h.publicPage(open(v.SignIn))},
		{post, "/signin", h.startsSession(a.SignIn), form(v.SignIn)},

		{post, "/password/update", h.requiresUserOrReset(a.UpdatePassword), h.userPage(form(v.Password))},
		{post, "/password/replace", h.startsSession(a.ReplacePassword), form(v.Replace)},
		{get, "/forgot", nil, h.publicPage(open(v.Forgot))},
		{post, "/password/reset", h.public(a.SendPasswordReset), form(v.Forgot)},
		{get, "/reset", nil, h.publicPage(open(v.Reset))},
		{post, "/password/reset/complete", h.startsSession(a.ResetPassword), h.publicPage(form(v.Reset))},
		{post, "/password/reset/verify", h.public(a.VerifyReset), nil},
		{get, "/invitation", nil, h.publicPage(open(v.Invitation))},
		{post, "/invitation/accept", h.startsSession(a.AcceptInvitation), h.publicPage(form(v.Invitation))},
		{get, "/password/policy", h.public(a.PasswordPolicy), nil},

		{post, "/email/verify/send", h.requiresUser(a.SendEmailVerification), h.userPage(form(v.ResendEmail))},
		{get, "/verify", nil, h.publicPage(open(v.Verify))},
		{post, "/email/verify", h.optionalUser(a.VerifyEmail), h.publicPage(form(v.Verify))},
		{post, "/email/change", h.requiresUser(a.ChangeEmail), h.userPage(form(v.Email))},
		{del, "/email/change", h.requiresUser(a.CancelEmailChange), nil},
		{post, "/account/email/cancel", nil, h.userPage(form(v.CancelEmail))},

		{get, "/me", h.requiresUser(a.Me), nil},
		{patch, "/me", h.requiresUser(a.UpdateMe), nil},
		{get, "/account", nil, h.userPage(open(v.Account))},
		{get, "/account/name", nil, h.userPage(open(v.Name))},
		{post, "/account/name", nil, h.userPage(form(v.Name))},
		{get, "/account/email", nil, h.userPage(open(v.Email))},
		{get, "/account/delete", nil, h.userPage(open(v.Delete))},
		{post, "/account/delete", h.requiresUser(a.DeleteAccount), h.userPage(form(v.Delete))},
		{get, "/account/data", h.requiresUser(a.AccountData), nil},
		{get, "/account/password", nil, h.userPage(open(v.Password))},
		{get, "/account/signout", nil, h.userPage(open(v.SignOutEverywhere))},

		{post, "/session/refresh", h.public(a.Refresh), nil},
		{get, "/session/confirm", nil, h.userPage(open(v.Confirm))},
		{post, "/session/confirm", h.requiresUser(a.ConfirmSession), h.userPage(form(v.Confirm))},
		{get, "/sessions", h.requiresUser(a.Sessions), nil},
		{del, "/sessions/{id}", h.requiresUser(a.RevokeSession), nil},
		{post, "/account/sessions/{id}", nil, h.userPage(form(v.RevokeSession))},
		{post, "/signout", h.guards.bearer.Require(h.public(a.SignOutBearer)), form(v.SignOut)},
		{post, "/signout/all", h.requiresUser(a.SignOutEverywhere), h.userPage(form(v.SignOutEverywhere))},

		{get, "/keys", h.public(a.Keys), nil},
		{get, "/revocations", h.public(a.Revocations), nil},
		{post, "/language", nil, form(v.Language)},
		{get, "/icon.svg", nil, h.site.Icon()},
	}
}

// buildRoutes builds the handler of each path, and the handler behind each method of
// Handlers, from the table of routes.
func (h *Handlers) buildRoutes() {
	byPath := map[string][]routeEntry{}
	for _, e := range h.routes() {
		if e.json != nil || e.page != nil {
			byPath[e.path] = append(byPath[e.path], e)
		}
	}
	h.mux, h.byRoute = http.NewServeMux(), map[string]http.Handler{}
	for path, entries := range byPath {
		pages, json := route.Methods{}, route.Methods{}
		for _, e := range entries {
			if e.page != nil {
				pages[e.method] = e.page
				h.mount.opensPage[path] = h.mount.opensPage[path] || e.method == http.MethodGet
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
			// Mounted alone, a JSON route also serves its form and the page at its path.
			own := route.Methods{}
			for method, page := range pages {
				if method == e.method || json[method] == nil {
					own[method] = page
				}
			}
			h.byRoute[e.method+" "+path] = h.chain.FormOrJSON(own, route.Methods{e.method: e.json})
		}
	}
	h.notFound = h.chain.Path(nil)
	h.mux.Handle("/", h.notFound)
}
