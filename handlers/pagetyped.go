package handlers

import (
	"slices"

	"github.com/usherkit/usher"
)

// noteTyped keeps the login id that was typed last, so that nobody has to type it
// again on the next page, and that a person who waits for a mail sees the slip in
// it. It is sealed, for some minutes, and in no address.
const noteTyped = "typed"

// maxTyped is how many bytes a login id may have at most.
const maxTyped = 254

// keepTyped keeps a login id. Without it the person types it again.
func (p *pages) keepTyped(x *exchange, loginID string) {
	if loginID == "" || len(loginID) > maxTyped {
		return
	}
	if err := p.cookies.SetNote(x.w, x.r, noteTyped, usher.Secret(loginID)); err != nil {
		p.h.cfg.Logger.WarnContext(x.r.Context(), "handlers: what was typed could not be kept", "error", err)
	}
}

func (p *pages) typed(x *exchange) string { return p.cookies.Note(x.r, noteTyped).Reveal() }

// fillIn puts what was typed before into the page that is opened.
func (p *pages) fillIn(x *exchange, v *view) {
	if slices.Contains(v.inputs, "loginId") {
		x.page.values["loginId"] = p.typed(x)
	}
}

// waitFor goes on to the page that waits for a mail.
func (p *pages) waitFor(x *exchange, path string) error {
	p.keepTyped(x, x.in["loginId"])
	code := ""
	if x.in["again"] != "" {
		code = "sent_again"
	}
	return p.after(x, path+"?sent=1", code, x.in["loginId"])
}

// waiting makes the page one that waits for a mail. Where none was asked for it is
// left to ask for one. The address is named as long as it is what was typed last: a
// sign-in takes it away, and for another one nothing was asked.
func (p *pages) waiting(x *exchange, path, text string) error {
	to := p.doneTo(x)
	if to == "" {
		return p.elsewhere(x, path)
	}
	page := p.page(x.r, "sent")
	page.Again, page.Lead = path, page.T(text+".bare")
	if to == p.typed(x) {
		page.SentTo, page.Lead = to, page.T(text, to)
	}
	x.page = page
	return nil
}
