package middleware_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
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
	if _, err := remote.ValidateSession(t.Context(), issue(nil).Reveal()); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("a revoked session: %v", err)
	}
}

func TestRemoteConfigErrors(t *testing.T) {
	for want, cfg := range map[string]middleware.RemoteConfig{
		"RemoteConfig.Issuer": {},
		"URL":                 {Issuer: "http://app.example.com"},
		"Leeway":              {Issuer: "https://app.example.com", Leeway: time.Hour},
	} {
		cfg.Client = &http.Client{Transport: refused{}}
		if _, err := middleware.OpenRemote(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	goleak.VerifyNone(t)
}
