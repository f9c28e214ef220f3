package ushertest

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher"
)

// wildcard matches a wildcard of a pattern of http.ServeMux.
var wildcard = regexp.MustCompile(`\{[^}]*\}`)

// route is a protected route.
type route struct{ pattern, method, path string }

// changes reports whether the method may change something.
func (r route) changes() bool {
	return !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, r.method)
}

// attackRoute attacks one protected route.
func (x *attack) attackRoute(r route) {
	in := x.signIn()
	signedIn := x.do(x.as(in, x.route(r)))
	switch signedIn.Code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		x.report("%s: a signed-in user gets %d, so the attacks say nothing. Is the pattern right, and does Routes.Roles have what the route needs?", r.pattern, signedIn.Code)
		return
	}
	if cache := signedIn.Header().Get("Cache-Control"); !strings.Contains(cache, "no-store") && !strings.Contains(cache, "private") {
		x.report("%s: caching: the answer to a signed-in user has Cache-Control %q, so a cache may serve it to others", r.pattern, cache)
	}
	x.attackPaths(r, signedIn)
	x.attackTokens(r)
	x.attackRedirects(r)
	if x.cookies && r.changes() {
		x.attackFromOtherSites(r)
	}
}

// attackPaths sends requests without a session, under several spellings of the path.
func (x *attack) attackPaths(r route, signedIn *httptest.ResponseRecorder) {
	paths := []string{r.path, r.path + "/", "/" + r.path, "/." + r.path, strings.ToUpper(r.path), r.path + "?x=1", r.path + "%20", r.path + ";x"}
	for _, path := range paths {
		request, err := http.NewRequest(r.method, x.app.URL+path, strings.NewReader("{}"))
		if err != nil {
			continue // such a request cannot be sent
		}
		request.RequestURI = path
		x.prepare(request)
		got := x.do(request)
		if got.Code < 300 && (path == r.path || got.Body.String() == signedIn.Body.String() && got.Body.Len() > 0) {
			x.report("%s: not protected: %s %s answers %d without a session", r.pattern, r.method, path, got.Code)
			return
		}
	}
	if r.method == http.MethodGet {
		if got := x.do(x.request(http.MethodHead, r.path)); got.Code < 300 {
			x.report("%s: not protected: HEAD %s answers %d without a session", r.pattern, r.path, got.Code)
		}
	}
}

// attackTokens sends requests with tokens that prove no session.
func (x *attack) attackTokens(r route) {
	s, ctx := x.app.Service, x.app.t.Context()
	live := x.app.session(attackedUser, x.roles...)
	raw := live.Tokens.Session.Reveal()
	dot := strings.LastIndexByte(raw, '.')
	tokens := map[string]string{
		"a token without a signature":       raw[:dot+1],
		"a token with another signature":    raw[:dot+1] + strings.Repeat("A", len(raw)-dot-1),
		"a refresh token":                   live.Tokens.Refresh.Reveal(),
		"a text that is no token":           "admin",
		"a token that names no algorithm":   "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + strings.Split(raw, ".")[1] + ".",
		"a token in the query of the route": "",
	}
	ended := x.app.session(attackedUser, x.roles...)
	if claims, err := s.ValidateSession(ctx, ended.Tokens.Session); err == nil {
		if err := s.SignOut(ctx, claims, usher.Client{}); err == nil {
			tokens["the token of a session that has signed out"] = ended.Tokens.Session.Reveal()
		}
	}
	for what, token := range tokens {
		request := x.route(r)
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		} else {
			request.URL.RawQuery = "access_token=" + raw + "&token=" + raw
		}
		if got := x.do(request); got.Code < 300 {
			x.report("%s: not protected: %s gets %d", r.pattern, what, got.Code)
		}
	}
	old := x.route(r)
	old.Header.Set("Authorization", "Bearer "+raw)
	x.app.Clock.Add(2 * time.Hour) // a session token lives for at most one
	if got := x.do(old); got.Code < 300 {
		x.report("%s: not protected: an expired token gets %d", r.pattern, got.Code)
	}
}

// attackFromOtherSites sends what a page of another site can make the user's browser send.
func (x *attack) attackFromOtherSites(r route) {
	in := x.signIn()
	for name, headers := range map[string][]string{
		"another site":                   {"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"},
		"another site in an old browser": {"Origin", "https://evil.example"},
		"a sandboxed frame":              {"Origin", "null"},
		"a subdomain":                    {"Origin", "https://evil." + strings.TrimPrefix(x.app.URL, "https://"), "Sec-Fetch-Site", "same-site"},
	} {
		request := x.as(in, x.route(r))
		request.Header.Set("Content-Type", "text/plain") // what a form can send
		request.Header.Del("Sec-Fetch-Site")
		for i := 0; i < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		if got := x.do(request); got.Code != http.StatusForbidden {
			x.report("%s: CSRF: a request of %s with the user's cookies gets %d, want 403", r.pattern, name, got.Code)
			return
		}
	}
}

// attackRedirects names another host in the request, with and without a session.
func (x *attack) attackRedirects(r route) {
	const evil = "evil.example"
	query := "return_to=https://" + evil + "/&next=//" + evil + "/&redirect=https://" + evil + "/&url=https:" + evil + "&continue=/%5C" + evil
	in := x.signIn()
	for _, session := range []bool{false, true} {
		request := x.route(r)
		request.URL.RawQuery, request.Host = query, evil
		request.Header.Set("X-Forwarded-Host", evil)
		request.Header.Set("Accept", "text/html")
		request.Header.Set("Sec-Fetch-Mode", "navigate")
		if session {
			request = x.as(in, request)
		}
		if to := x.do(request).Header().Get("Location"); leadsTo(to, evil) {
			x.report("%s: open redirect: a request that names %s is redirected to %s", r.pattern, evil, to)
			return
		}
	}
}
