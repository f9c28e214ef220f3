package handlers_test

import (
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/usherkit/usher/handlers"
)

// writes are all routes that may change something.
var writes = []string{
	"/signup", "/signin", "/password/update", "/password/replace", "/password/reset", "/password/reset/complete", "/password/reset/verify",
	"/email/verify/send", "/email/verify", "/email/change", "/session/refresh", "/signout", "/signout/all",
}

func TestCS01_CS02_OtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		u := k.signUp(ann)
		foreign := [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "cross-site", "X-Requested-With", "x"},
			{"Origin", "https://evil.test"}, {"Origin", "null"}, {"Origin", "https://app.example:444"}, {"Origin", "https://app.example.evil.test"},
			{"Origin", "http://app.example"}, {"Origin", "https://app.example", "Origin", "https://evil.test"},
		}
		k.events.take()
		for _, header := range foreign {
			for _, path := range writes {
				q := post(path, signUpBody(bob, goodPassword), header...).with("Cookie", u.cookie)
				if a := k.do(q); a.status != 403 || a.code() != "cross_origin" {
					t.Errorf("%s with %v: %d %q, want 403", path, header, a.status, a.code())
				}
			}
			for _, q := range []request{{http.MethodPatch, "/me", `{"name":"x"}`, nil}, {http.MethodDelete, "/sessions/" + u.id, "", nil}, {http.MethodDelete, "/email/change", "", nil}} {
				if a := k.do(q.with(header...).with("Cookie", u.cookie)); a.status != 403 {
					t.Errorf("%s %s with %v: %d, want 403", q.method, q.path, header, a.status)
				}
			}
		}
		if got := k.events.take(); got != "" {
			t.Errorf("events are %q, want none", got)
		}
		if !strings.Contains(k.logs.String(), "cross-origin") {
			t.Error("the log does not tell of the refusals")
		}
		for i, header := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {"Origin", "https://app.example"}, nil} {
			k.do(post("/signup", signUpBody(string(rune('a'+i))+"@example.com", goodPassword), header...)).want(t, 201, "")
		}
	})
}

func TestCS03_ARequestThatRestsOnACookieSaysWhereItComesFrom(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{})
	u := k.signUp(ann)
	rests := []request{
		post("/password/update", object("newPassword", otherPassword)), post("/session/refresh", ""), post("/signout", ""), post("/signout/all", ""),
		post("/email/verify/send", ""), post("/email/change", object("newEmail", bob, "currentPassword", goodPassword)),
		{http.MethodPatch, "/me", `{"name":"x"}`, nil}, {http.MethodDelete, "/sessions/" + u.id, "", nil},
	}
	k.events.take()
	for _, q := range rests {
		if a := k.do(q.with("Cookie", u.cookie)); a.status != 403 || a.code() != "cross_origin" || len(a.header["Set-Cookie"]) > 0 {
			t.Errorf("%s: %d %q, want 403", q.path, a.status, a.code())
		}
	}
	if got := k.events.take(); got != "" {
		t.Errorf("events are %q, want none", got)
	}
	k.do(request{http.MethodPatch, "/me", `{"name":"x"}`, []string{"Cookie", u.cookie, "X-Requested-With", "curl"}}).want(t, 200, "")
	// A link counts with the session, and the session with the header.
	link := post("/email/verify", object("token", k.mailedToken())).with("Cookie", u.cookie)
	k.do(link).want(t, 403, "password_required")
	k.do(link.with("X-Requested-With", "curl")).want(t, 200, "")
	// Safe methods, and what proves itself by its body, need no header: curl
	// with a full jar signs in.
	k.do(get("/me", "Cookie", u.cookie)).want(t, 200, "")
	k.do(post("/signin", signUpBody(ann, goodPassword), "Cookie", u.cookie)).want(t, 200, "")
	k.do(post("/password/reset", object("loginId", ann), "Cookie", u.cookie)).want(t, 202, "")

	body := newKit(t, inBodies, setup{})
	u = body.signUp(ann)
	for _, q := range rests[:1] { // all of them: TestCS03_ABearerNeedsNoFurtherHeader
		body.do(body.as(u, q)).want(t, 200, "")
	}
}

