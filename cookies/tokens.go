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

func (j *Jar) session() shape { return shape{j.cfg.Name, j.cfg.Domain, j.cfg.SameSite} }

// Tokens returns the tokens in the request's session cookie. present is true if
// there is such a cookie; the pair is then zero if it was forged, damaged, sealed
// under a key that is gone, or there twice. With Plain the times of the pair are
// zero, and one of the two tokens may be missing.
func (j *Jar) Tokens(r *http.Request) (pair token.Pair, present bool) {
	if j.cfg.Plain {
		return j.plainTokens(r)
	}
	if j.opened == nil {
		return j.open(r)
	}
	// Only the text of a cookie that was opened before can be found: whatever else
	// is wrong with it, or with the request's other cookies, was looked at then.
	text, n := find(r, j.cfg.Name)
	if n == 1 {
		if e := j.opened.Get(text); e != nil {
			return e.Value, true
		}
	}
	pair, present = j.open(r)
	if n == 1 && pair.Session != "" {
		j.keep(text, pair)
	}
	return pair, present
}

// open opens the session cookie.
func (j *Jar) open(r *http.Request) (pair token.Pair, present bool) {
	values, present := j.read(r, j.cfg.Name)
	return token.Pair{
		Session:          token.Secret(values[keySession]),
		Refresh:          token.Secret(values[keyRefresh]),
		SessionExpiresAt: parseTime(values[keySessionEnd]),
		RefreshExpiresAt: parseTime(values[keyRefreshEnd]),
	}, present
}

// maxKept is how long the content of a cookie is kept at most.
const maxKept = time.Hour

// keep remembers the content of a cookie that was opened, for as long as its
// session token lives: nothing that has ended stays in memory.
func (j *Jar) keep(text string, pair token.Pair) {
	now, until := j.cfg.Now(), pair.SessionExpiresAt
	if most := now.Add(maxKept); until.After(most) {
		until = most
	}
	if until.After(now) {
		j.opened.Add(text, pair, until, len(pair.Session)+len(pair.Refresh))
	}
}

// SetTokens adds the session cookie to the answer. It lives as long as the
// refresh token. On an error, such as ErrTooLarge or ErrNotLoopback, it adds
// nothing: the sign-in must fail then, for the browser would not be signed in.
//
// Call it before the answer is written.
func (j *Jar) SetTokens(w http.ResponseWriter, r *http.Request, pair token.Pair) error {
	if j.cfg.Plain {
		return j.setPlain(w, r, pair)
	}
	end := pair.RefreshExpiresAt
	if pair.Refresh == "" {
		end = pair.SessionExpiresAt
	}
	life := end.Sub(j.cfg.Now())
	if pair.Session == "" || life < time.Second {
		return ErrExpired
	}
	values := map[string]string{
		keySession: pair.Session.Reveal(), keySessionEnd: formatTime(pair.SessionExpiresAt),
		keyRefresh: pair.Refresh.Reveal(), keyRefreshEnd: formatTime(pair.RefreshExpiresAt),
	}
	sid := sessionID(pair.Session.Reveal())
	return j.write(w, r, j.session(), values, life, func(old map[string]string) bool {
		return sid != "" && sessionID(old[keySession]) == sid
	})
}

// ClearTokens makes the browser drop the session cookie, and erases the session
// from the store, if it is there. It does not end the session: the tokens stay
// valid.
func (j *Jar) ClearTokens(w http.ResponseWriter, r *http.Request) {
	if j.cfg.Plain {
		session, refresh := j.plainShapes()
		add(w, j.cookie(session, "", -1))
		add(w, j.cookie(refresh, "", -1))
		return
	}
	j.drop(w, r, j.session())
}

// sessionID reads the claim sid of a token without verifying it: good for
// telling whether two tokens, both from the Service, belong to one session, and
// for nothing else.
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
