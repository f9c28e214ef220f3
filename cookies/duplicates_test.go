package cookies_test

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/token"
)

// client keeps cookies as browsers do (RFC 6265bis §5.7): by name, domain and path, and
// apart for a host and for a domain of the same name. With oneForBoth the last two are
// the same cookie, as in RFC 6265 and in package cookiejar.
type client struct {
	host       string
	oneForBoth bool
	all        []*http.Cookie
}

func (b *client) same(x, y *http.Cookie) bool {
	domain := func(c *http.Cookie) string {
		if b.oneForBoth && c.Domain == "" {
			return b.host
		}
		return c.Domain
	}
	return x.Name == y.Name && domain(x) == domain(y) && x.Path == y.Path
}

func (b *client) keep(lines []*http.Cookie) {
	for _, c := range lines {
		c.Domain = strings.ToLower(c.Domain)
		if c.Domain != "" && c.Domain != b.host && !strings.HasSuffix(b.host, "."+c.Domain) ||
			strings.HasPrefix(c.Name, "__Host-") && (c.Domain != "" || c.Path != "/") {
			continue // browsers reject it
		}
		b.all = slices.DeleteFunc(b.all, func(old *http.Cookie) bool { return b.same(old, c) })
		if c.MaxAge >= 0 {
			b.all = append(b.all, c)
		}
	}
}

