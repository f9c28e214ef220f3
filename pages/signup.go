package pages

import "github.com/usherkit/usher"

func (site *Site) signUpView() *view {
	inputs := []string{"loginId", "password", "name"}
	for _, f := range site.fields {
		inputs = append(inputs, f.Name)
	}
	return &view{
		page: "signup", path: "/signup", inputs: inputs, required: []string{"loginId", "password"}, together: true,
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
	in := usher.SignUpParams{LoginID: x.in["loginId"], Password: usher.Secret(x.in["password"]), Profile: usher.Profile{Name: &name}, Fields: site.signUpFields(x)}
	result, err := site.visits.Start(x.w, x.r, site.clientSigningIn(x), func(c usher.Client) (usher.Result, error) {
		return site.service.SignUp(x.r.Context(), in, c)
	})
	if err != nil {
		return err
	}
	return site.redirectAfter(x, result)
}

// signUpFields returns the values of the program's fields in the form.
func (site *Site) signUpFields(x *exchange) usher.Fields {
	values := usher.Fields{}
	for _, f := range site.fields {
		text, sent := x.in[f.Name]
		switch {
		case !f.Checkbox:
			values[f.Name] = text
		case !sent || text == "yes":
			values[f.Name] = sent
		default:
			values[f.Name] = text // no value of the box: the Service refuses it
		}
	}
	return values
}

// SignUpFields returns the program's fields of the sign-up.
func (p *Page) SignUpFields() (all []Field) {
	for _, own := range p.site.fields {
		f := p.Field(own.Name, own.Autocomplete)
		if f.Optional = !own.Required; own.Checkbox {
			f.Type, f.Checked = "checkbox", f.Value == "yes"
		}
		all = append(all, f)
	}
	return all
}

// SignsInAtOnce reports whether a sign-up starts a session.
func (p *Page) SignsInAtOnce() bool { return !p.site.service.ConfirmFirst() }
