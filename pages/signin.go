package pages

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/usherkit/usher"
)

func (site *Site) signInView() *view {
	inputs := []string{"loginId", "password"}
	return &view{page: "signin", path: "/signin", inputs: inputs, required: inputs, open: site.openSignIn, send: site.sendSignIn}
}

// openSignIn redirects a signed-in user, unless the query asks for a new sign-in
// (prompt=login).
func (site *Site) openSignIn(x *exchange) error {
	again := x.r.URL.Query().Get("prompt") == "login"
	switch {
	case x.claims != nil && !again:
		_ = redirect(x.w, site.destination(x.page.ReturnTo))
		return errAnswered
	case x.claims != nil:
		x.page.Lead = x.page.T("signin.again")
	case x.page.ReturnTo != "":
		x.page.Lead = x.page.T("signin.reason")
	}
	return nil
}

func (site *Site) sendSignIn(x *exchange) error {
	in := usher.SignInParams{LoginID: x.in["loginId"], Password: usher.Secret(x.in["password"])}
	result, err := site.service.SignIn(x.r.Context(), in, site.visits.ClientSigningIn(x.w, x.r))
	if errors.Is(err, usher.ErrPasswordExpired) {
		return site.showReplace(x)
	}
	if err != nil {
		return err
	}
	return site.redirectAfter(x, result)
}

// redirectAfter redirects to the next page after a sign-in, a sign-up or a new
// password.
func (site *Site) redirectAfter(x *exchange, result usher.Result) error {
	switch result.Next {
	case usher.NextSignedIn:
		return site.startSession(x, result.Authentication)
	case usher.NextConfirmEmail:
		return site.redirectToSent(x, "/signup")
	}
	return fmt.Errorf("pages: unknown next step %q", result.Next)
}

// startSession sets the cookies of a new session and redirects to the destination.
func (site *Site) startSession(x *exchange, a *usher.Authentication) error {
	if err := site.visits.SetTokens(x.w, x.r, a); err != nil {
		return err
	}
	site.cookies.DropNote(x.w, x.r, noteLoginID)
	return redirect(x.w, site.destination(x.page.ReturnTo))
}

// showReplace shows the form that replaces an expired password. The caller has
// verified the old password.
func (site *Site) showReplace(x *exchange) error {
	page := site.newPage(x.r, "replace")
	page.ReturnTo, page.values, page.focus, page.Address = x.page.ReturnTo, x.page.values, "oldPassword", x.page.Address
	return site.show(x.w, http.StatusForbidden, page)
}

func (site *Site) replaceView() *view {
	inputs := []string{"loginId", "oldPassword", "newPassword"}
	return &view{page: "replace", path: "/signin", inputs: inputs, required: inputs, send: func(x *exchange) error {
		in := usher.ReplacePasswordParams{
			LoginID: x.in["loginId"], OldPassword: usher.Secret(x.in["oldPassword"]), NewPassword: usher.Secret(x.in["newPassword"]),
		}
		result, err := site.service.ReplacePassword(x.r.Context(), in, site.visits.ClientSigningIn(x.w, x.r))
		if err != nil {
			return err
		}
		return site.redirectAfter(x, result)
	}}
}
