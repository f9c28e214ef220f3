package middleware_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/usherkit/usher/middleware"
)

func headers(pairs ...string) func(*http.Request) {
	return func(r *http.Request) {
		for i := 0; i < len(pairs); i += 2 {
			r.Header.Add(pairs[i], pairs[i+1])
		}
	}
}

func crossOrigin(t *testing.T, cfg middleware.CrossOriginConfig) *middleware.CrossOrigin {
	t.Helper()
	c, err := middleware.NewCrossOrigin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCS01_UnsafeMethodsComeFromTheSameOrigin(t *testing.T) {
	w := newWorld(t)
	signedIn := w.middleware(nil).Require(whoami)
	anyone := crossOrigin(t, middleware.CrossOriginConfig{}).Handler(whoami) // such as sign-in
	for site, status := range map[string]int{"cross-site": 403, "same-site": 403, "x": 403, "same-origin": 200, "none": 200} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "post"} {
			r := request(method, "/", headers("Sec-Fetch-Site", site))
			r.AddCookie(cookieFor(w.issue(nil), ""))
			for name, h := range map[string]http.Handler{"signed in": signedIn, "anyone": anyone} {
				got := do(h, r)
				if got.Code != status {
					t.Errorf("%s %s, %s: %d, want %d", method, site, name, got.Code, status)
				}
				if status == 403 && code(t, got) != "cross_origin" {
					t.Error(got.Body)
				}
			}
		}
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			r := request(method, "/", headers("Sec-Fetch-Site", site))
			r.AddCookie(cookieFor(w.issue(nil), ""))
			if got := do(signedIn, r); got.Code != 200 {
				t.Errorf("%s %s: %d", method, site, got.Code)
			}
		}
	}
}

func TestCS02_ForeignOrigins(t *testing.T) {
	proxy := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	c := crossOrigin(t, middleware.CrossOriginConfig{TrustedProxies: proxy, TrustedOrigins: []string{"https://app.good.test"}})
	named := crossOrigin(t, middleware.CrossOriginConfig{TrustedOrigins: []string{"https://good.test"}})
	plain := func(*http.Request) {}
	direct := func(r *http.Request) { r.TLS = &tls.ConnectionState{} }
	behind := func(r *http.Request) {
		r.RemoteAddr = "10.0.0.1:1"
		r.Header.Set("X-Forwarded-Proto", "https")
	}
	everywhere := map[string]func(*http.Request){"plain": plain, "TLS": direct, "proxy": behind}
	check := func(name, origin string, c *middleware.CrossOrigin, how func(*http.Request), ok bool) {
		t.Helper()
		r := request("POST", "/", headers("Origin", origin))
		r.Host = "good.test"
		how(r)
		if err := c.Check(r); (err == nil) != ok || err != nil && !errors.Is(err, middleware.ErrCrossOrigin) {
			t.Errorf("%s, %s: %v, want ok %t", origin, name, err, ok)
		}
	}
	for name, how := range everywhere {
		for _, origin := range []string{
			"https://evil.test", "null", "https://good.test:444", "https://good.test.evil.test", "http://sub.good.test",
			"http://app.good.test", "https://app.good.test:8443", "https://APP.good.test", "https://%zz", "good.test", "https://user@evil.test",
		} {
			check(name, origin, c, how, false)
		}
		check(name, "https://good.test", c, how, true)
		check(name, "https://app.good.test", c, how, true)
	}
	// The scheme must match if it is known.
	check("TLS", "http://good.test", c, direct, false)
	check("proxy", "http://good.test", c, behind, false)
	check("plain", "http://good.test", c, plain, true)
	check("plain, named with https", "http://good.test", named, plain, false)
	check("plain, named with https", "https://good.test", named, plain, true)

	// Sec-Fetch-Site counts before the scheme of Origin. Other programs send neither header.
	local := crossOrigin(t, middleware.CrossOriginConfig{TrustedOrigins: []string{"http://localhost:3000"}})
	check("TLS, trusted by its whole origin", "http://localhost:3000", local, direct, true)
	for name, change := range map[string]func(*http.Request){
		"same-origin":     headers("Origin", "http://app.example.com", "Sec-Fetch-Site", "same-origin"),
		"another program": headers("X-Other", "1"),
	} {
		r := request("POST", "/", change)
		direct(r)
		if err := c.Check(r); err != nil {
			t.Errorf("%s over TLS: %v", name, err)
		}
	}

	r := request("POST", "/", headers("Origin", "https://app.example.com", "Origin", "https://evil.test"))
	if c.Check(r) == nil {
		t.Error("two Origin headers passed")
	}
}

