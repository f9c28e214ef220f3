package visit

import "net/http"

// The names of the notes that belong to the user of a browser. A sign-out removes all
// except the language. Like all notes of the pages they begin with an underscore; those of
// a program do not.
const (
	// NoteReset, NoteVerify and NoteInvitation keep the token of an emailed link after it
	// has left the address bar.
	NoteReset      = "_reset"
	NoteVerify     = "_verify"
	NoteInvitation = "_invitation"
	// NoteLoginID keeps the login id that the user typed last. The next page fills it
	// in, and the page about an email that was sent shows it, so that the user notices
	// a typing error.
	NoteLoginID = "_typed"
	// NoteLanguage keeps the language that the user has chosen on a page. It is not
	// removed by a sign-out: it belongs to the browser.
	NoteLanguage = "_language"
)

// ForgetUser removes what the browser keeps of a user who has signed out: the tokens, the
// emailed links that were opened, and the login id. The device cookie stays.
func (v *Visits) ForgetUser(w http.ResponseWriter, r *http.Request) {
	if v.Cookies == nil {
		return
	}
	v.ClearTokens(w, r)
	v.clearImpersonation(w, r)
	for _, name := range []string{NoteReset, NoteVerify, NoteInvitation, NoteLoginID} {
		v.Cookies.ClearNote(w, r, name)
	}
}
