package handlers

// noteAfter begins the names of the notes that a form of this browser led to a page
// which says what the form has done. The page's name follows.
const noteAfter = "after"

// after goes on to a page that says what a form has done. The browser keeps for some
// minutes that it was sent there, so that the page can be loaded again; a stranger can
// make a link to the page's address, and not that. Without it the person still gets on.
func (p *pages) after(x *exchange, path, code string) error {
	if err := p.cookies.SetNote(x.w, x.r, noteAfter+x.page.Name, "1"); err != nil {
		p.h.cfg.Logger.WarnContext(x.r.Context(), "handlers: what a form has done could not be kept for the next page", "error", err)
	}
	return p.goOn(x, path, code)
}

// isAfter reports whether a form of this browser led to the page.
func (p *pages) isAfter(x *exchange) bool { return p.cookies.Note(x.r, noteAfter+x.page.Name) != "" }

// elsewhere sends who opens a page to another path of the mount.
func (p *pages) elsewhere(x *exchange, path string) error {
	_ = redirect(x.w, p.base+path)
	return errAnswered
}
