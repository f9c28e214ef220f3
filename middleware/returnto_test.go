package middleware_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
)

func TestHP06_ReturnPathIsLocal(t *testing.T) {
	for _, good := range []string{
		"/", "/a", "/a/", "/a/b?c=d&e=f", "/a?u=https://x.test/y", "/a#b", "/caf%C3%A9", "/a%20b", "/a:b", "/@x", "/a?x=%0d%0a", "/...", "/a.b", "/~x",
		"/" + strings.Repeat("a", 2047),
	} {
		if got := middleware.SafeReturnTo(good); got != good {
			t.Errorf("%q gives %q", good, got)
		}
	}
	for _, bad := range []string{
		"", "a", "//", "///", "//h", `/\h`, `\\h`, `\/h`, "/%09/h", "/\t/h", "///h", "////h", "https:h", "http:/h", "https://h", "javascript:1", "JaVaScRiPt:alert(1)",
		"/a\r\nSet-Cookie: x=y", "/\n/h", "/a\x00", " /a", "/a ", "/ /h", "/%2Fh", "/%2fh", "/%5Ch", "/%5c%5ch", "/a/%2F%2Fh", "/%0d%0ah", "/%00", "/.", "/..", "/./h", "/..//h",
		"/.//h", "/%2e%2e//h", "/%2e", "/a/../b", "/a//b", "/%zz", "/é", "/\u2028h", "?a", "#a", "data:text/html,x", "/a\\b", "/a?\\", "/\x7f",
		"/" + strings.Repeat("a", 2048),
	} {
		if got := middleware.SafeReturnTo(bad); got != "" {
			t.Errorf("%q gives %q", bad, got)
		}
	}
}

func FuzzReturnTo(f *testing.F) {
	for _, s := range []string{"/", "//h", `/\h`, "/%09/h", "/a?b#c", "/%2e/x", "/a/%2f"} {
		f.Add(s)
	}
	base, err := url.Parse("https://app.example.com/auth/signin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := middleware.SafeReturnTo(s)
		if got == "" {
			return
		}
		if got != s || strings.ContainsAny(got, "\\\r\n\t ") || !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") {
			t.Fatalf("%q gives %q", s, got)
		}
		u, err := base.Parse(got)
		if err != nil || u.Scheme != "https" || u.Host != "app.example.com" || u.User != nil || strings.Contains(u.Path, "//") {
			t.Fatalf("%q leads to %v, %v", s, u, err)
		}
	})
}

