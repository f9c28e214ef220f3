package middleware_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/usherkit/usher/middleware"
)

// Handlers may delete or replace headers that were set before, as the file server of
// net/http does for its errors. The cookies with the new tokens are in the response.
func TestCK12_NoCacheStoresNewTokens(t *testing.T) {
	w := newWorld(t)
	files := http.FileServerFS(fstest.MapFS{"a.txt": {Data: []byte("a")}})
	set := func(value string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", value)
			_, _ = io.WriteString(w, "page")
		})
	}
	refreshed := withCookie(w.expired(), "refresh-1")
	for name, c := range map[string]struct {
		next   http.Handler
		path   string
		change func(*http.Request)
		want   string
	}{
		"an error of the file server": {files, "/missing.txt", refreshed, "no-store"},
		"a file":                      {files, "/a.txt", refreshed, "no-store"},
		"public":                      {set("public, max-age=600"), "/", refreshed, "no-store"},
		"private":                     {set("private, max-age=600"), "/", refreshed, "private, max-age=600"},
		"without new tokens":          {set("public, max-age=600"), "/", withCookie(w.issue(nil), ""), "public, max-age=600"},
		"an explicit status": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Del("Cache-Control")
			w.WriteHeader(http.StatusOK)
		}), "/", refreshed, "no-store"},
		"nothing written": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Del("Cache-Control") }), "/", refreshed, "no-store"},
		"after an early hint": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Cache-Control")
			w.WriteHeader(http.StatusNoContent)
		}), "/", refreshed, "no-store"},
		"a stream": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Del("Cache-Control")
			w.(http.Flusher).Flush()
			_ = http.NewResponseController(w).Flush()
		}), "/", refreshed, "no-store"},
	} {
		for kind, guard := range map[string]func(*middleware.Middleware) http.Handler{
			"Require":  func(m *middleware.Middleware) http.Handler { return m.Require(c.next) },
			"Optional": func(m *middleware.Middleware) http.Handler { return m.Optional(c.next) },
			"nested":   func(m *middleware.Middleware) http.Handler { return m.Require(m.RequireRecent(time.Hour)(c.next)) },
		} {
			s := httptest.NewServer(guard(w.refreshing(&refresher{}, nil)))
			r := request("GET", c.path, c.change)
			r.RequestURI, r.URL.Scheme, r.URL.Host = "", "http", strings.TrimPrefix(s.URL, "http://")
			got, err := s.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got.Body.Close()
			s.Close()
			if value := got.Header.Get("Cache-Control"); value != c.want {
				t.Errorf("%s, %s: Cache-Control is %q, want %q", name, kind, value, c.want)
			}
		}
	}
}

// An outer handler answers after a panic, with the headers that the inner one has set.
func TestCK12_NoCacheStoresNewTokensAfterAPanic(t *testing.T) {
	w := newWorld(t)
	m := w.refreshing(&refresher{}, nil)
	panics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=600")
		panic("handler")
	})
	for kind, guard := range map[string]http.Handler{"Require": m.Require(panics), "Optional": m.Optional(panics)} {
		recorder := httptest.NewRecorder()
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", kind)
				}
				recorder.WriteHeader(http.StatusInternalServerError)
			}()
			guard.ServeHTTP(recorder, request("GET", "/", withCookie(w.expired(), "refresh-1")))
		}()
		if h := recorder.Result().Header; h.Get("Cache-Control") != "no-store" || h["Set-Cookie"] == nil {
			t.Errorf("%s: %v", kind, h)
		}
	}
}

// Other fields than Cache-Control rule the caches of CDNs and proxies (RFC 9213), and a
// directive that only looks like private keeps no shared cache from storing the response.
func TestCK12_NoCDNStoresNewTokens(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		field, value, want string
	}{
		"RFC 9213":                  {"CDN-Cache-Control", "max-age=600", "private"},
		"of one CDN":                {"Cloudflare-CDN-Cache-Control", "max-age=600", "private"},
		"of a proxy":                {"Surrogate-Control", "max-age=600", "private"},
		"of an older CDN":           {"Edge-Control", "cache-maxage=600", "private"},
		"of nginx":                  {"X-Accel-Expires", "600", "private"},
		"private for one field":     {"Cache-Control", `private="x-name", max-age=600`, "no-store"},
		"no-store in such names":    {"Cache-Control", `private="a, no-store, b", max-age=600`, "no-store"},
		"a directive with the name": {"Cache-Control", "public, x-private=1", "no-store"},
		"no-store in a text":        {"Cache-Control", `max-age=600, x="no-store"`, "no-store"},
		"private and for proxies":   {"Cache-Control", "private, s-maxage=600", "no-store"},
		"private and public":        {"Cache-Control", "Private, PUBLIC", "no-store"},
		"in two lines":              {"Cache-Control", "max-age=600\nprivate", "max-age=600\nprivate"},
		"in capitals":               {"Cache-Control", "Private, Max-Age=5", "Private, Max-Age=5"},
	} {
		page := func(rw http.ResponseWriter) {
			h := rw.Header()
			if _, known := h["Cache-Control"]; known && c.field != "Cache-Control" {
				h.Set("Cache-Control", "private")
			}
			h[c.field] = strings.Split(c.value, "\n") // as it is spelled
		}
		for kind, handler := range map[string]http.Handler{
			"page": w.refreshing(&refresher{}, nil).Require(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { page(rw) })),
			"refusal": w.refreshing(&refresher{}, func(cfg *middleware.Config) {
				cfg.OnRefusal = func(rw http.ResponseWriter, _ *http.Request, _ middleware.Refusal) {
					page(rw)
					rw.WriteHeader(http.StatusForbidden)
				}
			}).RequireRole("none")(http.NotFoundHandler()),
		} {
			got := do(handler, request("GET", "/", withCookie(w.expired(), "refresh-1"))).Result()
			if len(got.Header["Set-Cookie"]) == 0 {
				t.Fatalf("%s, %s: no new tokens", name, kind)
			}
			if value := strings.Join(got.Header["Cache-Control"], "\n"); value != c.want {
				t.Errorf("%s, %s: Cache-Control is %q, want %q", name, kind, value, c.want)
			}
			if c.field != "Cache-Control" && got.Header[c.field] != nil {
				t.Errorf("%s, %s: %s is %q", name, kind, c.field, got.Header[c.field])
			}
		}
	}
}

// clientGone is a response whose client has closed the connection.
type clientGone struct{ http.ResponseWriter }

var errClientGone = errors.New("the client is gone")

func (clientGone) FlushError() error { return errClientGone }

// A stream whose response sets new tokens gets an error when its client is gone.
func TestHP16_AStreamGetsTheErrorOfAFlush(t *testing.T) {
	w := newWorld(t)
	h := w.refreshing(&refresher{}, nil).Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if w.Header()["Set-Cookie"] == nil {
			t.Error("no new tokens")
		}
		if err := http.NewResponseController(w).Flush(); !errors.Is(err, errClientGone) {
			t.Errorf("the flush returned %v", err)
		}
	}))
	h.ServeHTTP(clientGone{httptest.NewRecorder()}, request("GET", "/stream", withCookie(w.expired(), "refresh-1")))
}
