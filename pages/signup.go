package pages

import "github.com/usherkit/usher"

func (site *Site) signUpView() *view {
	return &view{
		page: "signup", path: "/signup", inputs: []string{"loginId", "password", "name"}, required: []string{"loginId", "password"},
		prepare: site.prepareSignUp, open: site.openSignUp, send: site.sendSignUp,
	}
}

// prepareSignUp shows "sign-up is closed" instead of the form if sign-up is closed.
func (site *Site) prepareSignUp(x *exchange) error {
	if x.page.SignUpClosed {
		x.page.Title, x.page.Lead = x.page.T("problem.sign_up_closed"), x.page.T("problem.sign_up_closed.text")
	}
	return nil
}

func (site *Site) openSignUp(x *exchange) error {
	if x.r.URL.Query().Has("sent") {
		return site.prepareSent(x, "/signup", "signup.sent.text")
	}
	if x.claims != nil {
		_ = redirect(x.w, site.destination(x.page.ReturnTo))
		return errAnswered
	}
	return nil
}

func (site *Site) sendSignUp(x *exchange) error {
	name := x.in["name"]
	in := usher.SignUpParams{LoginID: x.in["loginId"], Password: usher.Secret(x.in["password"]), Profile: usher.Profile{Name: &name}}
	result, err := site.visits.Start(x.w, x.r, site.visits.ClientSigningIn(x.w, x.r), func(c usher.Client) (usher.Result, error) {
		return site.service.SignUp(x.r.Context(), in, c)
	})
	if err != nil {
		return err
	}
	return site.redirectAfter(x, result)
}
