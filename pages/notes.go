package pages

import (
	"slices"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/visit"
)

// The names of the notes. A note is a short text in a sealed cookie that expires
// after ten minutes, or with the link that it keeps. It appears in no URL. Package visit
// has those that a sign-out removes.
const (
	// noteConfirmation is the prefix of the notes that a form leaves for the page that
	// confirms its action. The name of that page follows.
	noteConfirmation = "_after"
	// noteNotice keeps the code of the notice that the next page shows.
	noteNotice = "_notice"
	// noteSignedIn keeps the user id and the session id of the last sign-in, and
	// noteRedirects how often the sign-in page has redirected a signed-in user. By them
	// the sign-in page notices that it is shown again and again.
	noteSignedIn  = "_signedin"
	noteRedirects = "_redirects"
)

const noteLifetime = 10 * time.Minute

// keepNote stores a note for ten minutes. A failure is only logged.
func (site *Site) keepNote(x *exchange, name, text string) {
	if err := site.cookies.SetNote(x.w, x.r, name, usher.Secret(text), noteLifetime); err != nil {
		site.logger.WarnContext(x.r.Context(), "pages: a note for the next page could not be kept", "note", name, "error", err)
	}
}

// redirectToConfirmation redirects to a page that confirms the action of a form. A
// note stores the user id or login id that the action was for. So the page can be
// loaded again, but a forged link to it shows nothing. If the note cannot be stored,
// it redirects all the same.
func (site *Site) redirectToConfirmation(x *exchange, path, code, to string) error {
	site.keepNote(x, noteConfirmation+x.page.Name, to)
	return site.redirectWithNotice(x, path, code)
}

// confirmed returns the user id or login id from the note of redirectToConfirmation,
// or "" if this browser has not sent the form that the page confirms.
func (site *Site) confirmed(x *exchange) string {
	return site.cookies.Note(x.r, noteConfirmation+x.page.Name).Reveal()
}

// redirectInstead redirects to another path of the mount instead of showing the page.
func (site *Site) redirectInstead(x *exchange, path string) error {
	_ = redirect(x.w, site.base+path)
	return errAnswered
}

// maxLoginID is the maximum length of a login id in bytes.
const maxLoginID = 254

// rememberLoginID stores a login id for the next page. A failure is only logged.
func (site *Site) rememberLoginID(x *exchange, loginID string) {
	if loginID == "" || len(loginID) > maxLoginID {
		return
	}
	site.keepNote(x, visit.NoteLoginID, loginID)
}

// rememberedLoginID returns the login id that the user typed last, or "".
func (site *Site) rememberedLoginID(x *exchange) string {
	return site.cookies.Note(x.r, visit.NoteLoginID).Reveal()
}

// fillInLoginID fills in the remembered login id, if the page has that input.
func (site *Site) fillInLoginID(x *exchange, v *view) {
	if slices.Contains(v.inputs, "loginId") {
		x.page.values["loginId"] = site.rememberedLoginID(x)
	}
}

// redirectToSent redirects to the page which says that an email was sent.
func (site *Site) redirectToSent(x *exchange, path string) error {
	site.rememberLoginID(x, x.in["loginId"])
	code := ""
	if x.in["again"] != "" {
		code = "sent_again"
	}
	return site.redirectToConfirmation(x, path+"?sent=1", code, x.in["loginId"])
}

// prepareSent prepares the page which says that an email was sent. If this browser has
// not requested one, it redirects to the form. The page names the login id only if it
// is still the one that the user typed last.
func (site *Site) prepareSent(x *exchange, path, text string) error {
	to := site.confirmed(x)
	if to == "" {
		return site.redirectInstead(x, path)
	}
	if to != site.rememberedLoginID(x) {
		to = ""
	}
	x.page = site.sentPage(x, path, text, to)
	return nil
}

// sentPage returns the page which says that an email was sent. to is the login id that the
// user has typed, or "".
func (site *Site) sentPage(x *exchange, path, text, to string) *Page {
	page := site.newPage(x.r, "sent")
	page.SignedIn, page.ResendPath, page.Lead = x.page.SignedIn, path, page.T(text+".bare")
	if to != "" {
		page.SentTo, page.Lead = to, page.T(text, to)
	}
	return page
}
