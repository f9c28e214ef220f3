package cookies

import (
	"net/http"
	"time"

	"github.com/usherkit/usher/token"
)

// actingSuffix is added to the name of the session cookie.
const actingSuffix = "-as"

// The names of the values in the cookie of an operator who acts as a user.
const keyActing, keyOperator = "a", "o"

func (j *Jar) actingSpec() cookieSpec {
	spec := cookieSpec{name: j.acting, domain: j.cfg.Domain, sameSite: j.cfg.SameSite}
	return spec.endingWithBrowser(true)
}

// Impersonation returns the session token with which an operator acts as a user in this
// browser, and the id of the operator's own session, which is in the session cookie. present
// reports whether the request has such a cookie. session is empty if the cookie does not
// open, or if several do.
//
// While the cookie is there, a request that has no session of the operator with that id, or
// whose token is not valid, must be refused: it comes from a page that was shown as the user.
// Package middleware does so.
func (j *Jar) Impersonation(r *http.Request) (session token.Secret, operatorSession string, present bool) {
	if _, n := findCookie(r, j.acting); n == 0 {
		return "", "", false
	}
	values := j.read(r, j.acting)
	return token.Secret(values[keyActing]), values[keyOperator], true
}

// SetImpersonation adds a cookie beside the session cookie, by which an operator acts as a
// user. The cookie is sealed, also with Config.Plain. It has no lifetime, because a request
// that comes after the end of the token must still have it: such a request is refused, and
// does not count as one of the operator.
//
// Its errors are those of [Jar.Prepare].
func (j *Jar) SetImpersonation(w http.ResponseWriter, r *http.Request, session token.Secret, end time.Time, operatorSession string) error {
	lifetime := end.Sub(j.cfg.Now())
	if session == "" || operatorSession == "" || lifetime < time.Second {
		return ErrExpired
	}
	values := map[string]string{keyActing: session.Reveal(), keyOperator: operatorSession}
	d, err := j.prepare(r, j.actingSpec(), values, lifetime, nil)
	if err != nil {
		return err
	}
	return d.Set(w)
}

// ClearImpersonation deletes the cookie of [Jar.SetImpersonation]. The session cookie stays.
// It does not revoke the token.
func (j *Jar) ClearImpersonation(w http.ResponseWriter, r *http.Request) {
	j.deleteCookie(w, r, j.actingSpec())
	j.dropShownPages(w)
}
