package middleware_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

type discard http.Header

func (d discard) Header() http.Header         { return http.Header(d) }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

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

// What a request costs in memory is one piece: the copy of the request, the context in
// it, and the Vary header. Looking the credential up costs none.
func TestRequire_Allocations(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]visit{
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
		if n := testing.AllocsPerRun(1000, func() { clear(answer); h.ServeHTTP(answer, c.r) }); n > 1 {
			t.Errorf("%s: %v allocations, want 1", name, n)
		}
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

type visit = struct {
	m *middleware.Middleware
	r *http.Request
}

// withCookie returns a Middleware with such a jar, and a request of a browser that
// signed in there.
func (w *world) withCookie(tb testing.TB, cfg cookies.Config) visit {
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
	return visit{w.middleware(func(c *middleware.Config) { c.Cookies = jar }), r}
}
