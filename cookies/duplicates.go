package cookies

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/gorilla/sessions"

	"github.com/usherkit/usher/token"
)

// A browser has several cookies of one name if they differ in domain or path: after
// Config.Domain was changed, or if another host of the domain or another program set
// one. A request does not say which cookie is which (RFC 6265bis §8.6).

const (
	// maxOpened is how many cookies of one name are opened. If there are more, none
	// counts.
	maxOpened = 8
	// maxEnded is how many different cookies of one name AllTokens opens.
	maxEnded = 32
	// maxTwinBytes bounds the headers that delete the twins of a cookie, because proxies
	// refuse responses with large headers.
	maxTwinBytes = 2000
	// maxPaths bounds the paths of twins, because the client chooses how long the path of its
	// request is. More would not fit into maxTwinBytes.
	maxPaths = 32

	// noteConflict is the name of the note that RejectConflict leaves.
	noteConflict = "_conflict"
)

// openAll returns the session of each cookie with the given name that opens. n is how
// many such cookies the request has. The error is ErrStore if the store failed for one of them.
func (j *Jar) openAll(r *http.Request, name string) (all []*sessions.Session, n int, err error) {
	_, n = findCookie(r, name)
	switch {
	case n == 1:
		all, err = j.loadAll([]*http.Request{r}, name)
	case n <= maxOpened:
		all, err = j.loadAll(splitRequest(r, name, cookieTexts(r, name)), name)
	}
	return all, n, err
}

// loadAll returns the sessions of requests with one cookie each.
func (j *Jar) loadAll(requests []*http.Request, name string) (all []*sessions.Session, err error) {
	for _, r := range requests {
		s, failed := j.load(r, name)
		if s != nil {
			all = append(all, s)
		}
		err = cmp.Or(err, failed)
	}
	return all, err
}

// splitRequest returns a copy of the request for each of these values of its cookies with
// the given name, with no other cookie in it.
func splitRequest(r *http.Request, name string, texts []string) (all []*http.Request) {
	for _, text := range texts {
		all = append(all, withCookies(r, name, text))
	}
	return all
}

// withCookies returns a copy of the request that has cookies with the given name and values,
// and no others.
func withCookies(r *http.Request, name string, texts ...string) *http.Request {
	r = r.WithContext(r.Context())
	r.Header = r.Header.Clone()
	r.Header["Cookie"] = nil
	for _, text := range texts {
		r.Header["Cookie"] = append(r.Header["Cookie"], name+"="+text)
	}
	return r
}

// newest returns the tokens of the one session that all pairs belong to, by the time at
// which their session token expires. conflict reports that they belong to several.
func newest(pairs []token.Pair) (pair token.Pair, conflict bool) {
	for i, p := range pairs {
		switch {
		case i == 0:
			pair = p
		case sessionOf(p) != sessionOf(pair):
			return token.Pair{}, true
		case p.SessionExpiresAt.After(pair.SessionExpiresAt):
			pair = p
		}
	}
	return pair, false
}

// sessionOf returns the id of the session of a pair, or its session token if that has
// no id.
func sessionOf(p token.Pair) string {
	if sid := sessionID(p.Session.Reveal()); sid != "" {
		return sid
	}
	return p.Session.Reveal()
}

// tokensOfSeveral chooses among several session cookies.
func (j *Jar) tokensOfSeveral(r *http.Request) (pair token.Pair, conflict bool, err error) {
	all, n, err := j.openAll(r, j.cfg.Name)
	if n > maxOpened || err != nil {
		return token.Pair{}, err == nil, err
	}
	var pairs []token.Pair
	for _, s := range all {
		p := asPair(s)
		end := p.RefreshExpiresAt
		if p.Refresh == "" {
			end = p.SessionExpiresAt
		}
		if p.Session != "" && end.After(j.cfg.Now()) {
			pairs = append(pairs, p)
		}
	}
	pair, conflict = newest(pairs)
	return pair, conflict, nil
}

// plainTokensOfSeveral is tokensOfSeveral for Config.Plain. The jar cannot verify
// tokens, so every JWT that has a session and has not expired counts as one that opens.
func (j *Jar) plainTokensOfSeveral(r *http.Request) (pair token.Pair, conflict bool) {
	now, session, expires := j.cfg.Now().Unix(), "", int64(0)
	for _, c := range []struct {
		name string
		to   *token.Secret
	}{{j.cfg.SessionName, &pair.Session}, {j.cfg.RefreshName, &pair.Refresh}} {
		texts := cookieTexts(r, c.name)
		if len(texts) > maxOpened {
			return token.Pair{}, true
		}
		expires = 0
		for _, text := range texts {
			claims := unverifiedClaims(text)
			switch {
			case claims.SessionID == "" || claims.ExpiresAt <= now:
			case session != "" && claims.SessionID != session:
				return token.Pair{}, true
			case claims.ExpiresAt > expires:
				session, expires, *c.to = claims.SessionID, claims.ExpiresAt, token.Secret(text)
			}
		}
	}
	return pair, false
}

