package cookies

import (
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/usherkit/usher/token"
)

const (
	deviceLife = 180 * 24 * time.Hour
	// shortLife is for what is read by one of the next requests.
	shortLife = 10 * time.Minute

	deviceName, returnName, flashName = "device", "return_to", "flash"
	keyText, keyEnd                   = "t", "e"
)

var flashCode = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Device returns the token of a browser that has signed in before, or "". It
// signs nobody in; it tells an owner from strangers while tries are limited.
func (j *Jar) Device(r *http.Request) token.Secret {
	return token.Secret(j.text(r, j.own(deviceName)))
}

// SetDevice keeps the token in the browser for 180 days, in a cookie of its own
// that signing out leaves alone.
func (j *Jar) SetDevice(w http.ResponseWriter, r *http.Request, device token.Secret) error {
	return j.setText(w, r, j.own(deviceName), device.Reveal(), deviceLife)
}

// ReturnTo returns the path that SetReturnTo kept, once, or "".
func (j *Jar) ReturnTo(w http.ResponseWriter, r *http.Request) string {
	return j.takeText(w, r, j.own(returnName))
}

// SetReturnTo keeps, for ten minutes, the path to go on to after a sign-in. It
// is kept as given: let only such paths in as middleware.SafeReturnTo returns.
func (j *Jar) SetReturnTo(w http.ResponseWriter, r *http.Request, path string) error {
	return j.setText(w, r, j.own(returnName), path, shortLife)
}

// Flash returns the code that SetFlash kept, once, or "".
func (j *Jar) Flash(w http.ResponseWriter, r *http.Request) string {
	return j.takeText(w, r, j.own(flashName))
}

// SetFlash keeps, for ten minutes, the code of a message for the next page: up
// to 64 letters, digits, dots, dashes and underscores. The text belongs to the
// page.
func (j *Jar) SetFlash(w http.ResponseWriter, r *http.Request, code string) error {
	if !flashCode.MatchString(code) {
		return errors.New("cookies: a flash is a code of up to 64 letters, digits, dots, dashes and underscores")
	}
	return j.setText(w, r, j.own(flashName), code, shortLife)
}

// text returns the text in a cookie. Its end is sealed beside it, for a client
// may keep a cookie as long as it likes.
func (j *Jar) text(r *http.Request, sh shape) string {
	values, _ := j.read(r, sh.name)
	if !parseTime(values[keyEnd]).After(j.cfg.Now()) {
		return ""
	}
	return values[keyText]
}

func (j *Jar) setText(w http.ResponseWriter, r *http.Request, sh shape, text string, life time.Duration) error {
	values := map[string]string{keyText: text, keyEnd: formatTime(j.cfg.Now().Add(life))}
	return j.write(w, r, sh, values, life, nil)
}

func (j *Jar) takeText(w http.ResponseWriter, r *http.Request, sh shape) string {
	text := j.text(r, sh)
	if _, present := single(r, sh.name); present {
		j.drop(w, r, sh)
	}
	return text
}
