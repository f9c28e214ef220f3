package pages

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/route"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/problem"
)

// showError shows an error on the page, beside the input that caused it or above the
// form. inputs are the inputs of the page. It returns the status of the answer, or 0
// for an error that a form cannot show.
func (site *Site) showError(w http.ResponseWriter, page *Page, err error, inputs []string) int {
	var several *usher.InputErrors
	if errors.As(err, &several) {
		for _, one := range several.All {
			site.showError(w, page, one, inputs)
		}
		return route.Code(err).Status()
	}
	var (
		field    *usher.FieldError
		policy   *password.PolicyError
		rejected *usher.Rejection
		unproven *usher.EmailProofError
	)
	wait, limited := route.SetRetryAfter(w, err)
	switch {
	case limited:
		key := "wait"
		var limit *usher.LimitError
		if errors.As(err, &limit) && strings.HasSuffix(limit.Limit, "codes") {
			key = "wait.codes" // links have no limit
		}
		page.Alert = page.T(key, page.speaker.Span(wait))
	case errors.As(err, &rejected):
		page.showRejection(rejected, inputs)
	case errors.As(err, &policy):
		name := "newPassword"
		if !slices.Contains(inputs, name) {
			name = "password" // of a sign-up
		}
		for _, v := range policy.Violations {
			page.addError(name, page.violationText(v))
		}
	case errors.As(err, &field):
		name := inputs[0]
		for _, one := range []string{"loginId", strings.TrimPrefix(field.Field, "fields.")} { // the address of a sign-up is its login id
			if slices.Contains(inputs, one) {
				name = one
			}
		}
		page.addError(name, page.fieldErrorText(name, field.Code))
	case errors.Is(err, usher.ErrInvalidCode):
		page.addError("code", page.invalidText("code", "wrong"))
	case errors.Is(err, usher.ErrInvalidCredentials):
		site.showCredentialsError(page, inputs)
	case errors.Is(err, usher.ErrRecentSignInRequired):
		page.addError("currentPassword", page.invalidText("currentPassword", "required"))
	case errors.As(err, &unproven):
		page.addError("currentPassword", page.problemText(problem.EmailProofRequired))
		page.links["currentPassword"] = []Link{{page.T("signup.reset"), page.URL("/forgot")}}
	case errors.Is(err, usher.ErrPasswordRequired):
		page.addError("password", page.invalidText("password", "required"))
	case errors.Is(err, usher.ErrLoginIDTaken):
		page.addError("loginId", page.T("signup.taken"))
		page.links["loginId"] = []Link{
			{page.T("signup.signin"), page.URLWithReturnTo("/signin")}, {page.T("signup.reset"), page.URL("/forgot")},
		}
	case errors.Is(err, usher.ErrSignUpClosed):
		// The page says so already, and has no form.
	case errors.Is(err, usher.ErrUserDisabled), errors.Is(err, usher.ErrConflict), errors.Is(err, usher.ErrUnavailable):
		page.Alert = page.problemText(route.Code(err))
	default:
		return 0
	}
	return route.Code(err).Status()
}

// showRejection shows an error of the program's own code beside its input, or above the
// form.
func (p *Page) showRejection(rejected *usher.Rejection, inputs []string) {
	name, text := rejected.Field, p.rejectionText(rejected)
	if name == "email" && slices.Contains(inputs, "loginId") { // the address of a sign-up is its login id
		name = "loginId"
	}
	if slices.Contains(inputs, name) {
		p.addError(name, text)
	} else {
		p.Alert = text
	}
}

// rejectionText returns the text of an error of the program's own code. A text
// own.rejected.<code> of the program comes first, because it is in the reader's language.
func (p *Page) rejectionText(rejected *usher.Rejection) string {
	if key := "own.rejected." + rejected.Code; p.speaker.Has(key) {
		return p.T(key)
	}
	return cmp.Or(rejected.Message, p.problemText(problem.Rejected))
}

// showCredentialsError shows that a password is wrong: beside the input if the user is
// known, and above the form if the login id may be wrong too.
func (site *Site) showCredentialsError(page *Page, inputs []string) {
	for _, name := range []string{"currentPassword", "oldPassword"} {
		if slices.Contains(inputs, name) {
			page.addError(name, page.invalidText(name, "wrong"))
			return
		}
	}
	if !slices.Contains(inputs, "loginId") {
		page.addError("password", page.invalidText("password", "wrong"))
		return
	}
	page.Alert = page.T("signin.failed")
	if site.service.ConfirmFirst() {
		page.Alert = page.T("signin.failed.confirm")
	}
	page.focus = "password"
}

// problemText returns the text of an error: the text for this page if there is one, or
// the text for all pages, or else the text of problem documents.
func (p *Page) problemText(code problem.Code) string {
	for _, key := range []string{p.Name + ".problem." + string(code), "problem." + string(code) + ".page"} {
		if p.speaker.Has(key) {
			return p.T(key)
		}
	}
	return p.T("problem." + string(code) + ".text")
}

// fieldErrorText returns the text for an invalid input. For a password it uses the
// texts of the policy, which say how long a password may be.
func (p *Page) fieldErrorText(field, code string) string {
	switch {
	case route.IsPassword(field) && code == "too_long":
		return p.T("policy.too_long", p.Policy.MaxLength)
	case route.IsPassword(field) && code == "invalid":
		return p.T("policy.not_utf8")
	}
	return p.invalidText(field, code)
}

// invalidText returns the text for an invalid input: a text own.invalid.<input>.<code> of
// the program if there is one, or the text for this page and input, or the text for this
// input, or else the text for every input.
func (p *Page) invalidText(field, code string) string {
	if key := "own.invalid." + field + "." + code; p.speaker.Has(key) {
		return p.T(key)
	}
	if code == "required" && slices.ContainsFunc(p.site.fields, func(f usher.SignUpField) bool { return f.Checkbox && f.Name == field }) {
		return p.T("invalid.box.required")
	}
	for _, of := range []string{p.Name + "." + field + ".", field + ".", ""} {
		key := "invalid." + of + code
		if p.speaker.Has(key) {
			return p.T(key)
		}
	}
	return p.T("invalid.invalid")
}

// violationText returns the text for a rule of the policy that a password breaks.
func (p *Page) violationText(v password.Violation) string {
	key := "policy." + string(v.Code)
	switch {
	case !p.speaker.Has(key):
		return v.Detail
	case v.Code == password.CodeTooShort || v.Code == password.CodeTooLong:
		return p.T(key, v.Limit)
	}
	return p.T(key)
}
