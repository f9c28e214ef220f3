package cookies

import (
	"net/http"
	"strings"
	"time"

	"github.com/usherkit/usher/token"
)

func (j *Jar) plainSpecs() (session, refresh cookieSpec) {
	return cookieSpec{j.cfg.SessionName, j.cfg.Domain, j.cfg.SameSite},
		cookieSpec{j.cfg.RefreshName, j.cfg.Domain, j.cfg.SameSite}
}

func (j *Jar) plainTokens(r *http.Request) (token.Pair, bool) {
	session, hasSession := plainValue(r, j.cfg.SessionName)
	refresh, hasRefresh := plainValue(r, j.cfg.RefreshName)
	if hasSession && session == "" || hasRefresh && refresh == "" {
		return token.Pair{}, true
	}
	return token.Pair{Session: token.Secret(session), Refresh: token.Secret(refresh)}, hasSession || hasRefresh
}

// plainValue is singleCookie without the check of the value's characters, which
// costs an allocation: the validation of the token refuses them too.
func plainValue(r *http.Request, name string) (value string, present bool) {
	text, n := findCookie(r, name)
	if n != 1 || strings.HasPrefix(text, `"`) {
		return singleCookie(r, name)
	}
	return text, true
}

// setPlain sets both cookies or none. Each expires with its token. Without a
// refresh token it deletes the cookie of an earlier one.
func (j *Jar) setPlain(w http.ResponseWriter, r *http.Request, pair token.Pair) error {
	if err := j.checkHost(r); err != nil {
		return err
	}
	sessionSpec, refreshSpec := j.plainSpecs()
	now := j.cfg.Now()
	sessionLifetime, refreshLifetime := pair.SessionExpiresAt.Sub(now), pair.RefreshExpiresAt.Sub(now)
	if pair.Session == "" || sessionLifetime < time.Second || pair.Refresh != "" && refreshLifetime < time.Second {
		return ErrExpired
	}
	session := j.cookie(sessionSpec, pair.Session.Reveal(), sessionLifetime)
	refresh := j.cookie(refreshSpec, pair.Refresh.Reveal(), refreshLifetime)
	if pair.Refresh == "" {
		refresh = j.cookie(refreshSpec, "", -1)
	}
	for _, c := range []*http.Cookie{session, refresh} {
		if err := checkCookie(c); err != nil {
			return err
		}
	}
	addCookie(w, session)
	addCookie(w, refresh)
	return nil
}
