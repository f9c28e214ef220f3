package pages

import (
	"errors"

	"github.com/usherkit/usher"
)

// bySentCode reports whether a form has the code of an email instead of a link.
func bySentCode(x *exchange) bool {
	_, typed := x.in["code"]
	return typed && x.in["token"] == ""
}

// prepareSentCode prepares the page on which a form with a code was sent: the one which says
// that an email was sent. The answer to a wrong code is that page again.
func (site *Site) prepareSentCode(x *exchange, path, text string) {
	page := site.sentPage(x, path, text, x.in["loginId"])
	page.Address, page.values = site.base+path+"?sent=1", x.page.values
	x.page = page
}

// prepareAccountCode is prepareSentCode for the form on the account page.
func (site *Site) prepareAccountCode(x *exchange) error {
	if x.claims == nil { // the session may have ended since the page was opened
		_ = redirect(x.w, site.pathWithReturn("/signin", site.base+"/account"))
		return errAnswered
	}
	page := site.newPage(x.r, "account")
	page.SignedIn, page.Address, page.values = true, site.base+"/account", x.page.values
	x.page = page
	if err := site.loadAccount(x); err != nil {
		return err
	}
	return site.fillAccount(x)
}

// codeError returns the error of a form with a code. The link beside the code may have been
// used at the same moment.
func codeError(err error) error {
	if errors.Is(err, usher.ErrInvalidToken) {
		return usher.ErrInvalidCode
	}
	return err
}

// AsksCode reports whether the page has a form for the code of an email.
func (p *Page) AsksCode() bool {
	if p.site.service.NoEmailCodes() {
		return false
	}
	return p.SentTo != "" || p.Unverified() || p.PendingEmail != ""
}
