package handlers

import (
	"net/http"

	"github.com/usherkit/usher/middleware"
)

// addPages makes the pages of a mount that has some, and sends browsers that
// have to sign in to them.
func (h *Handlers) addPages() (err error) {
	if h.cfg.Pages == nil {
		return nil
	}
	if h.pages, err = newPages(h, *h.cfg.Pages); err != nil {
		return err
	}
	if h.cfg.OnRefusal == nil {
		h.cfg.OnRefusal = middleware.RedirectToSignIn(h.pages.base + "/signin")
	}
	return nil
}

// mount adds the pages to the routes: those that programs have too take forms
// besides, the others are added.
func (p *pages) mount(mux *http.ServeMux, a *routes) {
	if p == nil {
		return
	}
	// A page for everybody, with its form; json is the route for programs.
	public := func(v *view, json *http.Handler) { *json = p.both(p.opened(v), p.sent(v), *json) }
	public(p.signInView(), &a.signIn)
	public(p.signUpView(), &a.signUp)

	// A form whose page has another path.
	form := func(v *view, json *http.Handler) { *json = p.both(nil, p.sent(v), *json) }
	own := func(v *view, json *http.Handler) { *json = p.both(nil, p.h.own.Require(p.sent(v)), *json) }
	forgot, reset, verify := p.forgotView(), p.resetView(), p.verifyView()
	password, email, name := p.passwordView(), p.emailView(), p.nameView()
	form(p.replaceView(), &a.replacePassword)
	form(forgot, &a.sendPasswordReset)
	form(reset, &a.resetPassword)
	a.verifyEmail = p.both(nil, p.h.own.Optional(p.sent(verify)), a.verifyEmail)
	own(password, &a.updatePassword)
	own(email, &a.changeEmail)
	own(email, &a.emailChange)
	own(p.resendView(), &a.sendEmailVerification)
	form(p.signOutView(), &a.signOut)
	own(p.signOutEverywhereView(), &a.signOutEverywhere)

	const get, post = http.MethodGet, http.MethodPost
	for path, v := range map[string]*view{"/forgot": forgot, "/reset": reset, "/verify": verify} {
		mux.Handle(path, p.h.endpoint(methods{get: p.h.own.Optional(p.opened(v))}))
	}
	for path, v := range map[string]*view{
		"/account": p.accountView(), "/account/password": password, "/account/email": email,
	} {
		mux.Handle(path, p.h.endpoint(methods{get: p.h.own.Require(p.opened(v))}))
	}
	mux.Handle("/account/name", p.h.endpoint(methods{
		get: p.h.own.Require(p.opened(name)), post: p.formOnly(p.h.own.Require(p.sent(name))),
	}))
	mux.Handle("/account/email/cancel", p.h.endpoint(methods{
		post: p.formOnly(p.h.own.Require(p.sent(p.cancelEmailView()))),
	}))
	mux.Handle("/account/sessions/{id}", p.h.endpoint(methods{
		post: p.formOnly(p.h.own.Require(p.sent(p.revokeView()))),
	}))
	mux.Handle("/icon.svg", p.h.endpoint(methods{get: http.HandlerFunc(p.icon)}))
}

// both adds a page and its form to a route for programs. The page may be nil.
func (p *pages) both(open, send, json http.Handler) http.Handler {
	m := methods{http.MethodPost: send}
	if open != nil {
		m[http.MethodGet] = p.h.own.Optional(open)
	}
	people := p.h.endpoint(m)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isForm(r) || open != nil && r.Method != http.MethodPost && r.Method != http.MethodOptions {
			people.ServeHTTP(w, r)
			return
		}
		json.ServeHTTP(w, r)
	})
}

// formOnly refuses what is no form.
func (p *pages) formOnly(next http.Handler) http.Handler {
	return p.h.answer(func(w http.ResponseWriter, r *http.Request) error {
		if !isForm(r) {
			return errMediaType
		}
		next.ServeHTTP(w, r)
		return nil
	})
}

func (p *pages) icon(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "image/svg+xml; charset=utf-8")
	_, _ = w.Write(p.files.icon)
}

// WellKnownChangePassword redirects to the page that changes the password.
// Password managers look for it at a path of its own (W3C, "A Well-Known URL for
// Changing Passwords"), which is at the root of the site:
//
//	mux.HandleFunc("GET /.well-known/change-password", h.WellKnownChangePassword)
//
// Without [Config.Pages] it is 404.
func (h *Handlers) WellKnownChangePassword(w http.ResponseWriter, r *http.Request) {
	if h.pages == nil {
		h.notFound.ServeHTTP(w, r)
		return
	}
	h.head(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = redirect(w, h.pages.base+"/account/password")
	})).ServeHTTP(w, r)
}
