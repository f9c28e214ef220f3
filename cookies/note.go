package cookies

import (
	"errors"
	"net/http"
	"regexp"

	"github.com/usherkit/usher/token"
)

var noteName = regexp.MustCompile(`^[a-z]{1,16}$`)

const notePrefix = "note_"

// Note returns the text that SetNote kept under the name, or "".
func (j *Jar) Note(r *http.Request, name string) token.Secret {
	return token.Secret(j.text(r, j.own(notePrefix+name)))
}

// SetNote keeps, for ten minutes, a short text for one of the next pages, such
// as the token of a mailed link that has left the address bar. The name has up
// to 16 lower-case letters.
func (j *Jar) SetNote(w http.ResponseWriter, r *http.Request, name string, text token.Secret) error {
	if !noteName.MatchString(name) {
		return errors.New("cookies: the name of a note has up to 16 lower-case letters")
	}
	return j.setText(w, r, j.own(notePrefix+name), text.Reveal(), shortLife)
}

// DropNote makes the browser drop the note.
func (j *Jar) DropNote(w http.ResponseWriter, r *http.Request, name string) {
	if sh := j.own(notePrefix + name); noteName.MatchString(name) {
		if _, present := single(r, sh.name); present {
			j.drop(w, r, sh)
		}
	}
}
