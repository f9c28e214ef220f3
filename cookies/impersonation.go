package cookies

import (
	"cmp"
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher/token"
)

// impersonationSuffix is added to the name of the session cookie.
const impersonationSuffix = "-as"

// The names of the values in the cookie of an operator who acts as a user.
const keyImpersonation, keyOperator = "a", "o"

func (j *Jar) impersonationSpec() cookieSpec {
	spec := cookieSpec{name: j.impersonation, domain: j.cfg.Domain, sameSite: j.cfg.SameSite}
	return spec.endingWithBrowser(true)
}

// impersonationTag is the beginning of the value of a cookie that was set beside the
// operator's session with the given id. Another host of the domain can set a cookie of this
// name, but it does not know the id. So a cookie that does not open is refused only if it has
// the tag of the session cookie, and ignored otherwise.
func impersonationTag(operatorSession string) string {
	sum := sha256.Sum256([]byte("acting " + operatorSession))
	return b64.EncodeToString(sum[:16]) + "."
}

// impersonationTexts returns the values, without their tags, of the cookies by which an
// operator acts as a user: at most maxOpened with the tag of the session cookie, each once,
// and at most maxOpened others.
func (j *Jar) impersonationTexts(r *http.Request) (own, others []string) {
	texts := cookieTexts(r, j.impersonation)
	if len(texts) == 0 {
		return nil, nil
	}
	pair, _ := j.Tokens(r)
	id := cmp.Or(sessionID(pair.Session.Reveal()), sessionID(pair.Refresh.Reveal()))
	tag := impersonationTag(id)
	for _, text := range texts {
		sealed, isOwn := strings.CutPrefix(text, tag)
		switch {
		case id != "" && isOwn && len(own) < maxOpened && !slices.Contains(own, sealed):
			own = append(own, sealed)
		case !isOwn && len(others) < maxOpened:
			others = append(others, text[strings.Index(text, ".")+1:])
		}
	}
	return own, others
}

// Impersonation returns the session token with which an operator acts as a user in this
// browser, and the id of the operator's own session, which is in the session cookie. present
// reports whether the request has such a cookie. session is empty if the cookie does not
// open any more, or if there are several for the session in the session cookie.
//
// A cookie that does not open and was not set beside that session is ignored: another host of
// the domain may have set it.
//
// While the cookie is there, a request that has no session of the operator with that id, or
// whose token is not valid, must be refused: it comes from a page that was shown as the user.
// Package middleware does so.
func (j *Jar) Impersonation(r *http.Request) (session token.Secret, operatorSession string, present bool) {
	own, others := j.impersonationTexts(r)
	switch {
	case len(own) == 1:
		values := j.read(withCookies(r, j.impersonation, own[0]), j.impersonation)
		return token.Secret(values[keyImpersonation]), values[keyOperator], true
	case len(own) > 1:
		return "", "", true
	}
	for _, one := range splitRequest(r, j.impersonation, others) {
		if values := j.read(one, j.impersonation); values != nil {
			return token.Secret(values[keyImpersonation]), values[keyOperator], true
		}
	}
	return "", "", false
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
	values := map[string]string{keyImpersonation: session.Reveal(), keyOperator: operatorSession}
	spec := j.impersonationSpec()
	spec.tag = impersonationTag(operatorSession)
	d, err := j.prepare(j.untagged(r), spec, values, lifetime, nil)
	if err != nil {
		return err
	}
	return d.Set(w)
}

// ClearImpersonation deletes the cookie of [Jar.SetImpersonation]. The session cookie stays.
// It does not revoke the token.
func (j *Jar) ClearImpersonation(w http.ResponseWriter, r *http.Request) {
	j.deleteCookie(w, j.untagged(r), j.impersonationSpec())
	j.dropShownPages(w)
}

// untagged returns a copy of the request with the values that the store knows, as many as are
// opened.
func (j *Jar) untagged(r *http.Request) *http.Request {
	own, others := j.impersonationTexts(r)
	texts := slices.Concat(own, others)
	return withCookies(r, j.impersonation, texts[:min(len(texts), maxOpened)]...)
}
