package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// A program with the JWK Set alone follows who has signed out, and judges nobody
// before it knows.
func TestSE06_RemoteFollowsRevocations(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t)
	revoked := token.NewRevocations()
	var open atomic.Bool
	srv := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/auth/keys":
			_, _ = rw.Write(w.keys.JSON())
		case r.Header.Get("Authorization") != "Bearer agreed":
			rw.WriteHeader(http.StatusUnauthorized)
		case !open.Load():
			rw.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = rw.Write(revoked.JSON())
		}
	}))
	defer srv.Close()
	remote, err := middleware.OpenRemote(t.Context(), middleware.RemoteConfig{
		Issuer: srv.URL, Client: srv.Client(), AllowPrivateNetworks: true, Now: now,
		RevocationsURL: srv.URL + "/auth/revocations", RevocationsBearer: "agreed",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Client().CloseIdleConnections()
	defer remote.Close()
	m := w.middleware(func(c *middleware.Config) { c.Validator, c.Cookies = remote, nil })
	raw := w.issue(func(i *signing.Claims) { i.Issuer, i.Audience = srv.URL, []string{srv.URL} })
	status := func() int { return do(m.Require(whoami), request("GET", "/", bearer(raw))).Code }
	until := func(what string, want int) {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); status() != want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d, want %d", what, status(), want)
			}
		}
	}
	if got := status(); got != http.StatusServiceUnavailable {
		t.Fatalf("before the list is known: %d", got)
	}
	open.Store(true)
	until("the list is known", http.StatusOK)
	revoked.Add("session-1", start.Add(time.Hour))
	signedOut := time.Now()
	until("signed out", http.StatusUnauthorized)
	if took := time.Since(signedOut); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	open.Store(false)
	time.Sleep(1200 * time.Millisecond) // a fetch fails
	if got := status(); got != http.StatusUnauthorized {
		t.Fatalf("an outage brought the session back: %d", got)
	}
}

func TestRemoteRevocationsConfigErrors(t *testing.T) {
	good := middleware.RemoteConfig{Issuer: "https://app.example.com"}
	for want, change := range map[string]func(*middleware.RemoteConfig){
		"are both set": func(c *middleware.RemoteConfig) {
			c.RevocationsURL, c.Revocations = "https://app.example.com/auth/revocations", token.NewRevocations()
		},
		"requires a RevocationsURL": func(c *middleware.RemoteConfig) { c.RevocationsBearer = "x" },
		"https":                     func(c *middleware.RemoteConfig) { c.RevocationsURL = "http://app.example.com/auth/revocations" },
	} {
		cfg := good
		cfg.AllowPrivateNetworks = true
		cfg.Client = &http.Client{Transport: refused{}}
		change(&cfg)
		r, err := middleware.OpenRemote(t.Context(), cfg)
		if err == nil {
			r.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	goleak.VerifyNone(t)
}

// refused is a network that leads nowhere.
type refused struct{}

func (refused) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }
