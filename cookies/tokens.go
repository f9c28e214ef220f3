package cookies

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/sessions"

	"github.com/usherkit/usher/token"
)

// The names of the values in a session of tokens.
const (
	keySession, keySessionEnd = "s", "se"
	keyRefresh, keyRefreshEnd = "r", "re"
)

func (j *Jar) sessionSpec() cookieSpec {
	return cookieSpec{name: j.cfg.Name, domain: j.cfg.Domain, sameSite: j.cfg.SameSite}
}

// Tokens returns the tokens in the request's session cookie. present reports
// whether the request has such a cookie; pair is zero if that cookie is forged,
// damaged, or sealed with an unknown key. Of several such cookies, those that cannot be
// opened or have expired are ignored. If the others belong to one session, the newest
// counts, and otherwise none; see [Jar.RejectConflict]. With Config.Plain, the times in
// pair are zero and one of the tokens may be missing.
//
// While an operator acts as a user ([Jar.Impersonation]), they are the tokens of the operator.
//
// If Config.Store fails, pair is zero as well; see [Jar.ReadTokens].
func (j *Jar) Tokens(r *http.Request) (pair token.Pair, present bool) {
	pair, present, _, _ = j.tokens(r)
	return pair, present
}

// ReadTokens returns what [Jar.Tokens] returns, or [ErrStore] if Config.Store failed. The
// request may then have a session, so the caller must not treat the user as signed out.
// Package middleware answers 503.
func (j *Jar) ReadTokens(r *http.Request) (pair token.Pair, present bool, err error) {
	pair, present, _, err = j.tokens(r)
	return pair, present, err
}

// storeError is the type of ErrStore.
type storeError struct{}

func (storeError) Error() string { return "cookies: the session store failed" }

func (storeError) Is(target error) bool { return target == token.ErrUnavailable }

// AllTokens returns the tokens of every session cookie of the request that opens, to end
// all their sessions. With Config.Plain, each pair has one token. It reads at most 32
// different cookies of one name. If it returns [ErrStore], all has the tokens that
// could be read, and the request may have further sessions.
func (j *Jar) AllTokens(r *http.Request) (all []token.Pair, err error) {
	if !j.cfg.Plain {
		opened, err := j.loadAll(splitRequest(r, j.cfg.Name, firstTexts(r, j.cfg.Name)), j.cfg.Name)
		for _, s := range opened {
			all = append(all, asPair(s))
		}
		return all, err
	}
	for _, text := range firstTexts(r, j.cfg.RefreshName) {
		all = append(all, token.Pair{Refresh: token.Secret(text)})
	}
	for _, text := range firstTexts(r, j.cfg.SessionName) {
		all = append(all, token.Pair{Session: token.Secret(text)})
	}
	return all, nil
}

// firstTexts returns the first maxEnded different values of the cookies of a name.
func firstTexts(r *http.Request, name string) (texts []string) {
	eachCookie(r, func(key, text string) {
		if key == name && len(texts) < maxEnded && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	})
	return texts
}

// tokens is Tokens. conflict reports whether the request has session cookies of
// different sessions. The error is ErrStore.
func (j *Jar) tokens(r *http.Request) (pair token.Pair, present, conflict bool, err error) {
	if j.cfg.Plain {
		pair, present, conflict = j.plainTokens(r)
		return pair, present, conflict, nil
	}
	text, n := findCookie(r, j.cfg.Name)
	switch {
	case n == 0:
		return token.Pair{}, false, false, nil
	case n > 1:
		pair, conflict, err = j.tokensOfSeveral(r)
		return pair, true, conflict, err
	case j.cache != nil:
		// The cache contains only values of cookies that were opened successfully.
		if e := j.cache.Get(text); e != nil {
			return e.Value, true, false, nil
		}
	}
	s, err := j.load(r, j.cfg.Name)
	if s != nil {
		pair = asPair(s)
	}
	if j.cache != nil && pair.Session != "" {
		j.cacheOpened(text, pair)
	}
	return pair, true, false, err
}