func TestHP06_RedirectToSignIn(t *testing.T) {
	w := newWorld(t)
	m := w.middleware(func(c *middleware.Config) { c.SignInPath = "/auth/signin" })
	page := func(r *http.Request) { r.Header.Set("Accept", "text/html,*/*;q=0.8") }
	all := func(changes ...func(*http.Request)) func(*http.Request) {
		return func(r *http.Request) {
			for _, change := range changes {
				change(r)
			}
		}
	}
	contentType := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Content-Type", value) }
	}
	form := func(referer string) func(*http.Request) {
		return func(r *http.Request) {
			page(r)
			contentType("application/x-www-form-urlencoded")(r)
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			r.Header.Set("Referer", referer)
		}
	}
	old := w.issue(func(i *signing.Claims) { i.AuthTime = start.Add(-time.Hour) })
	for name, c := range map[string]struct {
		h        http.Handler
		r        *http.Request
		status   int
		location string
	}{
		"page":            {m.Require(whoami), request("GET", "/a/b?c=d&e=f", page), 303, "/auth/signin?return_to=%2Fa%2Fb%3Fc%3Dd%26e%3Df"},
		"prefix cut off":  {http.StripPrefix("/a", m.Require(whoami)), request("GET", "/a/b", page), 303, "/auth/signin?return_to=%2Fa%2Fb"},
		"unsafe path":     {m.Require(whoami), request("GET", "//evil.test/x", page), 303, "/auth/signin"},
		"navigate":        {m.Require(whoami), request("GET", "/a", func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "navigate") }), 303, "/auth/signin?return_to=%2Fa"},
		"script's fetch":  {m.Require(whoami), request("GET", "/a", func(r *http.Request) { page(r); r.Header.Set("Sec-Fetch-Mode", "cors") }), 401, ""},
		"program":         {m.Require(whoami), request("GET", "/a", nil), 401, ""},
		"post":            {m.Require(whoami), request("POST", "/a", page), 401, ""},
		"bad token":       {m.Require(whoami), request("GET", "/a", func(r *http.Request) { page(r); r.AddCookie(cookieFor("x", "")) }), 303, "/auth/signin?return_to=%2Fa"},
		"signed in, old":  {m.RequireRecent(time.Minute)(whoami), request("GET", "/a", func(r *http.Request) { page(r); r.AddCookie(cookieFor(old, "")) }), 303, "/auth/signin?prompt=login&return_to=%2Fa"},
		"form":            {m.Require(whoami), request("POST", "/a", all(form("https://app.example.com/a/new?b=c"))), 303, "/auth/signin?return_to=%2Fa%2Fnew%3Fb%3Dc"},
		"form, multipart": {m.Require(whoami), request("POST", "/a", all(form("https://app.example.com/a"), contentType("multipart/form-data; boundary=x"))), 303, "/auth/signin?return_to=%2Fa"},
		"form, old browser": {m.Require(whoami), request("POST", "/a", all(page, contentType("application/x-www-form-urlencoded"), func(r *http.Request) {
			r.Header.Set("Referer", "https://app.example.com/a")
		})), 303, "/auth/signin?return_to=%2Fa"},
		"form, host rewritten": {m.Require(whoami), request("POST", "/a", all(form("https://public.example.com/a"), func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		})), 303, "/auth/signin?return_to=%2Fa"},
		"form, no referrer":      {m.Require(whoami), request("POST", "/a", all(form(""))), 303, "/auth/signin"},
		"form, bad referrer":     {m.Require(whoami), request("POST", "/a", all(form("https://app.example.com/%zz"))), 303, "/auth/signin"},
		"form, path of referrer": {m.Require(whoami), request("POST", "/a", all(form("/a"), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") })), 303, "/auth/signin"},
		"form, another site":     {m.Require(whoami), request("POST", "/a", all(form("https://evil.test/a"))), 303, "/auth/signin"},
		"form, unsafe referrer":  {m.Require(whoami), request("POST", "/a", all(form("https://app.example.com//evil.test"))), 303, "/auth/signin"},
		"form, signed in, old":   {m.RequireRecent(time.Minute)(whoami), request("POST", "/a", all(form("https://app.example.com/a"), func(r *http.Request) { r.AddCookie(cookieFor(old, "")); r.Header.Set("Sec-Fetch-Site", "same-origin") })), 303, "/auth/signin?prompt=login&return_to=%2Fa"},
		"form sent by a script":  {m.Require(whoami), request("POST", "/a", all(form("https://app.example.com/a"), func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "cors") })), 401, ""},
		"form sent by a program": {m.Require(whoami), request("POST", "/a", all(contentType("application/x-www-form-urlencoded"))), 401, ""},
		"lacks the right":        {m.RequireRole("x")(whoami), request("GET", "/a", func(r *http.Request) { page(r); r.AddCookie(cookieFor(old, "")) }), 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := do(c.h, c.r)
			if got.Code != c.status || got.Header().Get("Location") != c.location || got.Header().Get("Cache-Control") != "no-store" {
				t.Fatalf("got %d %v", got.Code, got.Header())
			}
		})
	}
	elsewhere := w.middleware(func(c *middleware.Config) { c.SignInPath = "https://auth.example.com/auth/signin" })
	if got := do(elsewhere.Require(whoami), request("GET", "/a", page)); got.Code != 303 || got.Header().Get("Location") != "https://auth.example.com/auth/signin" {
		t.Fatalf("got %d %v", got.Code, got.Header())
	}
	ready := w.middleware(func(c *middleware.Config) { c.OnRefusal = middleware.RedirectToSignIn("") })
	if got := do(ready.Require(whoami), request("GET", "/", page)); got.Header().Get("Location") != "/auth/signin?return_to=%2F" {
		t.Fatalf("got %d %v", got.Code, got.Header())
	}
	body, _ := io.ReadAll(do(ready.Require(whoami), request("GET", "/", page)).Body)
	if len(body) != 0 {
		t.Fatalf("body %q", body)
	}
}

// A proxy removes the path of the program's public address. The sign-in page returns to
// the public path.
func TestHP06_TheReturnPathIsPublic(t *testing.T) {
	m, err := middleware.New(middleware.Config{Validator: newWorld(t).config().Validator, SignInPath: "/app/auth/signin", BasePath: "/app/"})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/dashboard?x=1": "/app/dashboard?x=1", "/": "/app/", "/app/dashboard": "/app/dashboard", "/application": "/app/application", "/app": "/app", "//evil.test/x": "", "/x?y=/app": "/app/x?y=/app",
	} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		m.RequireFunc(func(http.ResponseWriter, *http.Request) {}).ServeHTTP(w, r)
		u, err := url.Parse(w.Header().Get("Location"))
		if err != nil || u.Path != "/app/auth/signin" || u.Query().Get("return_to") != want {
			t.Errorf("%s leads to %s, want return_to %s", path, u, want)
		}
	}
	if _, err := middleware.New(middleware.Config{Validator: newWorld(t).config().Validator, SignInPath: "/auth/signin", BasePath: "app"}); err == nil || !strings.Contains(err.Error(), "BasePath") {
		t.Errorf("BasePath without a slash: %v", err)
	}
}

// The sign-in page would lead a signed-in operator back at once, without a word.
func TestOP16_NoRedirectHidesTheEndOfAnImpersonation(t *testing.T) {
	w := httptest.NewRecorder()
	r := request("GET", "/a", func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "navigate") })
	middleware.RedirectToSignIn("/auth/signin")(w, r, middleware.Refusal{Code: problem.ImpersonationEnded})
	if w.Code != http.StatusUnauthorized || code(t, w) != "impersonation_ended" {
		t.Errorf("%d to %q", w.Code, w.Header().Get("Location"))
	}
}
