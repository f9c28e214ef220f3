package middleware_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// A protected request makes two allocations: its context with two headers of the response,
// and the copy of the request. Finding the credential in a cache makes none.
func TestRequire_Allocations(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]cookieRequest{
		"bearer": {w.middleware(nil), request("GET", "/", bearer(w.issue(nil)))},
		"cookie": w.withCookie(t, cookies.Config{Secret: "a secret of benchmarks, 32 bytes.", Now: now}),
		"plain":  w.withCookie(t, cookies.Config{Secret: "a secret of benchmarks, 32 bytes.", Plain: true, Now: now, Logger: slog.New(slog.DiscardHandler)}),
	} {
		h := c.m.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if middleware.Subject(r.Context()) != "user-1" {
				t.Fatal("no claims")
			}
		}))
		answer := discard{}
		if n := testing.AllocsPerRun(1000, func() { clear(answer); h.ServeHTTP(answer, c.r) }); n > 2 {
			t.Errorf("%s: %v allocations, want 2", name, n)
		}
	}
}

// A program may keep the context of a request, for work that goes on after the
// response. The context keeps neither the request nor its body in memory.
func TestTV17_AKeptContextFreesTheRequest(t *testing.T) {
	w := newWorld(t)
	m, raw := w.middleware(nil), w.issue(nil)
	for name, c := range map[string]struct {
		wrap   func(http.Handler) http.Handler
		change func(*http.Request)
		want   string // the subject of the kept context
	}{
		"require, bearer":   {m.Require, bearer(raw), "user-1"},
		"require, cookie":   {m.Require, withCookie(raw, ""), "user-1"},
		"require, refresh":  {w.refreshing(&refresher{}, nil).Require, withCookie(w.expired(), "refresh-1"), "user-1"},
		"optional, session": {m.Optional, bearer(raw), "user-1"},
		"optional, none":    {m.Optional, bearer("x"), ""},
		"nested, request id": {func(h http.Handler) http.Handler {
			return middleware.RequestID(m.Require(m.RequireRecent(time.Hour)(h)))
		}, bearer(raw), "user-1"},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 50
			var requests, bodies atomic.Int32
			kept := make([]context.Context, 0, n)
			h := c.wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				runtime.AddCleanup(r, func(int) { requests.Add(1) }, 0)
				kept = append(kept, r.Context())
			}))
			for range n {
				body := bytes.NewReader(make([]byte, 64<<10))
				runtime.AddCleanup(body, func(int) { bodies.Add(1) }, 0)
				r := httptest.NewRequest("POST", "https://app.example.com/", body)
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				c.change(r)
				h.ServeHTTP(discard{}, r)
			}
			for deadline := time.Now().Add(10 * time.Second); (requests.Load() < n || bodies.Load() < n) && time.Now().Before(deadline); {
				runtime.GC()
				runtime.Gosched()
			}
			if requests.Load() != n || bodies.Load() != n || len(kept) != n {
				t.Errorf("%d contexts kept; %d requests and %d bodies of %d freed", len(kept), requests.Load(), bodies.Load(), n)
			}
			for _, ctx := range kept {
				if got := middleware.Subject(ctx); got != c.want {
					t.Fatalf("the kept context has the subject %q", got)
				}
			}
		})
	}
}

func TestVary(t *testing.T) {
	w := newWorld(t)
	bearerOnly := w.middleware(func(c *middleware.Config) { c.Cookies = nil })
	for want, h := range map[string]http.Handler{
		"Authorization, Cookie": w.middleware(nil).Optional(whoami),
		"Authorization":         bearerOnly.Require(whoami),
	} {
		if got := do(h, request("GET", "/", nil)).Header().Get("Vary"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	got := do(bearerOnly.Require(whoami), request("GET", "/", func(r *http.Request) { r.AddCookie(cookieFor(w.issue(nil), "")) }))
	if got.Code != 401 {
		t.Fatalf("a cookie was read without Config.Cookies: %d", got.Code)
	}
}

// Values that outer and inner handlers add to Vary stay, and only in this response.
func TestVaryOfOthersStays(t *testing.T) {
	w := newWorld(t)
	var inner string
	guarded := w.middleware(nil).Require(w.middleware(func(c *middleware.Config) { c.Cookies = nil }).Require(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Add("Vary", inner)
		rw.Header()["Vary"][0] += ", X-Changed"
	})))
	h := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/outer" {
			rw.Header().Set("Vary", "Origin")
		}
		guarded.ServeHTTP(rw, r)
	})
	for _, c := range []struct{ path, inner, want string }{
		{"/", "Accept", "Authorization, Cookie, X-Changed|Authorization|Accept"},
		{"/outer", "Accept-Language", "Origin, X-Changed|Authorization, Cookie|Authorization|Accept-Language"},
		{"/", "Range", "Authorization, Cookie, X-Changed|Authorization|Range"},
	} {
		inner = c.inner
		if got := strings.Join(do(h, request("GET", c.path, bearer(w.issue(nil)))).Header().Values("Vary"), "|"); got != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
}

