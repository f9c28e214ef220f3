package cookies

import (
	"net/http"
	"strings"
	"time"

	"github.com/usherkit/usher/token"
)

func (j *Jar) plainShapes() (session, refresh shape) {
	return shape{j.cfg.SessionName, j.cfg.Domain, j.cfg.SameSite},
		shape{j.cfg.RefreshName, j.cfg.Domain, j.cfg.SameSite}
}

func (j *Jar) plainTokens(r *http.Request) (token.Pair, bool) {
	session, has1 := bare(r, j.cfg.SessionName)
	refresh, has2 := bare(r, j.cfg.RefreshName)
	if has1 && session == "" || has2 && refresh == "" {
		return token.Pair{}, true
	}
	return token.Pair{Session: token.Secret(session), Refresh: token.Secret(refresh)}, has1 || has2
}

// bare is single for a value that is a token: what no cookie may hold no token
// holds either, and is refused with it. So the value is taken as it stands there.
func bare(r *http.Request, name string) (value string, present bool) {
	text, n := find(r, name)
	if n != 1 || strings.HasPrefix(text, `"`) {
		return single(r, name)
	}
	return text, true
}

// setPlain sets both cookies or none. Each lives as long as its token, and a
// refresh token of an earlier session does not stay behind.
func (j *Jar) setPlain(w http.ResponseWriter, r *http.Request, pair token.Pair) error {
	if err := j.checkHost(r); err != nil {
		return err
	}
	shape1, shape2 := j.plainShapes()
	now := j.cfg.Now()
	life1, life2 := pair.SessionExpiresAt.Sub(now), pair.RefreshExpiresAt.Sub(now)
	if pair.Session == "" || life1 < time.Second || pair.Refresh != "" && life2 < time.Second {
		return ErrExpired
	}
	session := j.cookie(shape1, pair.Session.Reveal(), life1)
	refresh := j.cookie(shape2, pair.Refresh.Reveal(), life2)
	if pair.Refresh == "" {
		refresh = j.cookie(shape2, "", -1)
	}
	for _, c := range []*http.Cookie{session, refresh} {
		if err := check(c); err != nil {
			return err
		}
	}
	add(w, session)
	add(w, refresh)
	return nil
}