// Other libraries have compared origins by host alone, or with an empty scheme.
func TestCS02_TrustedOriginsHaveAScheme(t *testing.T) {
	w := newWorld(t)
	m := w.middleware(func(c *middleware.Config) { c.TrustedOrigins = []string{"https://app.example"} })
	for origin, status := range map[string]int{"https://app.example": 200, "http://app.example": 403} {
		for _, site := range []string{"", "cross-site"} {
			r := request("POST", "/", headers("Origin", origin))
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
			}
			r.AddCookie(cookieFor(w.issue(nil), ""))
			if got := do(m.Require(whoami), r); got.Code != status {
				t.Errorf("%s %q: %d, want %d", origin, site, got.Code, status)
			}
		}
	}
}

func TestCS03_CookieWithoutOriginNeedsACustomHeader(t *testing.T) {
	w := newWorld(t)
	h := w.middleware(nil).Require(whoami)
	inCookie := withCookie(w.issue(nil), "")
	for name, c := range map[string]struct {
		method string
		change func(*http.Request)
		status int
	}{
		"cookie":               {"POST", inCookie, 403},
		"cookie, header":       {"POST", func(r *http.Request) { inCookie(r); r.Header.Set("X-Requested-With", "curl") }, 200},
		"cookie, origin":       {"POST", func(r *http.Request) { inCookie(r); r.Header.Set("Origin", "https://app.example.com") }, 200},
		"cookie, GET":          {"GET", inCookie, 200},
		"cookie, HEAD":         {"HEAD", inCookie, 200},
		"cookie, OPTIONS":      {"OPTIONS", inCookie, 200},
		"another upgrade":      {"GET", func(r *http.Request) { inCookie(r); headers("Upgrade", "h2c")(r) }, 200},
		"bearer":               {"POST", bearer(w.issue(nil)), 200},
		"bearer, other site":   {"POST", func(r *http.Request) { bearer(w.issue(nil))(r); r.Header.Set("Sec-Fetch-Site", "cross-site") }, 200},
		"bearer beside cookie": {"POST", func(r *http.Request) { inCookie(r); bearer(w.issue(nil))(r) }, 200},
		"websocket": {"GET", func(r *http.Request) {
			inCookie(r)
			headers("Upgrade", "WebSocket", "Origin", "https://app.example.com")(r)
		}, 200},
		"websocket, other site": {"GET", func(r *http.Request) { inCookie(r); headers("Upgrade", "websocket", "Origin", "https://evil.test")(r) }, 403},
		"websocket, after another protocol": {"GET", func(r *http.Request) {
			inCookie(r)
			headers("Upgrade", "h2c", "Upgrade", "websocket", "Origin", "https://evil.test")(r)
		}, 403},
		"websocket, unknown": {"GET", func(r *http.Request) { inCookie(r); headers("Upgrade", "websocket")(r) }, 403},
	} {
		if got := do(h, request(c.method, "/", c.change)); got.Code != c.status {
			t.Errorf("%s: %d, want %d", name, got.Code, c.status)
		}
	}
	if !middleware.HasOrigin(request("POST", "/", headers("Origin", "null"))) || middleware.HasOrigin(request("POST", "/", nil)) {
		t.Error("HasOrigin")
	}
}

func TestCrossOriginConfig(t *testing.T) {
	for origin, ok := range map[string]bool{
		"https://app.example.com": true, "https://app.example.com:8443": true, "http://localhost:3000": true, "http://127.0.0.1": true, "http://[::1]:80x": false,
		"": false, "null": false, "*": false, "app.example.com": false, "http://app.example.com": false, "https://app.example.com/": false,
		"https://app.example.com:443": false, "https://App.example.com": false, "https://*.example.com": false, "https://a@b": false, "https://app.example.com:": false,
		"capacitor://localhost": true, "ionic://localhost": true, "capacitor://": false, "wss://app.example.com": false, "ftp://app.example.com": false, "file:///x": false,
		"http://localhost:80": false, "https://app.example.com:80": true, "https://": false, "http://192.0.2.1": false,
	} {
		_, err := middleware.NewCrossOrigin(middleware.CrossOriginConfig{TrustedOrigins: []string{origin}})
		if (err == nil) != ok || err != nil && !(strings.Contains(err.Error(), "TrustedOrigins[0]") && strings.Contains(err.Error(), " must ")) {
			t.Errorf("%q: %v", origin, err)
		}
	}
}
