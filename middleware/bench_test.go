package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/usherkit/usher/cookies"
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

func BenchmarkRequireBearer(b *testing.B) {
	w := newWorld(b)
	bench(b, w.middleware(nil), bearer(w.issue(nil)))
}

func BenchmarkRequireCookie(b *testing.B) {
	w := newWorld(b)
	jar, err := cookies.New(cookies.Config{Secret: "a secret of benchmarks, 32 bytes.", Now: now})
	if err != nil {
		b.Fatal(err)
	}
	rec := httptest.NewRecorder()
	pair := token.Pair{Session: w.issue(nil), Refresh: w.issue(func(i *token.Issue) { i.Type = token.TypeRefresh })}
	pair.RefreshExpiresAt = start.AddDate(0, 0, 14)
	if err := jar.SetTokens(rec, request("GET", "/", nil), pair); err != nil {
		b.Fatal(err)
	}
	m := w.middleware(func(c *middleware.Config) { c.Cookies = jar })
	bench(b, m, func(r *http.Request) { r.AddCookie(rec.Result().Cookies()[0]) })
}
