package cookies

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/usherkit/usher/token"
)

// The names of the values in a session of tokens.
const (
	keySession, keySessionEnd = "s", "se"
	keyRefresh, keyRefreshEnd = "r", "re"
)

func (j *Jar) sessionSpec() cookieSpec { return cookieSpec{j.cfg.Name, j.cfg.Domain, j.cfg.SameSite} }

// Tokens returns the tokens in the request's session cookie. present reports
// whether the request has such a cookie; pair is zero if the cookie is forged,
// damaged, sealed with an unknown key, or there twice. With Config.Plain, the times
// in pair are zero and one of the tokens may be missing.
func (j *Jar) Tokens(r *http.Request) (pair token.Pair, present bool) {
	if j.cfg.Plain {
		return j.plainTokens(r)
	}
	if j.cache == nil {
		return j.open(r)
	}
	// The cache contains only values of cookies that were opened successfully.
	text, n := findCookie(r, j.cfg.Name)
	if n == 1 {
		if e := j.cache.Get(text); e != nil {
			return e.Value, true
		}
	}
	pair, present = j.open(r)
	if n == 1 && pair.Session != "" {
		j.cacheOpened(text, pair)
	}
	return pair, present
}

// open decrypts the session cookie.
func (j *Jar) open(r *http.Request) (pair token.Pair, present bool) {
	values, present := j.read(r, j.cfg.Name)
	return token.Pair{
		Session:          token.Secret(values[keySession]),
		Refresh:          token.Secret(values[keyRefresh]),
		SessionExpiresAt: parseTime(values[keySessionEnd]),
		RefreshExpiresAt: parseTime(values[keyRefreshEnd]),
	}, present
}

// maxCached is the longest time that the content of a cookie stays in the cache.
const maxCached = time.Hour

// cacheOpened puts the content of an opened cookie into the cache until its session
// token expires, so that no expired tokens stay in memory.
func (j *Jar) cacheOpened(text string, pair token.Pair) {
	now, until := j.cfg.Now(), pair.SessionExpiresAt
	if most := now.Add(maxCached); until.After(most) {
		until = most
	}
	if until.After(now) {
		j.cache.Add(text, pair, until, len(pair.Session)+len(pair.Refresh))
	}
}

// SetTokens adds the session cookie to the response. The cookie expires with the
// refresh token. Call it before the response is written.
//
// Its errors include [ErrTooLarge], [ErrNotLoopback] and [ErrExpired]. It has then
// added no cookie and the browser is not signed in, so the sign-in must fail.
func (j *Jar) SetTokens(w http.ResponseWriter, r *http.Request, pair token.Pair) error {
	if j.cfg.Plain {
		return j.setPlain(w, r, pair)
	}
	end := pair.RefreshExpiresAt
	if pair.Refresh == "" {
		end = pair.SessionExpiresAt
	}
	lifetime := end.Sub(j.cfg.Now())
	if pair.Session == "" || lifetime < time.Second {
		return ErrExpired
	}
	values := map[string]string{
		keySession: pair.Session.Reveal(), keySessionEnd: formatTime(pair.SessionExpiresAt),
		keyRefresh: pair.Refresh.Reveal(), keyRefreshEnd: formatTime(pair.RefreshExpiresAt),
	}
	sid := sessionID(pair.Session.Reveal())
	return j.write(w, r, j.sessionSpec(), values, lifetime, func(old map[string]string) bool {
		return sid != "" && sessionID(old[keySession]) == sid
	})
}

// ClearTokens deletes the session cookie, and its session in Config.Store. It does
// not revoke the tokens; usher.Service.SignOut does.
func (j *Jar) ClearTokens(w http.ResponseWriter, r *http.Request) {
	if j.cfg.Plain {
		session, refresh := j.plainSpecs()
		addCookie(w, j.cookie(session, "", -1))
		addCookie(w, j.cookie(refresh, "", -1))
		return
	}
	j.deleteCookie(w, r, j.sessionSpec())
}

// sessionID returns the claim sid of a token without verifying the token. Use it
// only to compare tokens that came from the Service.
func sessionID(raw string) string {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := b64.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		SessionID string `json:"sid"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.SessionID
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.Unix(), 10)
}

func parseTime(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