// An answer for a signed-in user is not stored, neither on disk nor as a whole page, so
// that the back button does not show it after the sign-out. The handler may decide
// otherwise.
func TestHP10_AnswersForASignedInUserAreNotStored(t *testing.T) {
	w := newWorld(t)
	m := w.middleware(nil)
	signedIn := func(r *http.Request) { r.AddCookie(cookieFor(w.issue(nil), "")) }
	page := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	own := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Cache-Control", "private, max-age=60")
	})
	// A value that an outer handler sets for all pages does not count.
	outer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Cache-Control", "no-cache")
			next.ServeHTTP(rw, r)
		})
	}
	for name, c := range map[string]struct {
		h      http.Handler
		change func(*http.Request)
		want   string
	}{
		"cookie":                  {m.Require(page), signedIn, "no-store"},
		"bearer":                  {m.Require(page), bearer(w.issue(nil)), "no-store"},
		"recent":                  {m.RequireRecent(time.Minute)(page), signedIn, "no-store"},
		"optional":                {m.Optional(page), signedIn, "no-store"},
		"optional, not signed in": {m.Optional(page), nil, ""},
		"refused":                 {m.Require(page), nil, "no-store"},
		"set by an outer handler": {outer(m.Require(page)), signedIn, "no-store"},
		"set by the handler":      {m.Require(own), signedIn, "private, max-age=60"},
	} {
		if got := do(c.h, request("GET", "/", c.change)).Header().Get("Cache-Control"); got != c.want {
			t.Errorf("%s: Cache-Control is %q, want %q", name, got, c.want)
		}
	}
}

// The ResponseWriter is passed on unchanged, so that Flusher, Hijacker and
// ReaderFrom work, and the caller's request is not modified.
func TestPassesTheWriterAndLeavesTheRequest(t *testing.T) {
	w := newWorld(t)
	rec := httptest.NewRecorder()
	r := request("GET", "/", bearer(w.issue(nil)))
	before := *r
	w.middleware(nil).Require(http.HandlerFunc(func(rw http.ResponseWriter, inner *http.Request) {
		if rw != http.ResponseWriter(rec) {
			t.Error("the writer is wrapped")
		}
		if inner == r {
			t.Error("the request was not copied")
		}
	})).ServeHTTP(rec, r)
	if r.Context() != before.Context() || fmt.Sprint(r.Header) != fmt.Sprint(before.Header) {
		t.Error("the request was changed")
	}
}

type discard http.Header

func (d discard) Header() http.Header { return http.Header(d) }

func (d discard) Write(b []byte) (int, error) { return len(b), nil }

func (d discard) WriteHeader(int) {}

func bench(b *testing.B, m *middleware.Middleware, change func(*http.Request)) {
	h := m.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := request("GET", "/", change)
	if got := do(h, r); got.Code != 200 {
		b.Fatal(got.Code)
	}
	b.ReportAllocs()
	w := discard{}
	for b.Loop() {
		clear(w)
		h.ServeHTTP(w, r)
	}
}

func BenchmarkRequireBearer(b *testing.B) {
	w := newWorld(b)
	bench(b, w.middleware(nil), bearer(w.issue(nil)))
}

func BenchmarkRequireCookie(b *testing.B) {
	c := newWorld(b).withCookie(b, cookies.Config{Secret: "a secret of benchmarks, 32 bytes.", Now: now})
	bench(b, c.m, func(r *http.Request) { *r = *c.r })
}

type cookieRequest = struct {
	m *middleware.Middleware
	r *http.Request
}

// withCookie returns a Middleware with a jar, and a request with that jar's session
// cookie.
func (w *world) withCookie(tb testing.TB, cfg cookies.Config) cookieRequest {
	jar, err := cookies.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	rec := httptest.NewRecorder()
	pair := token.Pair{Session: w.issue(nil), Refresh: w.issue(func(i *signing.Claims) { i.Type = token.TypeRefresh })}
	pair.SessionExpiresAt, pair.RefreshExpiresAt = start.Add(10*time.Minute), start.AddDate(0, 0, 14)
	if err := jar.SetTokens(rec, request("GET", "/", nil), pair); err != nil {
		tb.Fatal(err)
	}
	r := request("GET", "/", nil)
	for _, c := range rec.Result().Cookies() {
		r.AddCookie(c)
	}
	return cookieRequest{w.middleware(func(c *middleware.Config) { c.Cookies = jar }), r}
}
