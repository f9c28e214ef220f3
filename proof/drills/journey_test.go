package main

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store/postgres"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	pgtest.Main(m)
}

// The whole life of an account over TLS, on two machines that share a database,
// with each request on another machine than the one before.
func TestJourneyOverTwoMachines(t *testing.T) {
	db := pgtest.Schema(t)
	var backends []*httputil.ReverseProxy
	var next atomic.Int64
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		backends[int(next.Add(1))%len(backends)].ServeHTTP(w, r)
	}))
	front.StartTLS()
	defer front.Close()
	for range 2 {
		store, err := postgres.Open(t.Context(), db, postgres.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		service, err := usher.New(store, usher.Config{
			Secret: secret, BaseURL: front.URL, Mailer: noMail{},
			Hashing: password.HasherConfig{Params: password.Params{Memory: 19456, Time: 2, Threads: 1}, QueueWait: time.Minute},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer service.Close()
		mux, err := routes(service, "127.0.0.1/32")
		if err != nil {
			t.Fatal(err)
		}
		machine := httptest.NewServer(mux)
		defer machine.Close()
		to, err := url.Parse(machine.URL)
		if err != nil {
			t.Fatal(err)
		}
		backends = append(backends, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"] // as proxies do that add
			r.SetXForwarded()
		}})
	}
	config := front.Client().Transport.(*http.Transport).TLSClientConfig
	for i, forged := range [][]string{nil, {"6.6.6.6"}, {"6.6.6.6", "127.0.0.1"}} {
		traveller, err := newTraveller(front.URL, &tls.Config{RootCAs: config.RootCAs}, forged...)
		if err != nil {
			t.Fatal(err)
		}
		if err := traveller.journey("/auth", strings.Repeat("a", i+1)+"@example.com"); err != nil {
			t.Fatalf("with X-Forwarded-For %q: %v", forged, err)
		}
		traveller.client.CloseIdleConnections()
	}
}

// The table of the drills has a place in the documentation, and the drill of a
// restore finds the statements there.
func TestDocumentsHaveTheirPlaces(t *testing.T) {
	t.Chdir("..")
	text, err := os.ReadFile("docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), tableBegin) || !strings.Contains(string(text), tableEnd) {
		t.Error("docs/reliability.md has no place for the table")
	}
	for _, d := range drills {
		if !strings.Contains(string(text), "| "+d.name+" |") {
			t.Errorf("docs/reliability.md has no line for %s", d.name)
		}
	}
	if s, err := afterRestore(); err != nil || len(s) == 0 {
		t.Errorf("docs/operating.md: %v", err)
	}
}
