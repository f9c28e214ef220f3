package handlers

import (
	"errors"
	"net/http"

	"github.com/usherkit/usher"
)

func (p *pages) signInView() *view {
	inputs := []string{"loginId", "password"}
	return &view{page: "signin", path: "/signin", inputs: inputs, required: inputs, open: p.openSignIn, send: p.sendSignIn}
}

// openSignIn sends who is signed in on, unless a page asks for a new sign-in.
func (p *pages) openSignIn(x *exchange) error {
	again := x.r.URL.Query().Get("prompt") == "login"
	switch {
	case x.claims != nil && !again:
		_ = redirect(x.w, p.destination(x.page.ReturnTo))
		return errAnswered
	case x.claims != nil:
		x.page.Lead = x.page.T("signin.again")
	case x.page.ReturnTo != "":
		x.page.Lead = x.page.T("signin.reason")
	}
	return nil
}

func (p *pages) sendSignIn(x *exchange) error {
	in := usher.SignIn{LoginID: x.in["loginId"], Password: usher.Secret(x.in["password"])}
	a, err := p.h.auth.SignIn(x.r.Context(), in, p.h.newcomer(x.w, x.r))
	if errors.Is(err, usher.ErrPasswordExpired) {
		return p.askReplace(x)
	}
	if err != nil {
		return err
	}
	return p.enter(x, a)
}

// enter keeps the tokens of a sign-in and goes on.
func (p *pages) enter(x *exchange, a *usher.Authentication) error {
	if err := p.h.keep(x.w, x.r, a); err != nil {
		return err
	}
	p.cookies.DropNote(x.w, x.r, noteTyped)
	return redirect(x.w, p.destination(x.page.ReturnTo))
}

// askReplace shows, after the right password, the form for another one.
func (p *pages) askReplace(x *exchange) error {
	page := p.page(x.r, "replace")
	page.ReturnTo, page.values, page.focus, page.Address = x.page.ReturnTo, x.page.values, "oldPassword", x.page.Address
	return p.show(x.w, http.StatusForbidden, page)
}

func (p *pages) replaceView() *view {
	inputs := []string{"loginId", "oldPassword", "newPassword"}
	return &view{page: "replace", path: "/signin", inputs: inputs, required: inputs, send: func(x *exchange) error {
		in := usher.ReplacePassword{
			LoginID: x.in["loginId"], OldPassword: usher.Secret(x.in["oldPassword"]), NewPassword: usher.Secret(x.in["newPassword"]),
		}
		a, err := p.h.auth.ReplacePassword(x.r.Context(), in, p.h.newcomer(x.w, x.r))
		if err != nil {
			return err
		}
		return p.enter(x, a)
	}}
}

func (p *pages) signUpView() *view {
	return &view{
		page: "signup", path: "/signup", inputs: []string{"name", "loginId", "password"}, required: []string{"loginId", "password"},
		prepare: p.prepareSignUp, open: p.openSignUp, send: p.sendSignUp,
	}
}

// prepareSignUp tells who comes too late so, in the place of a form.
func (p *pages) prepareSignUp(x *exchange) error {
	if x.page.SignUpClosed {
		x.page.Title, x.page.Lead = x.page.T("problem.sign_up_closed"), x.page.T("problem.sign_up_closed.text")
	}
	return nil
}

func (p *pages) openSignUp(x *exchange) error {
	if x.r.URL.Query().Has("sent") {
		return p.waiting(x, "/signup", "signup.sent.text")
	}
	if x.claims != nil {
		_ = redirect(x.w, p.destination(x.page.ReturnTo))
		return errAnswered
	}
	return nil
}

func (p *pages) sendSignUp(x *exchange) error {
	name := x.in["name"]
	in := usher.SignUp{LoginID: x.in["loginId"], Password: usher.Secret(x.in["password"]), Profile: usher.Profile{Name: &name}}
	a, err := p.h.auth.SignUp(x.r.Context(), in, p.h.newcomer(x.w, x.r))
	if err != nil {
		return err
	}
	if a.User.ID == "" {
		return p.waitFor(x, "/signup")
	}
	return p.enter(x, a)
}