// asPair returns the tokens in a session.
func asPair(s *sessions.Session) token.Pair {
	values, _ := asStrings(s.Values)
	return token.Pair{
		Session:          token.Secret(values[keySession]),
		Refresh:          token.Secret(values[keyRefresh]),
		SessionExpiresAt: parseTime(values[keySessionEnd]),
		RefreshExpiresAt: parseTime(values[keyRefreshEnd]),
	}
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

// SetTokens adds the session cookie to the response, and deletes cookies of its name that
// the browser may have for other domains. The cookie expires with the refresh token, or
// with the browser if pair.EndsWithBrowser is true. Call it before the response is written.
//
// Its errors are those of [Jar.Prepare], after which it has added no cookie, so the
// browser is not signed in.
func (j *Jar) SetTokens(w http.ResponseWriter, r *http.Request, pair token.Pair) error {
	d, err := j.Prepare(r, pair)
	if err != nil {
		return err
	}
	return d.Set(w)
}

// Prepare makes the session cookie for the response to r, and changes nothing in the
// browser. A sign-in calls it before it stores the session (see
// usher.Client.PrepareDelivery), so that it fails if the browser would not get the
// session. With Config.Store the tokens of a new session are saved.
//
// Its errors include [ErrTooLarge], [ErrNotLoopback], [ErrExpired] and [ErrStore].
func (j *Jar) Prepare(r *http.Request, pair token.Pair) (*Delivery, error) {
	if j.cfg.Plain {
		return j.preparePlain(r, pair)
	}
	end := pair.RefreshExpiresAt
	if pair.Refresh == "" {
		end = pair.SessionExpiresAt
	}
	lifetime := end.Sub(j.cfg.Now())
	if pair.Session == "" || lifetime < time.Second {
		return nil, ErrExpired
	}
	values := map[string]string{
		keySession: pair.Session.Reveal(), keySessionEnd: formatTime(pair.SessionExpiresAt),
		keyRefresh: pair.Refresh.Reveal(), keyRefreshEnd: formatTime(pair.RefreshExpiresAt),
	}
	sid := sessionID(pair.Session.Reveal())
	d, err := j.prepare(r, j.sessionSpec().endingWithBrowser(pair.EndsWithBrowser), values, lifetime, func(old map[string]string) bool {
		return sid != "" && sessionID(old[keySession]) == sid
	})
	if err != nil {
		return nil, err
	}
	set := d.set
	d.set = func(w http.ResponseWriter) error {
		err := set(w)
		if err == nil {
			j.ClearNote(w, r, noteConflict)
		}
		return err
	}
	return d, nil
}

// ClearTokens deletes the session cookie, and its session in Config.Store. It also
// deletes cookies of its name that the browser may have for other domains. It does not
// revoke the tokens; usher.Service.SignOut does.
//
// It does not delete the cookie of [Jar.SetImpersonation].
func (j *Jar) ClearTokens(w http.ResponseWriter, r *http.Request) {
	if j.cfg.Plain {
		session, refresh := j.plainSpecs()
		j.addWithTwins(w, r, j.cookie(session, "", -1))
		j.addWithTwins(w, r, j.cookie(refresh, "", -1))
	} else {
		j.deleteCookie(w, r, j.sessionSpec())
	}
	j.dropShownPages(w)
}

// dropShownPages sets and deletes a cookie. Chromium keeps whole pages for the back button,
// those with Cache-Control: no-store too, until a cookie changes. Chromium does not count
// the deletion of a cookie that was set on the way to a page, as after a sign-in, but it
// counts a new cookie.
func (j *Jar) dropShownPages(w http.ResponseWriter) {
	ended := j.stateSpec(endedName)
	addCookie(w, j.cookie(ended, "1", time.Second), j.cookie(ended, "", -1))
}

// sessionID returns the claim sid of a token without verifying the token. Use it
// only to compare tokens that came from the Service.
func sessionID(raw string) string { return unverifiedClaims(raw).SessionID }

// sessionClaims are the claims by which a jar compares tokens.
type sessionClaims struct {
	SessionID string `json:"sid"`
	ExpiresAt int64  `json:"exp"`
}

// unverifiedClaims returns claims of a token, or zero if it is malformed.
func unverifiedClaims(raw string) (claims sessionClaims) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return sessionClaims{}
	}
	payload, err := b64.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return sessionClaims{}
	}
	return claims
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
