package middleware_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

func TestRemoteValidatesFromTheKeySetAlone(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t)
	asked := make(chan string, 8)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		rw.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = rw.Write(w.keys.JSON())
	}))
	defer srv.Close()
	revoked := token.NewRevocations()
	remote, err := middleware.OpenRemote(t.Context(), middleware.RemoteConfig{
		Issuer: srv.URL, Client: srv.Client(), AllowPrivateNetworks: true, Revocations: revoked, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Client().CloseIdleConnections()
	defer remote.Close()
	m := w.middleware(func(c *middleware.Config) { c.Validator, c.Cookies = remote, nil })
	issue := func(change func(*signing.Claims)) token.Secret {
		return w.issue(func(i *signing.Claims) {
			i.Issuer, i.Audience = srv.URL, []string{srv.URL}
			if change != nil {
				change(i)
			}
		})
	}
	for name, c := range map[string]struct {
		raw    token.Secret
		status int
	}{
		"its issuer":     {issue(nil), 200},
		"other issuer":   {w.issue(nil), 401},
		"other audience": {issue(func(i *signing.Claims) { i.Audience = []string{"other"} }), 401},
	} {
		if got := do(m.Require(whoami), request("GET", "/", bearer(c.raw))); got.Code != c.status {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
	if path := <-asked; path != "/auth/keys" {
		t.Errorf("keys were fetched from %s", path)
	}
	revoked.Add("session-1", start.Add(time.Hour))
	if _, err := remote.ValidateSession(t.Context(), issue(nil)); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("a revoked session: %v", err)
	}
}

func TestRemoteConfigErrors(t *testing.T) {
	for want, cfg := range map[string]middleware.RemoteConfig{
		"RemoteConfig.Issuer":  {},
		"RemoteConfig.KeysURL": {Issuer: "http://app.example.com"},
		"Leeway":               {Issuer: "https://app.example.com", Leeway: time.Hour},
	} {
		cfg.Client = &http.Client{Transport: refused{}}
		if _, err := middleware.OpenRemote(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	goleak.VerifyNone(t)
}

// A program with only the JWK Set follows the issuer's revocations, and validates no
// session before it has the list.
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

// A second program restarts while the issuer is down. Valid sessions stay valid, and those that
// were revoked before the last fetch stay refused. One that was revoked after it is accepted
// until its token expires, and no session once the keys are too old.
func TestJK13_ARestartDuringAnOutageOfTheIssuer(t *testing.T) {
	w := newWorld(t)
	revoked := token.NewRevocations()
	revoked.Add("session-1", start.Add(11*time.Minute))
	srv := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/auth/keys" {
			_, _ = rw.Write(w.keys.JSON())
			return
		}
		_, _ = rw.Write(revoked.JSON())
	}))
	at := start
	cfg := middleware.RemoteConfig{
		Issuer: srv.URL, Client: srv.Client(), AllowPrivateNetworks: true, Now: func() time.Time { return at },
		RevocationsURL: srv.URL + "/auth/revocations", KeysFile: filepath.Join(t.TempDir(), "keys"),
		Logger: slog.New(slog.DiscardHandler),
	}
	open := func() *middleware.Remote {
		t.Helper()
		remote, err := middleware.OpenRemote(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return remote
	}
	open().Close()
	revoked.Add("session-2", start.Add(11*time.Minute)) // after the last fetch
	srv.Close()
	for _, c := range []struct {
		after                       time.Duration
		first, second, valid, fresh int
	}{
		{0, 401, 200, 200, 200},
		{10*time.Minute - time.Second, 401, 200, 200, 200},
		{10*time.Minute + 6*time.Second, 401, 401, 401, 200}, // with the leeway of 5 seconds
		{24*time.Hour - time.Second, 401, 401, 401, 200},
		{24 * time.Hour, 503, 503, 503, 503},
	} {
		at = start.Add(c.after)
		remote := open()
		m := w.middleware(func(c *middleware.Config) { c.Validator, c.Cookies = remote, nil })
		status := func(session string, from time.Time) int {
			raw := w.issue(func(i *signing.Claims) {
				i.Issuer, i.Audience, i.SessionID = srv.URL, []string{srv.URL}, session
				i.IssuedAt, i.ExpiresAt = from, from.Add(10*time.Minute)
			})
			return do(m.Require(whoami), request("GET", "/", bearer(raw))).Code
		}
		got := []int{status("session-1", start), status("session-2", start), status("session-3", start), status("session-3", at)}
		if want := []int{c.first, c.second, c.valid, c.fresh}; !slices.Equal(got, want) {
			t.Errorf("after %s: %v, want %v", c.after, got, want)
		}
		remote.Close()
	}
}

func TestRemoteRevocationsConfigErrors(t *testing.T) {
	good := middleware.RemoteConfig{Issuer: "https://app.example.com"}
	for want, change := range map[string]func(*middleware.RemoteConfig){
		"are both set": func(c *middleware.RemoteConfig) {
			c.RevocationsURL, c.Revocations = "https://app.example.com/auth/revocations", token.NewRevocations()
		},
		"requires a RevocationsURL":     func(c *middleware.RemoteConfig) { c.RevocationsBearer = "x" },
		"RemoteConfig.RevocationsURL: ": func(c *middleware.RemoteConfig) { c.RevocationsURL = "http://app.example.com/auth/revocations" },
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

// refused fails every request.
type refused struct{}

func (refused) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }
