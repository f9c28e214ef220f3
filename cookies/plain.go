package cookies

import (
	"net/http"
	"strings"
	"time"

	"github.com/usherkit/usher/token"
)

func (j *Jar) plainSpecs() (session, refresh cookieSpec) {
	return cookieSpec{name: j.cfg.SessionName, domain: j.cfg.Domain, sameSite: j.cfg.SameSite},
		cookieSpec{name: j.cfg.RefreshName, domain: j.cfg.Domain, sameSite: j.cfg.SameSite}
}

func (j *Jar) plainTokens(r *http.Request) (pair token.Pair, present, conflict bool) {
	var session, refresh string
	n, m := 0, 0
	eachCookie(r, func(name, value string) {
		switch name {
		case j.cfg.SessionName:
			session, n = value, n+1
		case j.cfg.RefreshName:
			refresh, m = value, m+1
		}
	})
	if n > 1 || m > 1 {
		pair, conflict = j.plainTokensOfSeveral(r)
		return pair, true, conflict
	}
	// A valid token has no quotes. The validation of the token refuses every other
	// character.
	session, refresh = strings.Trim(session, `"`), strings.Trim(refresh, `"`)
	if n == 1 && session == "" || m == 1 && refresh == "" {
		return token.Pair{}, true, false
	}
	if n+m == 2 && !j.belongTogether(session, refresh) {
		return token.Pair{}, true, true // another host may have set one of them
	}
	return token.Pair{Session: token.Secret(session), Refresh: token.Secret(refresh)}, n+m > 0, false
}

// belongTogether reports whether two tokens are not of different sessions. It decodes
// tokens that it has not seen together lately.
func (j *Jar) belongTogether(session, refresh string) bool {
	if e := j.pairs.Get(session); e != nil && e.Value == refresh {
		return true
	}
	a, b := unverifiedClaims(session).SessionID, unverifiedClaims(refresh).SessionID
	if a != "" && b != "" && a != b {
		return false
	}
	j.pairs.Add(session, refresh, j.cfg.Now().Add(maxCached), len(refresh))
	return true
}

// preparePlain prepares both cookies or none. Each expires with its token. Without a
// refresh token the cookie of an earlier one is deleted.
func (j *Jar) preparePlain(r *http.Request, pair token.Pair) (*Delivery, error) {
	if err := j.checkHost(r); err != nil {
		return nil, err
	}
	sessionSpec, refreshSpec := j.plainSpecs()
	now := j.cfg.Now()
	sessionLifetime, refreshLifetime := pair.SessionExpiresAt.Sub(now), pair.RefreshExpiresAt.Sub(now)
	if pair.Session == "" || sessionLifetime < time.Second || pair.Refresh != "" && refreshLifetime < time.Second {
		return nil, ErrExpired
	}
	ends := pair.EndsWithBrowser
	session := j.cookie(sessionSpec.endingWithBrowser(ends), pair.Session.Reveal(), sessionLifetime)
	refresh := j.cookie(refreshSpec.endingWithBrowser(ends), pair.Refresh.Reveal(), refreshLifetime)
	if pair.Refresh == "" {
		refresh = j.cookie(refreshSpec, "", -1)
	}
	for _, c := range []*http.Cookie{session, refresh} {
		if err := checkCookie(c); err != nil {
			return nil, err
		}
	}
	return &Delivery{set: func(w http.ResponseWriter) error {
		j.addWithTwins(w, r, session)
		j.addWithTwins(w, r, refresh)
		j.ClearNote(w, r, noteConflict)
		return nil
	}}, nil
}
