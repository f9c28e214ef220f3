package handlers

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/problem"
)

// page returns a page in the reader's language, with its title and lead.
func (p *pages) page(r *http.Request, name string) *Page {
	return p.pageIn(p.h.catalogue.For(r.Header["Accept-Language"]...), name)
}

func (p *pages) pageIn(s *locale.Speaker, name string) *Page {
	page := &Page{
		Name: name, Product: p.Name, Logo: p.Logo, Home: p.Home, Initial: p.palette.Initial,
		Lang: s.Lang(), Dir: s.Dir(), SignUpClosed: p.h.auth.SignUpClosed(), Policy: p.policy(s),
		speaker: s, pages: p, values: map[string]string{}, errors: map[string][]string{}, links: map[string][]Link{},
	}
	if s.Has(name + ".title") {
		page.Title = page.T(name + ".title")
	}
	if s.Has(name + ".lead") {
		page.Lead = page.T(name + ".lead")
	}
	return page
}

// show answers with a page.
func (p *pages) show(w http.ResponseWriter, status int, page *Page) error {
	var body bytes.Buffer
	if err := p.files.pages[page.Name].ExecuteTemplate(&body, "layout", page); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", page.Lang)
	header.Set("Content-Security-Policy", p.files.policy)
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	if !slices.Contains(header["Vary"], "Accept-Language") {
		header.Add("Vary", "Accept-Language")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
	return nil
}

// redirect goes on to a path of this site: after a form with 303, so that no
// browser sends the form again (RFC 9700 §4.12).
func redirect(w http.ResponseWriter, path string) error {
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// signIn is the path of the sign-in page, or of another one that goes on to it.
func (p *pages) signIn(path, returnTo string) string {
	target := p.base + path
	if returnTo != "" {
		target += "?" + url.Values{"return_to": {returnTo}}.Encode()
	}
	return target
}

// destination is where a finished sign-in goes.
func (p *pages) destination(returnTo string) string {
	if safe := middleware.SafeReturnTo(returnTo); safe != "" {
		return safe
	}
	return p.Home
}

// retryAfter tells a program when to try again, and returns for how long.
func retryAfter(w http.ResponseWriter, err error) (time.Duration, bool) {
	var limit *usher.LimitError
	if !errors.As(err, &limit) {
		return 0, false
	}
	seconds := max(1, int64((limit.RetryAfter+time.Second-1)/time.Second))
	w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	return time.Duration(seconds) * time.Second, true
}

// explain writes an error into the page: beside the input that is to blame, or
// above the form. It returns the status, or 0 for an error that no form is to
// blame for. inputs are those that the page has.
func (p *pages) explain(w http.ResponseWriter, page *Page, err error, inputs []string) int {
	var several *usher.InputErrors
	if errors.As(err, &several) {
		for _, one := range several.All {
			p.explain(w, page, one, inputs)
		}
		return kindOf(err).code.Status()
	}
	var (
		field  *usher.FieldError
		policy *password.PolicyError
	)
	wait, limited := retryAfter(w, err)
	switch {
	case limited:
		page.Alert = page.T("wait", page.speaker.Span(wait))
		err = errTooMany
	case errors.As(err, &policy):
		name := inputs[len(inputs)-1] // the new password comes last on every page
		for _, v := range policy.Violations {
			page.wrong(name, page.violation(v))
		}
		err = errPasswordPolicy
	case errors.As(err, &field):
		name := inputs[0]
		for _, one := range []string{"loginId", field.Field} { // the address of a sign-up is its login id
			if slices.Contains(inputs, one) {
				name = one
			}
		}
		page.wrong(name, page.unfit(name, field.Code))
		err = errInvalidRequest
	case errors.Is(err, usher.ErrInvalidCredentials):
		p.explainCredentials(page, inputs)
	case errors.Is(err, usher.ErrRecentSignInRequired):
		page.wrong("currentPassword", page.invalid("currentPassword", "required"))
	case errors.Is(err, usher.ErrPasswordRequired):
		page.wrong("password", page.invalid("password", "required"))
	case errors.Is(err, usher.ErrLoginIDTaken):
		page.wrong("loginId", page.T("signup.taken"))
		page.links["loginId"] = []Link{
			{page.T("signup.signin"), page.URLBack("/signin")}, {page.T("signup.reset"), page.URL("/forgot")},
		}
	case errors.Is(err, usher.ErrSignUpClosed):
		// The page says so already, and has no form.
	case errors.Is(err, usher.ErrUserDisabled), errors.Is(err, usher.ErrConflict), errors.Is(err, usher.ErrUnavailable):
		page.Alert = page.problem(kindOf(err).code)
	default:
		return 0
	}
	return kindOf(err).code.Status()
}

// explainCredentials says that a password is wrong, beside it where somebody is
// signed in, names the old one or follows a link, above the form where it may as
// well be the login id.
func (p *pages) explainCredentials(page *Page, inputs []string) {
	for _, name := range []string{"currentPassword", "oldPassword"} {
		if slices.Contains(inputs, name) {
			page.wrong(name, page.invalid(name, "wrong"))
			return
		}
	}
	if !slices.Contains(inputs, "loginId") {
		page.wrong("password", page.invalid("password", "wrong"))
		return
	}
	page.Alert = page.T("signin.failed")
	if p.h.auth.ConfirmsFirst() {
		page.Alert = page.T("signin.failed.confirm")
	}
	page.focus = "password"
}

// problem says what an error is: in the words for that page, or for pages, or for
// programs too.
func (p *Page) problem(code problem.Code) string {
	for _, key := range []string{p.Name + ".problem." + string(code), "problem." + string(code) + ".page"} {
		if p.speaker.Has(key) {
			return p.T(key)
		}
	}
	return p.T("problem." + string(code) + ".text")
}

// unfit says what is wrong with an input, of a password in the words for new ones:
// they say how long it may be.
func (p *Page) unfit(field, code string) string {
	switch {
	case isPassword(field) && code == "too_long":
		return p.T("policy.too_long", p.Policy.MaxLength)
	case isPassword(field) && code == "invalid":
		return p.T("policy.not_utf8")
	}
	return p.invalid(field, code)
}

// invalid says what is wrong with an input, in the words for that page and input
// if there are any.
func (p *Page) invalid(field, code string) string {
	for _, of := range []string{p.Name + "." + field + ".", field + ".", ""} {
		key := "invalid." + of + code
		if p.speaker.Has(key) {
			return p.T(key)
		}
	}
	return p.T("invalid.invalid")
}

// violation says which rule a password breaks.
func (p *Page) violation(v password.Violation) string {
	key := "policy." + string(v.Code)
	switch {
	case !p.speaker.Has(key):
		return v.Detail
	case v.Code == password.CodeTooShort || v.Code == password.CodeTooLong:
		return p.T(key, v.Limit)
	}
	return p.T(key)
}
