package main

import (
	"context"
	"crypto/tls"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/guidetest"
	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/store/postgres"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	pgtest.Main(m)
}

// The lifecycle of an account runs over TLS on two instances that share a database, with
// each request on another instance than the one before.
func TestLifecycleOnTwoInstances(t *testing.T) {
	db := pgtest.Schema(t)
	var backends []*httputil.ReverseProxy
	var next atomic.Int64
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		backends[int(next.Add(1))%len(backends)].ServeHTTP(w, r)
	}))
	front.StartTLS()
	defer front.Close()
	for range 2 {
		store, err := postgres.Open(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		service, err := usher.New(context.Background(), store, usher.Config{
			Secret: secret, BaseURL: front.URL, Mailer: noMail{},
			Hashing: testhash.Config(),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer service.Close(context.Background())
		mux, err := routes(service, "127.0.0.1/32")
		if err != nil {
			t.Fatal(err)
		}
		instance := httptest.NewServer(mux)
		defer instance.Close()
		to, err := url.Parse(instance.URL)
		if err != nil {
			t.Fatal(err)
		}
		backends = append(backends, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"] // as proxies that append do
			r.SetXForwarded()
		}})
	}
	config := front.Client().Transport.(*http.Transport).TLSClientConfig
	for i, forged := range [][]string{nil, {"6.6.6.6"}, {"6.6.6.6", "127.0.0.1"}} {
		browser, err := newBrowser(front.URL, &tls.Config{RootCAs: config.RootCAs}, forged...)
		if err != nil {
			t.Fatal(err)
		}
		if err := browser.lifecycle("/auth", strings.Repeat("a", i+1)+"@example.com"); err != nil {
			t.Fatalf("with X-Forwarded-For %q: %v", forged, err)
		}
		browser.client.CloseIdleConnections()
	}
}

// The documentation has a row for each drill, and the statements that the drill restore
// runs.
func TestDocumentationOfTheDrills(t *testing.T) {
	t.Chdir("../..")
	text, err := os.ReadFile("docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), tableBegin) || !strings.Contains(string(text), tableEnd) {
		t.Error("docs/reliability.md lacks the marks of the table")
	}
	for _, d := range drills {
		if !strings.Contains(string(text), "| "+d.name+" |") {
			t.Errorf("docs/reliability.md has no row for %s", d.name)
		}
	}
	if s, err := afterRestore(); err != nil || len(s) == 0 {
		t.Errorf("docs/operating.md: %v", err)
	}
}

// The commands of docs/reliability.md run for minutes, so only their options are read here.
func TestCF07_TheCommandsOfTheGuide(t *testing.T) {
	for _, b := range guidetest.Blocks(t, "docs/reliability.md", "sh") {
		for line := range strings.Lines(b.Text) {
			command, _, _ := strings.Cut(line, "#")
			args, ok := strings.CutPrefix(command, "go run ./proof/drills")
			if !ok {
				t.Errorf("%s:%d: %s is another program", b.Page, b.Line, command)
			}
			_, write, err := options(flag.NewFlagSet("drills", flag.ContinueOnError), strings.Fields(args))
			if err != nil {
				t.Errorf("%s:%d: %s: %v", b.Page, b.Line, command, err)
			}
			if _, err := os.Stat(filepath.Join("../..", write)); err != nil {
				t.Errorf("%s:%d: %v", b.Page, b.Line, err)
			}
		}
	}
}