// request returns a request with the cookies that the browser sends, the ones with the
// longest path first.
func (b *client) request(path string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = b.host
	all := slices.Clone(b.all)
	slices.SortStableFunc(all, func(x, y *http.Cookie) int { return len(y.Path) - len(x.Path) })
	for _, c := range all {
		if c.Path == path || strings.HasPrefix(path, strings.TrimSuffix(c.Path, "/")+"/") {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	return r
}

// do sends a request, and keeps the cookies of the response.
func (b *client) do(path string, handle func(http.ResponseWriter, *http.Request)) {
	w := httptest.NewRecorder()
	handle(w, b.request(path))
	b.keep(w.Result().Cookies())
}

// sessionIn returns the session id in the tokens of a pair, or "".
func sessionIn(t *testing.T, p token.Pair) string {
	t.Helper()
	if p.Session == "" {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(p.Session.Reveal(), ".")[1])
	var claims struct {
		SessionID string `json:"sid"`
	}
	if err = cmp.Or(err, json.Unmarshal(payload, &claims)); err != nil {
		t.Fatal(err)
	}
	return claims.SessionID
}

// jars has the ways in which a jar keeps tokens.
var jars = map[string]func(*testing.T, *cookies.Config){
	"sealed": func(_ *testing.T, c *cookies.Config) { c.Name = "__Secure-session" },
	"plain":  func(_ *testing.T, c *cookies.Config) { c.Plain = true },
	"files": func(t *testing.T, c *cookies.Config) {
		c.Name, c.Secret, c.Store = "__Secure-session", "", fileStore(t)
	},
}

// Sign-in, refresh and sign-out after a change of Config.Domain.
func TestCK10_AChangeOfTheDomainLeavesNoSecondCookie(t *testing.T) {
	for kind, change := range jars {
		for _, domains := range [][2]string{
			{"", "example.com"}, {"", "app.example.com"}, {"example.com", ""}, {"app.example.com", ""},
			{"app.example.com", "example.com"}, {"example.com", "app.example.com"}, {"example.com", ".Example.com"},
		} {
			for _, oneForBoth := range []bool{false, true} {
				name := fmt.Sprintf("%s, from %q to %q, %t", kind, domains[0], domains[1], oneForBoth)
				var shared cookies.Config
				change(t, &shared)
				at := func(domain string) *cookies.Jar {
					return newJar(t, func(c *cookies.Config) {
						*c = cookies.Config{Secret: c.Secret, Now: c.Now, Logger: c.Logger, Name: shared.Name, Plain: shared.Plain, Store: shared.Store, Domain: domain}
						if c.Store != nil {
							c.Secret = ""
						}
					})
				}
				before, after := at(domains[0]), at(domains[1])
				set := func(jar *cookies.Jar, sid string) func(http.ResponseWriter, *http.Request) {
					return func(w http.ResponseWriter, r *http.Request) {
						if err := jar.SetTokens(w, r, issue(t, sid, 0)); err != nil {
							t.Error(err)
						}
					}
				}
				for _, next := range []string{"s1", "s2"} { // a refresh, and another sign-in
					b := &client{host: "app.example.com", oneForBoth: oneForBoth}
					b.do("/", set(before, "s1"))
					n := len(b.all)
					if p, _ := after.Tokens(b.request("/")); sessionIn(t, p) != "s1" {
						t.Errorf("%s: the change signs the user out", name)
					}
					b.do("/", set(after, next))
					if p, _ := after.Tokens(b.request("/")); sessionIn(t, p) != next || len(b.all) != n {
						t.Errorf("%s: after %s the browser has %d cookies, and the session is %q", name, next, len(b.all), sessionIn(t, p))
					}
					b.do("/", after.ClearTokens)
					if len(b.all) != 0 {
						t.Errorf("%s: after the sign-out %d cookies are left", name, len(b.all))
					}
				}
				b := &client{host: "app.example.com", oneForBoth: oneForBoth}
				b.do("/", set(before, "s1"))
				if b.do("/", after.ClearTokens); len(b.all) != 0 {
					t.Errorf("%s: a sign-out right after the change leaves %d cookies", name, len(b.all))
				}
			}
		}
	}
}

// By default no cookie has a twin, so that nothing else is sent.
func TestCK10_AHostCookieIsSetAndDeletedByOneLine(t *testing.T) {
	jar := newJar(t, nil)
	b := &client{host: "app.example.com"}
	for range 2 {
		b.do("/a/b", func(w http.ResponseWriter, r *http.Request) {
			if err := jar.SetTokens(w, r, issue(t, "s1", 0)); err != nil || len(w.Header()["Set-Cookie"]) != 1 {
				t.Errorf("%v %q", err, w.Header()["Set-Cookie"])
			}
		})
	}
	b.do("/a/b", func(w http.ResponseWriter, r *http.Request) {
		jar.ClearTokens(w, r)
		if lines := strings.Join(w.Header()["Set-Cookie"], "\n"); strings.Count(lines, "__Host-session=") != 1 {
			t.Errorf("%q", w.Header()["Set-Cookie"])
		}
	})
}

func TestCK09_OneSessionCookieThatOpensCounts(t *testing.T) {
	clock := start
	for kind, change := range jars {
		clock = start
		jar := newJar(t, func(c *cookies.Config) {
			change(t, c)
			c.Now = func() time.Time { return clock }
		})
		newer := issueAt(t, "s1", 0, start.Add(time.Minute))
		for name, test := range map[string]struct {
			cookies string
			want    string
		}{
			"forged before":           {"evil own", "s1"},
			"forged after":            {"own evil", "s1"},
			"twice":                   {"own own", "s1"},
			"an older one before":     {"old own", "s1"},
			"an older one after":      {"own old", "s1"},
			"another session":         {"own other", ""},
			"another session, forged": {"evil other own", ""},
			"forged alone":            {"evil evil", ""},
			"as many as count":        {strings.Repeat("own ", 8), "s1"},
			"too many":                {strings.Repeat("own ", 9), ""},
		} {
			made := map[string][]*http.Cookie{
				"old": set(t, jar, request(), issue(t, "s1", 0)),
				"own": set(t, jar, request(), newer), "other": set(t, jar, request(), issue(t, "s2", 0)),
			}
			for _, c := range made["own"] {
				made["evil"] = append(made["evil"], &http.Cookie{Name: c.Name, Value: "evil"})
			}
			r := request()
			for _, which := range strings.Fields(test.cookies) {
				for _, c := range made[which] {
					r.AddCookie(c)
				}
			}
			p, present := jar.Tokens(r)
			if sessionIn(t, p) != test.want || !present {
				t.Errorf("%s, %s: the session is %q, present is %t", kind, name, sessionIn(t, p), present)
			}
			if test.want != "" && (p.Session != newer.Session || p.Refresh != newer.Refresh) {
				t.Errorf("%s, %s: not the newest tokens", kind, name)
			}
			conflict := strings.HasPrefix(name, "another") || name == "too many"
			if jar.RecentConflict(r) != conflict || jar.RejectConflict(httptest.NewRecorder(), r) != conflict {
				t.Errorf("%s, %s: conflict is not %t", kind, name, conflict)
			}
		}
		old := set(t, jar, request(), issue(t, "s1", 0))
		// A cookie that has expired does not count against another one.
		clock = start.AddDate(0, 0, 15)
		later := set(t, jar, request(), issueAt(t, "s2", 0, clock))
		if p, _ := jar.Tokens(request(append(old, later...)...)); sessionIn(t, p) != "s2" {
			t.Errorf("%s: beside an expired cookie the session is %q", kind, sessionIn(t, p))
		}
	}
}

// Whatever domain and path the cookies have, all of them are deleted, and the next
// sign-in works. The sign-in page learns why it is shown.
func TestCK09_CookiesOfDifferentSessionsAreDeleted(t *testing.T) {
	var log bytes.Buffer
	for kind, change := range jars {
		log.Reset()
		clock := start
		jar := newJar(t, func(c *cookies.Config) {
			change(t, c)
			c.Domain, c.Logger = "example.com", slog.New(slog.NewTextHandler(&log, nil))
			c.Now = func() time.Time { return clock }
		})
		for _, planted := range []http.Cookie{
			{Path: "/"}, {Path: "/", Domain: "app.example.com"}, {Path: "/app"}, {Path: "/app/", Domain: "example.com"}, {Path: "/app/work/y"},
		} {
			clock = clock.Add(time.Minute) // one line a minute
			b := &client{host: "app.example.com"}
			b.keep(set(t, jar, request(), issue(t, "s1", 0)))
			for _, c := range set(t, jar, request(), issue(t, "s2", 0)) {
				c.Domain, c.Path = planted.Domain, planted.Path
				b.keep([]*http.Cookie{c})
			}
			rejected := false
			b.do("/app/work/y", func(w http.ResponseWriter, r *http.Request) { rejected = jar.RejectConflict(w, r) })
			if len(b.all) != 1 || !rejected || !jar.RecentConflict(b.request("/signin")) {
				t.Errorf("%s, planted for %q %s: rejected is %t, the browser has %d cookies", kind, planted.Domain, planted.Path, rejected, len(b.all))
			}
			b.do("/signin", func(w http.ResponseWriter, r *http.Request) {
				if err := jar.SetTokens(w, r, issue(t, "s1", 0)); err != nil {
					t.Error(err)
				}
			})
			if p, _ := jar.Tokens(b.request("/app/work/y")); sessionIn(t, p) != "s1" || jar.RecentConflict(b.request("/app/work/y")) {
				t.Errorf("%s, planted for %q %s: after the next sign-in the session is %q", kind, planted.Domain, planted.Path, sessionIn(t, p))
			}
		}
		if n := strings.Count(log.String(), "several session cookies belong to different sessions"); n != 5 {
			t.Errorf("%s: %d lines say why, want 5:\n%s", kind, n, log.String())
		}
		if strings.Contains(log.String(), "will not say") {
			t.Errorf("%s: the log reports a note that failed:\n%s", kind, log.String())
		}
	}
}

// A request with many cookies and a long path does not make a response that proxies
// refuse.
func TestCK09_TheLinesThatDeleteCookiesAreBounded(t *testing.T) {
	jar := newJar(t, func(c *cookies.Config) { c.Plain, c.Domain = true, "example.com" })
	own := set(t, jar, request(), issue(t, "s1", 0))
	r := request(slices.Concat(own, own)...)
	r.Host, r.RequestURI = strings.Repeat("a.", 100)+"example.com", strings.Repeat("/a", 1000)
	w := httptest.NewRecorder()
	jar.ClearTokens(w, r)
	lines := w.Header()["Set-Cookie"]
	if size := len(strings.Join(lines, "")); len(lines) > 62 || size > 5000 {
		t.Errorf("%d lines, %d bytes", len(lines), size)
	}
	r.Host, r.RequestURI = "app.example.com", "/"+strings.Repeat("b", 1500)+";"+strings.Repeat("/", 30000) // no cookie has such a path
	if n := testing.AllocsPerRun(1, func() { jar.ClearTokens(httptest.NewRecorder(), r) }); n > 10000 {
		t.Errorf("a long path costs %.0f allocations", n)
	}
}

// A single cookie may be for the host or for one of its domains, the first eight, but it
// can only have the path of the jar.
func TestCK10_OneCookieHasTwinsAtItsPathOnly(t *testing.T) {
	jar := newJar(t, func(c *cookies.Config) { c.Name = "__Secure-s" })
	r := request(set(t, jar, request(), issue(t, "s1", 0))...)
	r.Host, r.RequestURI = "a.b.c.d.e.f.g.h.example.com", "/a/b"
	all := set(t, jar, r, issue(t, "s1", 0))
	for _, c := range all {
		if c.Path != "/" {
			t.Errorf("%s", c.Raw)
		}
	}
	if len(all) != 8+1 || !strings.HasPrefix(all[0].Domain, "a.b.") || !strings.HasPrefix(all[7].Domain, "h.example") {
		t.Errorf("the cookies are %v", all)
	}
}

// Behind a proxy the Host of a request may lie outside of Config.Domain.
func TestCK10_TwinsOfTheConfiguredDomainOnAnyHost(t *testing.T) {
	jar := newJar(t, func(c *cookies.Config) { c.Name, c.Domain = "__Secure-s", "Example.com" })
	old := set(t, jar, request(), issue(t, "s1", 0))[0]
	r := request(old, old)
	r.Host, r.RequestURI = "10.0.0.7:8080", "/app/x"
	lines := map[string]int{}
	for _, c := range set(t, jar, r, issue(t, "s1", 0)) {
		lines[strings.ToLower(c.Domain)+c.Path]++
	}
	if lines["example.com/app"] != 1 || lines["example.com/"] != 1 || lines["/app"] != 1 {
		t.Errorf("the lines are %v", lines)
	}
	r.RequestURI = "/"
	if all := set(t, jar, r, issue(t, "s1", 0)); len(all) != 2 {
		t.Errorf("at / the lines are %v", all)
	}
}

// Without a refresh token, a cookie counts until its session token expires.
func TestCK09_CookiesWithoutARefreshTokenExpireWithTheirSession(t *testing.T) {
	clock := start
	jar := newJar(t, func(c *cookies.Config) { c.Now = func() time.Time { return clock } })
	made := func(sid string, refresh bool) *http.Cookie {
		p := issue(t, sid, 0)
		if !refresh {
			p.Refresh, p.RefreshExpiresAt = "", time.Time{}
		}
		return set(t, jar, request(), p)[0]
	}
	long, short := made("long", true), made("short", false)
	if p, _ := jar.Tokens(request(short, short)); sessionIn(t, p) != "short" {
		t.Errorf("two cookies of one session give %q", sessionIn(t, p))
	}
	if !jar.RecentConflict(request(long, short)) {
		t.Error("two sessions are no conflict")
	}
	clock = start.Add(10 * time.Minute)
	if p, _ := jar.Tokens(request(long, short)); sessionIn(t, p) != "long" {
		t.Errorf("beside a cookie without a live token the session is %q", sessionIn(t, p))
	}
}

// A client chooses Host and path. What is no domain or path of a cookie has no twin.
// net/http would drop parts of it, and write a line to the log of the process.
func TestCK10_OnlyDomainsAndPathsOfCookiesHaveTwins(t *testing.T) {
	var lines bytes.Buffer
	log.SetOutput(&lines)
	defer log.SetOutput(os.Stderr)
	jar := newJar(t, func(c *cookies.Config) { c.Name, c.Domain = "__Secure-s", "example.com" })
	old := set(t, jar, request(), issue(t, "one", 0))[0]
	r := request(old, old)
	r.Host, r.RequestURI = "my_app.a;b.example.com", "/x/a;b/c"
	all := set(t, jar, r, issue(t, "one", 0))
	if lines.Len() > 0 {
		t.Errorf("net/http logged:\n%s", &lines)
	}
	last := all[len(all)-1]
	if last.MaxAge < 0 || last.Domain != "example.com" || len(all) < 2 {
		t.Errorf("the cookies are %v", all)
	}
	if !slices.ContainsFunc(all, func(c *http.Cookie) bool { return c.Domain == "example.com" && c.Path == "/x" }) {
		t.Errorf("a domain behind one that no cookie has keeps its cookies: %v", all)
	}
}

// A request may have cookies of different sessions and sign in all the same. The sign-in
// page must not report a conflict that is over.
func TestCK11_ASignInEndsTheConflictOfItsRequest(t *testing.T) {
	jar := newJar(t, nil)
	r := request(set(t, jar, request(), issue(t, "one", 0))[0], set(t, jar, request(), issue(t, "two", 0))[0])
	w := httptest.NewRecorder()
	if !jar.RejectConflict(w, r) {
		t.Fatal("there is no conflict")
	}
	if err := jar.SetTokens(w, r, issue(t, "three", 0)); err != nil {
		t.Fatal(err)
	}
	browser := client{host: "app.example.com"}
	browser.keep(w.Result().Cookies())
	if r := browser.request("/"); jar.RecentConflict(r) {
		t.Errorf("the browser has %v", browser.all)
	}
}
