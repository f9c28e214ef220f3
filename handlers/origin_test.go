package handlers_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/middleware"
)

// writes are all routes that change something.
var writes = []string{
	"/signup", "/signin", "/password/update", "/password/replace", "/password/reset", "/password/reset/complete", "/password/reset/verify", "/invitation/accept",
	"/email/verify/send", "/email/verify", "/email/change", "/account/delete", "/session/refresh", "/session/confirm", "/signout", "/signout/all",
}

func TestCS01_CS02_OtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u := k.SignUp(Ann)
		foreign := [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "cross-site", "X-Requested-With", "x"},
			{"Origin", "https://evil.test"}, {"Origin", "null"}, {"Origin", "https://app.example:444"}, {"Origin", "https://app.example.evil.test"},
			{"Origin", "http://app.example"}, {"Origin", "https://app.example", "Origin", "https://evil.test"},
		}
		k.Events.Take()
		for _, header := range foreign {
			for _, path := range writes {
				q := Post(path, SignUpBody(Bob, GoodPassword), header...).With("Cookie", u.Cookie)
				if a := k.Do(q); a.Status != 403 || a.Code() != "cross_origin" {
					t.Errorf("%s with %v: %d %q, want 403", path, header, a.Status, a.Code())
				}
			}
			for _, q := range []Request{{Method: http.MethodPatch, Path: "/me", Body: `{"name":"x"}`}, {Method: http.MethodDelete, Path: "/sessions/" + u.ID}, {Method: http.MethodDelete, Path: "/email/change"}} {
				if a := k.Do(q.With(header...).With("Cookie", u.Cookie)); a.Status != 403 {
					t.Errorf("%s %s with %v: %d, want 403", q.Method, q.Path, header, a.Status)
				}
			}
		}
		if got := k.Events.Take(); got != "" {
			t.Errorf("events are %q, want none", got)
		}
		if !strings.Contains(k.Logs.String(), "cross-origin") {
			t.Error("the log does not have the refusals")
		}
		for i, header := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {"Origin", "https://app.example"}, nil} {
			k.Do(Post("/signup", SignUpBody(string(rune('a'+i))+"@example.com", GoodPassword), header...)).Want(t, 201, "")
		}
	})
}

func TestCS03_ACookieRequestNeedsAnOriginHeader(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	u := k.SignUp(Ann)
	rests := []Request{
		Post("/password/update", Object("newPassword", OtherPassword)), Post("/session/refresh", ""), Post("/session/confirm", Object("password", GoodPassword)), Post("/signout", ""), Post("/signout/all", ""),
		Post("/email/verify/send", ""), Post("/email/change", Object("newEmail", Bob, "currentPassword", GoodPassword)),
		Post("/account/delete", Object("currentPassword", GoodPassword)),
		{Method: http.MethodPatch, Path: "/me", Body: `{"name":"x"}`}, {Method: http.MethodDelete, Path: "/sessions/" + u.ID},
	}
	k.Events.Take()
	for _, q := range rests {
		if a := k.Do(q.With("Cookie", u.Cookie)); a.Status != 403 || a.Code() != "cross_origin" || len(a.Header["Set-Cookie"]) > 0 {
			t.Errorf("%s: %d %q, want 403", q.Path, a.Status, a.Code())
		}
	}
	if got := k.Events.Take(); got != "" {
		t.Errorf("events are %q, want none", got)
	}
	k.Do(Request{Method: http.MethodPatch, Path: "/me", Body: `{"name":"x"}`, Header: []string{"Cookie", u.Cookie, "X-Requested-With", "curl"}}).Want(t, 200, "")
	// The link needs the session, and the session needs the header.
	link := Post("/email/verify", Object("token", k.MailedToken())).With("Cookie", u.Cookie)
	k.Do(link).Want(t, 403, "password_required")
	k.Do(link.With("X-Requested-With", "curl")).Want(t, 200, "")
	// Safe methods need no header, and neither do routes that authenticate by their
	// body: curl signs in with a jar that has a session.
	k.Do(Get("/me", "Cookie", u.Cookie)).Want(t, 200, "")
	k.Do(Post("/signin", SignUpBody(Ann, GoodPassword), "Cookie", u.Cookie)).Want(t, 200, "")
	k.Do(Post("/password/reset", Object("loginId", Ann), "Cookie", u.Cookie)).Want(t, 202, "")

	body := NewKit(t, InBodies, Setup{})
	u = body.SignUp(Ann)
	for _, q := range rests[:1] { // all of them: TestCS03_ABearerNeedsNoFurtherHeader
		body.Do(body.As(u, q)).Want(t, 200, "")
	}
}