func TestTrustedOrigins(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{config: func(c *handlers.Config) { c.TrustedOrigins = []string{"https://good.test"} }})
	k.do(post("/signup", signUpBody(ann, goodPassword), "Origin", "https://good.test", "Sec-Fetch-Site", "cross-site")).want(t, 201, "")
	for _, o := range []string{"http://good.test", "https://good.test:444", "https://good.test.evil.test", "null"} {
		k.do(post("/signup", signUpBody(bob, goodPassword), "Origin", o)).want(t, 403, "cross_origin")
	}
}

func TestCS06_CORS(t *testing.T) {
	t.Parallel()
	preflight := func(origin string) request {
		return request{http.MethodOptions, "/signin", "", []string{"Origin", origin, "Access-Control-Request-Method", "POST"}}
	}
	off := newKit(t, inBodies, setup{})
	if a := off.do(get("/keys", "Origin", "https://good.test")); a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Vary") != "" {
		t.Errorf("without AllowedOrigins: %v", a.header)
	}
	off.do(preflight("https://good.test")).want(t, 405, "method_not_allowed")

	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{config: func(c *handlers.Config) {
			c.AllowedOrigins, c.TrustedOrigins = []string{"https://good.test"}, []string{"https://good.test"}
		}})
		for _, o := range []string{"https://evil.test", "https://good.test.evil.test", "null", "http://good.test", "https://good.test/", "https://GOOD.test"} {
			for _, a := range []*reply{k.do(get("/password/policy", "Origin", o)), k.do(preflight(o))} {
				if a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Access-Control-Allow-Credentials") != "" || a.header.Get("Vary") != "Origin" {
					t.Errorf("%s: %v", o, a.header)
				}
			}
		}
		credentials := map[mode]string{inCookies: "true"}[m]
		for _, a := range []*reply{
			k.do(get("/password/policy", "Origin", "https://good.test")), k.do(preflight("https://good.test")), k.do(get("/me", "Origin", "https://good.test")),
			k.do(post("/signup", signUpBody(ann, goodPassword), "Origin", "https://good.test", "Sec-Fetch-Site", "cross-site")),
		} {
			if a.header.Get("Access-Control-Allow-Origin") != "https://good.test" || a.header.Get("Access-Control-Allow-Credentials") != credentials || !strings.Contains(strings.Join(a.header["Vary"], ","), "Origin") {
				t.Errorf("allowed origin: %d %v", a.status, a.header)
			}
		}
		if a := k.do(preflight("https://good.test")); a.status != 204 || a.header.Get("Access-Control-Allow-Methods") != "POST" {
			t.Errorf("preflight: %d %v", a.status, a.header)
		}
	})
	all := newKit(t, inBodies, setup{config: func(c *handlers.Config) { c.AllowedOrigins = []string{"*"} }})
	for origin, want := range map[string]string{"https://any.test": "*", "null": ""} {
		if a := all.do(get("/keys", "Origin", origin)); a.header.Get("Access-Control-Allow-Origin") != want || a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("everybody, %s: %v", origin, a.header)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{})
	if _, err := handlers.New(nil, handlers.Config{}); err == nil || !strings.Contains(err.Error(), "Service") {
		t.Errorf("no Service: %v", err)
	}
	for field, cfg := range map[string]handlers.Config{
		"AllowedOrigins":    {AllowedOrigins: []string{"*"}, Cookies: k.jar},
		"AllowedOrigins[1]": {AllowedOrigins: []string{"https://good.test", "https://good.test/x"}},
		"AllowedOrigins[0]": {AllowedOrigins: []string{"null"}},
		"TrustedOrigins":    {TrustedOrigins: []string{"http://good.test"}},
		"TrustedProxies":    {TrustedProxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
		"Timeout":           {Timeout: -1},
	} {
		if _, err := handlers.New(k.svc, cfg); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: error is %v", field, err)
		}
	}
}

func TestCS07_NoBypassAndNoGorillaCSRF(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mod), "gorilla/csrf") {
		t.Error("go.mod has gorilla/csrf")
	}
	version := regexp.MustCompile(`(?m)^go 1\.(\d+)\.(\d+)$`).FindStringSubmatch(string(mod))
	if len(version) != 3 || len(version[1]) != 2 || version[1] < "26" {
		t.Errorf("go.mod wants Go %v, want 1.26 or later", version)
	}
	files, err := filepath.Glob("../*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no source", err)
	}
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), "AddInsecureBypass"+"Pattern") {
			t.Errorf("%s opens a way around the check", name)
		}
	}
}