// RejectConflict reports whether the request has session cookies of different sessions.
// None of them is used then, because another host of the domain may have set one to sign
// the user in to another account. RejectConflict deletes all of them, and logs a warning, at
// most once a minute. It does not revoke their tokens; package handlers ends their sessions
// before. Package middleware calls it.
func (j *Jar) RejectConflict(w http.ResponseWriter, r *http.Request) bool {
	if !j.HasConflict(r) {
		return false
	}
	if j.conflictLogged.Passed(j.cfg.Now()) {
		j.cfg.Logger.WarnContext(r.Context(), "cookies: several session cookies belong to different sessions, so none of them counts", "cookies", strings.Join(j.cfg.tokenNames(), ", "))
	}
	j.ClearTokens(w, r)
	if err := j.SetNote(w, r, noteConflict, "1", stateLifetime); err != nil {
		j.cfg.Logger.WarnContext(r.Context(), "cookies: the sign-in page will not say that the session cookies were rejected", "error", err)
	}
	return true
}

// RecentConflict reports whether [Jar.RejectConflict] rejects this request, or has rejected
// one of this browser in the last ten minutes and no tokens were set since. A sign-in page
// then says why it is shown.
func (j *Jar) RecentConflict(r *http.Request) bool {
	return j.Note(r, noteConflict) != "" || j.HasConflict(r)
}

// HasConflict reports whether the request has session cookies of different sessions. A
// single sealed cookie is not opened for that. The two cookies of Config.Plain may be of
// different sessions even if there is one of each.
func (j *Jar) HasConflict(r *http.Request) bool {
	if _, n := findCookie(r, j.cfg.Name); n < 2 && !j.cfg.Plain {
		return false
	}
	_, _, conflict, _ := j.tokens(r)
	return conflict
}

// addWithTwins adds a cookie to the response, after lines that delete its twins: the
// cookies of the same name that the browser may have for another domain or path. If the
// request has one cookie, the twins are those that another Config.Domain would have
// left. If it has several, they also have the paths that match the request.
func (j *Jar) addWithTwins(w http.ResponseWriter, r *http.Request, c *http.Cookie) {
	addCookie(w, append(j.twins(r, c), c)...)
}

func (j *Jar) twins(r *http.Request, c *http.Cookie) (all []*http.Cookie) {
	_, n := findCookie(r, c.Name)
	// Browsers accept the prefix __Host- only without a domain and with the path "/".
	if n == 0 || hasPrefix(c.Name, hostPrefix) {
		return nil
	}
	paths := []string{"/"}
	if n > 1 {
		paths = append(paths, matchingPaths(r)...)
	}
	domains := append([]string{""}, parentDomains(r.Host)...)
	if own := domainName(c.Domain); !slices.Contains(domains, own) {
		domains = append(domains, own)
	}
	size := 0
	for _, path := range paths {
		for _, domain := range domains {
			twin := &http.Cookie{
				Name: c.Name, Path: path, Domain: domain, MaxAge: -1, Secure: c.Secure, HttpOnly: true, SameSite: c.SameSite,
			}
			if twin.Valid() != nil {
				continue // the client chose a Host or a path that no cookie can have
			}
			if size += len(twin.String()); size > maxTwinBytes {
				return all
			}
			if path != c.Path || domain != domainName(c.Domain) {
				all = append(all, twin)
			}
		}
	}
	return all
}

// domainName returns the value of an attribute Domain in the form in which it is
// compared.
func domainName(s string) string { return strings.ToLower(strings.TrimPrefix(s, ".")) }

// parentDomains returns a host without port and the domains that it is in, except the
// top one. It returns none for an IP address or a single label.
func parentDomains(host string) (all []string) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = domainName(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return nil
	}
	for strings.Contains(host, ".") && len(all) < maxOpened {
		all = append(all, host)
		_, host, _ = strings.Cut(host, ".")
	}
	return all
}

// matchingPaths returns the first maxPaths of the paths, except "/", with which a cookie is
// sent with the request (RFC 6265bis §5.1.4), the shortest first. It reads the request line, because a
// router may have stripped a prefix from r.URL.
func matchingPaths(r *http.Request) (all []string) {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") {
		path = r.URL.EscapedPath()
	}
	short := path[:min(len(path), maxTwinBytes)]
	for i := 1; i < len(short) && len(all) < maxPaths; i++ {
		if short[i] == '/' {
			all = append(all, short[:i], short[:i+1])
		}
	}
	if path != "" && path == short && len(all) < maxPaths && !strings.HasSuffix(path, "/") {
		all = append(all, path)
	}
	return all
}
