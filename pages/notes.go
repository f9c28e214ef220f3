package pages

import (
	"slices"

	"github.com/usherkit/usher"
)

// The names of the notes. A note is a short text that the browser keeps for some
// minutes in a sealed cookie. It is in no address.
const (
	// noteReset and noteVerify keep the token of an emailed link after it has left
	// the address bar. They are also the names of the pages.
	noteReset  = "reset"
	noteVerify = "verify"
	// noteTyped keeps the login id that was typed last, so that the user need not
	// type it again on the next page, and sees a typing error while waiting for an
	// email.
	noteTyped = "typed"
	// noteAfter begins the names of the notes that a form leaves for the page that
	// confirms what the form has done. The name of that page follows.
	noteAfter = "after"
)

// after goes on to a page that confirms what a form has done, and to which user or
// address. A note keeps that, so the page can be loaded again, but a forged link to
// its address shows nothing. If the note cannot be kept, the user goes on all the
// same.
func (site *Site) after(x *exchange, path, code, to string) error {
	if err := site.cookies.SetNote(x.w, x.r, noteAfter+x.page.Name, usher.Secret(to)); err != nil {
		site.logger.WarnContext(x.r.Context(), "pages: the note for the next page could not be kept", "error", err)
	}
	return site.goOn(x, path, code)
}

// doneTo returns the user or address to which a form of this browser has done what
// the page confirms, or "" if none has.
func (site *Site) doneTo(x *exchange) string {
	return site.cookies.Note(x.r, noteAfter+x.page.Name).Reveal()
}

// elsewhere redirects to another path of the mount instead of showing the page.
func (site *Site) elsewhere(x *exchange, path string) error {
	_ = redirect(x.w, site.base+path)
	return errAnswered
}

// maxTyped is the maximum length of a login id in bytes.
const maxTyped = 254

// keepTyped keeps a login id. If that fails, the user types it again.
func (site *Site) keepTyped(x *exchange, loginID string) {
	if loginID == "" || len(loginID) > maxTyped {
		return
	}
	if err := site.cookies.SetNote(x.w, x.r, noteTyped, usher.Secret(loginID)); err != nil {
		site.logger.WarnContext(x.r.Context(), "pages: the login id could not be kept for the next page", "error", err)
	}
}

// typed returns the login id that was typed last, or "".
func (site *Site) typed(x *exchange) string { return site.cookies.Note(x.r, noteTyped).Reveal() }

// fillIn fills in what was typed before, when a page is opened.
func (site *Site) fillIn(x *exchange, v *view) {
	if slices.Contains(v.inputs, "loginId") {
		x.page.values["loginId"] = site.typed(x)
	}
}

// waitFor goes on to the page that asks the user to look for an email.
func (site *Site) waitFor(x *exchange, path string) error {
	site.keepTyped(x, x.in["loginId"])
	code := ""
	if x.in["again"] != "" {
		code = "sent_again"
	}
	return site.after(x, path+"?sent=1", code, x.in["loginId"])
}

// waiting shows the page that asks the user to look for an email, or redirects to
// the form if no email was requested. It names the address only while that is the
// login id that was typed last: a sign-in removes it, and for another login id no
// email was requested.
func (site *Site) waiting(x *exchange, path, text string) error {
	to := site.doneTo(x)
	if to == "" {
		return site.elsewhere(x, path)
	}
	page := site.page(x.r, "sent")
	page.Again, page.Lead = path, page.T(text+".bare")
	if to == site.typed(x) {
		page.SentTo, page.Lead = to, page.T(text, to)
	}
	x.page = page
	return nil
}