func TestTrustedOrigins(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{Config: func(c *handlers.Config) { c.TrustedOrigins = []string{"https://good.test"} }})
	k.Do(Post("/signup", SignUpBody(Ann, GoodPassword), "Origin", "https://good.test", "Sec-Fetch-Site", "cross-site")).Want(t, 201, "")
	for _, o := range []string{"http://good.test", "https://good.test:444", "https://good.test.evil.test", "null"} {
		k.Do(Post("/signup", SignUpBody(Bob, GoodPassword), "Origin", o)).Want(t, 403, "cross_origin")
	}
}

// A proxy may change Host, and an old browser sends no Sec-Fetch-Site. The origin of
// BaseURL is the program's own all the same, and nothing that looks like it.
func TestCS03_TheOriginOfBaseURLIsAlwaysTrusted(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	base := strings.TrimSuffix(k.Service.PagesURL(), "/auth")
	for origin, want := range map[string]int{base: 201, base + ".evil.test": 403, strings.Replace(base, "https", "http", 1): 403, base + ":444": 403} {
		r := httptest.NewRequest(http.MethodPost, "https://internal.test:8443/signup", strings.NewReader(Object("loginId", Ann, "password", GoodPassword)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", origin)
		w := httptest.NewRecorder()
		k.Handlers.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("from %s: %d, want %d: %s", origin, w.Code, want, w.Body)
		}
	}
}

// A proxy that is not in TrustedProxies ends TLS, so the program sees plain http. The scheme
// of BaseURL says that browsers use https. The Host is a second name of the program.
func TestCS02_AnHTTPPageIsAnotherOriginBehindAnyProxy(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	u := k.SignUp(Ann)
	send := func(k *Kit, host, origin, path string) int {
		r := httptest.NewRequest(http.MethodPost, "http://"+host+path, strings.NewReader(Object("loginId", Bob, "password", GoodPassword)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", origin)
		if path == "/protected" {
			r.Header.Set("Cookie", u.Cookie)
		}
		w := httptest.NewRecorder()
		k.Server.ServeHTTP(w, r)
		return w.Code
	}
	for path, allowed := range map[string]int{"/auth/signup": 201, "/protected": 200} {
		if got := send(k, "alias.example", "http://alias.example", path); got != 403 {
			t.Errorf("%s from an http page: %d, want 403", path, got)
		}
		if got := send(k, "alias.example", "https://alias.example", path); got != allowed {
			t.Errorf("%s from an https page: %d, want %d", path, got, allowed)
		}
	}
	local := NewKit(t, InBodies, Setup{Service: func(c *usher.Config) { c.BaseURL = "http://localhost:8080" }})
	if got := send(local, "127.0.0.1:8080", "http://127.0.0.1:8080", "/auth/signup"); got != 201 {
		t.Errorf("with an http BaseURL: %d, want 201", got)
	}
}

func TestSI08_AWideNetworkOfProxiesIsAWarning(t *testing.T) {
	t.Parallel()
	for network, warns := range map[string]bool{
		"10.0.0.0/8": true, "172.16.0.0/12": true, "192.168.0.0/16": false, "10.1.2.0/24": false, "127.0.0.0/8": false,
		"fd00::/8": true, "fd00:1:2::/47": true, "fd00:1:2::/48": false, "::1/128": false,
	} {
		var log bytes.Buffer
		NewKit(t, InBodies, Setup{Config: func(c *handlers.Config) {
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(network), middleware.UnixSocket}
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		}})
		if got := strings.Count(log.String(), "network="+network); got > 1 || got == 1 != warns {
			t.Errorf("%s: %d warnings: %s", network, got, &log)
		}
	}
}

func TestCS06_CORS(t *testing.T) {
	t.Parallel()
	preflight := func(origin string) Request {
		return Request{Method: http.MethodOptions, Path: "/signin", Header: []string{"Origin", origin, "Access-Control-Request-Method", "POST"}}
	}
	off := NewKit(t, InBodies, Setup{})
	if a := off.Do(Get("/keys", "Origin", "https://good.test")); a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Vary") != "" {
		t.Errorf("without TrustedOrigins: %v", a.Header)
	}
	off.Do(preflight("https://good.test")).Want(t, 405, "method_not_allowed")

	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{Config: func(c *handlers.Config) {
			c.TrustedOrigins = []string{"https://good.test"}
		}})
		for _, o := range []string{"https://evil.test", "https://good.test.evil.test", "null", "http://good.test", "https://good.test/", "https://GOOD.test"} {
			for _, a := range []*Reply{k.Do(Get("/password/policy", "Origin", o)), k.Do(preflight(o))} {
				if a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Access-Control-Allow-Credentials") != "" || a.Header.Get("Vary") != "Origin" {
					t.Errorf("%s: %v", o, a.Header)
				}
			}
		}
		credentials := map[Mode]string{InCookies: "true"}[m]
		for _, a := range []*Reply{
			k.Do(Get("/password/policy", "Origin", "https://good.test")), k.Do(preflight("https://good.test")), k.Do(Get("/me", "Origin", "https://good.test")),
			k.Do(Post("/signup", SignUpBody(Ann, GoodPassword), "Origin", "https://good.test", "Sec-Fetch-Site", "cross-site")),
		} {
			if a.Header.Get("Access-Control-Allow-Origin") != "https://good.test" || a.Header.Get("Access-Control-Allow-Credentials") != credentials || !strings.Contains(strings.Join(a.Header["Vary"], ","), "Origin") {
				t.Errorf("allowed origin: %d %v", a.Status, a.Header)
			}
		}
		if a := k.Do(preflight("https://good.test")); a.Status != 204 || a.Header.Get("Access-Control-Allow-Methods") != "POST" {
			t.Errorf("preflight: %d %v", a.Status, a.Header)
		}
	})
	all := NewKit(t, InBodies, Setup{Config: func(c *handlers.Config) { c.TrustedOrigins = []string{"*"} }})
	for origin, want := range map[string]string{"https://any.test": "*", "null": ""} {
		if a := all.Do(Get("/keys", "Origin", origin)); a.Header.Get("Access-Control-Allow-Origin") != want || a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("every client, %s: %v", origin, a.Header)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	if _, err := handlers.New(nil, handlers.Config{}); err == nil || !strings.Contains(err.Error(), "Service") {
		t.Errorf("no Service: %v", err)
	}
	loopback, err := cookies.New(cookies.Config{Secret: Secret, InsecureLoopback: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for field, cfg := range map[string]handlers.Config{
		"InsecureLoopback":   {Cookies: loopback},
		"TrustedOrigins":     {TrustedOrigins: []string{"*"}, Cookies: k.Jar},
		"TrustedOrigins[1]":  {TrustedOrigins: []string{"https://good.test", "https://good.test/x"}},
		"TrustedOrigins[0]":  {TrustedOrigins: []string{"null"}},
		`"http://good.test"`: {TrustedOrigins: []string{"http://good.test"}},
		"TrustedProxies":     {TrustedProxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
		"Timeout":            {Timeout: -1},
	} {
		if _, err := handlers.New(k.Service, cfg); err == nil || !strings.Contains(err.Error(), field) {
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

// A browser never sends a bearer token by itself. So the requests that are refused
// with a cookie alone are served with a bearer token, on both kinds of mounts. A cookie
// in the same request is ignored, except that an act which sets the cookie of a new session
// ends the session that was in it.
func TestCS03_ABearerNeedsNoFurtherHeader(t *testing.T) {
	t.Parallel()
	const elsewhere = "new@example.com"
	acts := []struct {
		name   string
		status int
		make   func(session string) Request
	}{
		{"update", 200, func(string) Request {
			return Post("/password/update", Object("newPassword", OtherPassword, "currentPassword", GoodPassword))
		}},
		{"sign-out", 200, func(string) Request { return Post("/signout", "") }},
		{"sign-out everywhere", 200, func(string) Request { return Post("/signout/all", "") }},
		{"verify/send", 202, func(string) Request { return Post("/email/verify/send", "") }},
		{"change", 202, func(string) Request {
			return Post("/email/change", Object("newEmail", elsewhere, "currentPassword", GoodPassword))
		}},
		{"delete", 204, func(string) Request { return Post("/account/delete", Object("currentPassword", GoodPassword)) }},
		{"me", 200, func(string) Request { return Request{Method: http.MethodPatch, Path: "/me", Body: `{"name":"x"}`} }},
		{"revoke", 204, func(session string) Request { return Request{Method: http.MethodDelete, Path: "/sessions/" + session} }},
	}
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{Service: Unlimited})
		k.SignUp(Bob)
		for i, act := range acts {
			for _, beside := range []bool{false, true} {
				other := k.SignIn(Bob, GoodPassword)
				in := usher.SignUpParams{LoginID: fmt.Sprintf("ann%d%t@example.com", i, beside), Password: GoodPassword}
				a, err := k.Service.SignUp(t.Context(), in, usher.Client{})
				if err != nil {
					t.Fatal(err)
				}
				q := act.make(a.Authentication.Session.ID).With("Authorization", "Bearer "+a.Authentication.Tokens.Session.Reveal())
				if beside {
					q = q.With("Cookie", other.Cookie)
				}
				if got := k.Do(q); got.Status != act.status {
					t.Errorf("%s, cookie beside it %t: answer is %d %q, want %d", act.name, beside, got.Status, got.Code(), act.status)
				}
				if replaced := act.name == "update" && beside && m == InCookies; k.IsSignedIn(other) == replaced {
					t.Errorf("%s, cookie beside it %t: the session of the cookie goes on: %t", act.name, beside, !replaced)
				}
			}
		}
	})
}

// A refresh is authenticated by the cookie, even if the request has a bearer token. On
// a mount without cookies it is authenticated by its body.
func TestCS03_ABearerTokenDoesNotAuthenticateARefresh(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	u := k.SignUp(Ann)
	a, err := k.Service.SignIn(t.Context(), usher.SignInParams{LoginID: Ann, Password: GoodPassword}, usher.Client{})
	if err != nil {
		t.Fatal(err)
	}
	bearer := "Bearer " + a.Authentication.Tokens.Session.Reveal()
	got := k.Do(Post("/session/refresh", "", "Cookie", u.Cookie, "Authorization", bearer)).Want(t, 403, "cross_origin")
	if len(got.Header["Set-Cookie"]) > 0 {
		t.Error("a refused refresh sets a cookie")
	}
	k.Do(Post("/session/refresh", "", "Authorization", bearer)).Want(t, 401, "not_signed_in")
	k.Do(k.Refresh(u)).Want(t, 200, "")

	body := NewKit(t, InBodies, Setup{})
	u = body.SignUp(Ann)
	body.Do(body.Refresh(u)).Want(t, 200, "")
}
