package cookies_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// service starts, refreshes and ends one session with real tokens.
type service struct {
	*token.Verifier
	revoked *token.Revocations
	mu      sync.Mutex
	clock   time.Time
	n       int
	ended   bool
}

func (s *service) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock
}

func (s *service) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = s.clock.Add(d)
}

func (s *service) issue() (token.Pair, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	i := signing.Claims{
		Type: token.TypeSession, Issuer: issuerURL, Audience: []string{issuerURL}, Subject: "user-1",
		SessionID: "session-1", ID: fmt.Sprint("t", s.n), IssuedAt: s.clock, ExpiresAt: s.clock.Add(10 * time.Minute), AuthTime: start,
	}
	p := token.Pair{SessionExpiresAt: i.ExpiresAt, RefreshExpiresAt: s.clock.AddDate(0, 0, 14)}
	var err error
	if p.Session, err = signing.Sign(signingKey, i); err != nil {
		return token.Pair{}, err
	}
	i.Type, i.ExpiresAt, i.ID = token.TypeRefresh, p.RefreshExpiresAt, fmt.Sprint("r", s.n)
	p.Refresh, err = signing.Sign(signingKey, i)
	return p, err
}

func (s *service) RefreshTokens(ctx context.Context, refresh token.Secret, _ netip.Addr, _ string) (token.Pair, error) {
	if _, err := s.Verify(ctx, token.Secret(refresh), token.TypeRefresh); err != nil {
		return token.Pair{}, err
	}
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	if ended {
		return token.Pair{}, fmt.Errorf("the session has ended: %w", token.ErrInvalid)
	}
	return s.issue()
}

func (s *service) SessionToken(ctx context.Context, refresh token.Secret, a netip.Addr, ua string) (token.Secret, error) {
	p, err := s.RefreshTokens(ctx, refresh, a, ua)
	return p.Session, err
}

func (s *service) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.revoked.Add("session-1", s.clock.AddDate(1, 0, 0))
}

// browser is a client that follows no redirects.
type browser struct {
	t      *testing.T
	client *http.Client
	base   string
}

func (b *browser) do(method, path string, headers ...string) (int, string, http.Header) {
	b.t.Helper()
	r, err := http.NewRequest(method, b.base+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

func (b *browser) cookie() string {
	u, _ := url.Parse(b.base)
	for _, c := range b.client.Jar.Cookies(u) {
		if strings.HasSuffix(c.Name, "session") || c.Name == "DSR" {
			return c.Value
		}
	}
	return ""
}

// The session of a browser over TLS: sign-in, page, refresh, attacks, sign-out,
// replay.
func TestRoundTripOverTLS(t *testing.T) {
	for name, change := range map[string]func(*cookies.Config){
		"sealed": nil,
		"plain":  func(c *cookies.Config) { c.Plain = true },
		"files":  func(c *cookies.Config) { c.Secret, c.Store = "", fileStore(t) },
	} {
		t.Run(name, func(t *testing.T) { roundTrip(t, change) })
	}
}

func roundTrip(t *testing.T, change func(*cookies.Config)) {
	keys, err := token.NewKeySet(signingKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	// net/http's cookie jar uses the real clock.
	s := &service{clock: time.Now(), revoked: token.NewRevocations()}
	s.Verifier, err = token.NewVerifier(token.VerifierConfig{
		Issuers:     []token.Issuer{{URL: issuerURL, Audiences: []string{issuerURL}, Keys: keys}},
		Revocations: s.revoked, CacheBytes: 1 << 20, Now: s.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	jar := newJar(t, func(c *cookies.Config) {
		c.Now = s.now
		if change != nil {
			change(c)
		}
	})
	m, err := middleware.New(middleware.Config{
		Validator: s, Refresher: s, Cookies: jar, Now: s.now, SignInPath: "/signin", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /signin", func(w http.ResponseWriter, r *http.Request) {
		p, err := s.issue()
		if err == nil {
			err = jar.SetTokens(w, r, p)
		}
		if err != nil {
			t.Error(err)
		}
	})
	me := func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, middleware.Subject(r.Context())) }
	mux.Handle("GET /me", m.Require(http.HandlerFunc(me)))
	mux.Handle("POST /me", m.Require(http.HandlerFunc(me)))
	mux.Handle("POST /signout", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.end()
		jar.ClearTokens(w, r)
	})))
	srv := httptest.NewTLSServer(mux)
	defer srv.Close()
	client := srv.Client()
	client.Jar, _ = cookiejar.New(nil)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b := &browser{t, client, srv.URL}
	step := func(what string, status int, body, method, path string, headers ...string) http.Header {
		t.Helper()
		gotStatus, gotBody, h := b.do(method, path, headers...)
		if gotStatus != status || !strings.Contains(gotBody, body) {
			t.Fatalf("%s: %d %s, want %d %s", what, gotStatus, gotBody, status, body)
		}
		return h
	}

	if h := step("page before the sign-in", 303, "", "GET", "/me", "Sec-Fetch-Mode", "navigate"); h.Get("Location") != "/signin?return_to=%2Fme" {
		t.Fatal(h)
	}
	step("sign-in", 200, "", "POST", "/signin")
	step("page", 200, "user-1", "GET", "/me")
	first := b.cookie()
	step("own form", 200, "user-1", "POST", "/me", "Sec-Fetch-Site", "same-origin")
	step("form of another site", 403, "cross_origin", "POST", "/me", "Sec-Fetch-Site", "cross-site")
	step("old browser, other site", 403, "cross_origin", "POST", "/me", "Origin", "https://evil.test")
	step("old browser, http page of this host", 403, "cross_origin", "POST", "/me", "Origin", strings.Replace(srv.URL, "https", "http", 1))
	step("neither header", 403, "cross_origin", "POST", "/me")
	step("custom header", 200, "user-1", "POST", "/me", "X-Requested-With", "test")

	s.advance(11 * time.Minute)
	step("page, after the session token's end", 200, "user-1", "GET", "/me")
	copied := b.cookie()
	if name := t.Name(); copied == first && !strings.HasSuffix(name, "files") {
		t.Fatal("no new cookie")
	}
	step("page again", 200, "user-1", "GET", "/me")
	if b.cookie() != copied {
		t.Fatal("refreshed twice")
	}

	u, _ := url.Parse(srv.URL)
	kept := client.Jar.Cookies(u)
	step("sign-out", 200, "", "POST", "/signout", "Sec-Fetch-Site", "same-origin")
	if b.cookie() != "" {
		t.Fatal("the cookie is still there")
	}
	step("page after it", 401, "not_signed_in", "GET", "/me")
	// A copy of the cookie is refused, also when it would need a refresh.
	client.Jar.SetCookies(u, kept)
	step("replay", 401, "invalid_session", "GET", "/me")
	s.advance(11 * time.Minute)
	step("replay later", 401, "invalid_session", "GET", "/me")
}
