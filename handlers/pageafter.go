package handlers

import "github.com/usherkit/usher"

// noteAfter begins the names of the notes that a form of this browser led to a page
// which says what the form has done. The page's name follows.
const noteAfter = "after"

// after goes on to a page that says what a form has done, and to what. The browser keeps
// that for some minutes, so that the page can be loaded again; a stranger can make a
// link to the page's address, and not that. Without it the person still gets on.
func (p *pages) after(x *exchange, path, code, to string) error {
	if err := p.cookies.SetNote(x.w, x.r, noteAfter+x.page.Name, usher.Secret(to)); err != nil {
		p.h.cfg.Logger.WarnContext(x.r.Context(), "handlers: what a form has done could not be kept for the next page", "error", err)
	}
	return p.goOn(x, path, code)
}

// doneTo is to what a form of this browser, which led to the page, has done something,
// or "" if none did.
func (p *pages) doneTo(x *exchange) string {
	return p.cookies.Note(x.r, noteAfter+x.page.Name).Reveal()
}

// elsewhere sends who opens a page to another path of the mount.
func (p *pages) elsewhere(x *exchange, path string) error {
	_ = redirect(x.w, p.base+path)
	return errAnswered
}
