package cookies

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher/token"
)

const (
	deviceLifetime = 180 * 24 * time.Hour
	// stateLifetime is the lifetime of state for one of the next requests.
	stateLifetime = 10 * time.Minute

	deviceName, flashName, endedName, notePrefix = "device", "flash", "ended", "note_"
	keyText, keyEnd                              = "t", "e"
)

var (
	flashCode = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	noteName  = regexp.MustCompile(`^_?[a-z]{1,16}$`)
)

// Device returns the device token of a browser that has signed in before, or "".
// It does not sign the user in. While attempts are limited, it distinguishes the
// user's own browser from unknown ones.
func (j *Jar) Device(r *http.Request) token.Secret {
	return token.Secret(j.text(r, j.stateSpec(deviceName)))
}

// SetDevice keeps the device token in the browser for 180 days, in a cookie that
// ClearTokens does not delete. With endsWithBrowser the browser keeps it until it is closed.
func (j *Jar) SetDevice(w http.ResponseWriter, r *http.Request, device token.Secret, endsWithBrowser bool) error {
	return j.setText(w, r, j.stateSpec(deviceName).endingWithBrowser(endsWithBrowser), device.Reveal(), deviceLifetime)
}

// Flash returns the code that SetFlash kept, or "", and deletes it.
func (j *Jar) Flash(w http.ResponseWriter, r *http.Request) string {
	spec := j.stateSpec(flashName)
	code := j.text(r, spec)
	j.deleteIfPresent(w, r, spec)
	return code
}

// SetFlash keeps the code of a message for the next page, for at most ten minutes.
// code has up to 64 letters, digits, dots, dashes and underscores; the page maps it
// to a text.
func (j *Jar) SetFlash(w http.ResponseWriter, r *http.Request, code string) error {
	if !flashCode.MatchString(code) {
		return errors.New("cookies: the code of a flash must have 1 to 64 letters, digits, dots, dashes and underscores")
	}
	return j.setText(w, r, j.stateSpec(flashName), code, stateLifetime)
}

// Note returns the text that SetNote kept under the given name, or "".
func (j *Jar) Note(r *http.Request, name string) token.Secret {
	return token.Secret(j.text(r, j.stateSpec(notePrefix+name)))
}

// SetNote keeps a short text for a later page until lifetime has passed, such as what a sign-in
// with an OpenID provider needs when the user comes back, or the token of an emailed link after
// it was removed from the address bar. name has up to 16 lower-case letters. The names of the
// jar itself and of package pages begin with an underscore.
//
// Its errors are an invalid name and those of [Jar.Prepare].
func (j *Jar) SetNote(w http.ResponseWriter, r *http.Request, name string, text token.Secret, lifetime time.Duration) error {
	if !noteName.MatchString(name) {
		return errors.New("cookies: the name of a note must have 1 to 16 lower-case letters")
	}
	return j.setText(w, r, j.stateSpec(notePrefix+name), text.Reveal(), lifetime)
}

// ClearNote deletes the note with the given name.
func (j *Jar) ClearNote(w http.ResponseWriter, r *http.Request, name string) {
	if noteName.MatchString(name) {
		j.deleteIfPresent(w, r, j.stateSpec(notePrefix+name))
	}
}

// text returns the text in a cookie, or "" if it has expired. The expiry is sealed
// in the cookie, because clients may keep cookies for longer.
func (j *Jar) text(r *http.Request, spec cookieSpec) string {
	values := j.read(r, spec.name)
	if !parseTime(values[keyEnd]).After(j.cfg.Now()) {
		return ""
	}
	return values[keyText]
}

func (j *Jar) setText(w http.ResponseWriter, r *http.Request, spec cookieSpec, text string, lifetime time.Duration) error {
	values := map[string]string{keyText: text, keyEnd: formatTime(j.cfg.Now().Add(lifetime))}
	d, err := j.prepare(r, spec, values, lifetime, nil)
	if err != nil {
		return err
	}
	return d.Set(w)
}

// deleteIfPresent deletes a cookie that the request has, or that the response was to set.
func (j *Jar) deleteIfPresent(w http.ResponseWriter, r *http.Request, spec cookieSpec) {
	added := slices.ContainsFunc(w.Header()["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, spec.name+"=") })
	if _, n := findCookie(r, spec.name); n > 0 || added {
		j.deleteCookie(w, r, spec)
	}
}
