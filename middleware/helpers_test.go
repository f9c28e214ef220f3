package middleware_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

const issuerURL = "https://app.example.com"

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is an issuer with real keys and a real verifier.
type world struct {
	t       testing.TB
	key     *signing.Key
	keys    *token.KeySet
	revoked *token.Revocations
	*token.Verifier
}

func newWorld(t testing.TB) *world {
	t.Helper()
	key, err := signing.GenerateKey(token.ES256, start.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, key: key, revoked: token.NewRevocations()}
	if w.keys, err = token.NewKeySet(key.Public()); err != nil {
		t.Fatal(err)
	}
	w.Verifier, err = token.NewVerifier(token.VerifierConfig{
		Issuers:     []token.Issuer{{URL: issuerURL, Audiences: []string{issuerURL}, Keys: w.keys}},
		Revocations: w.revoked,
		CacheBytes:  1 << 20,
		Now:         now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func now() time.Time { return start }

// issue signs a session token that is valid unless change breaks it.
func (w *world) issue(change func(*signing.Claims)) token.Secret {
	w.t.Helper()
	i := signing.Claims{
		Type: token.TypeSession, Issuer: issuerURL, Audience: []string{issuerURL},
		Subject: "user-1", SessionID: "session-1", ID: "token-1",
		IssuedAt: start, ExpiresAt: start.Add(10 * time.Minute), AuthTime: start, AMR: []string{"pwd"},
	}
	if change != nil {
		change(&i)
	}
	s, err := signing.Sign(w.key, i)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) expired() token.Secret {
	return w.issue(func(i *signing.Claims) {
		i.IssuedAt, i.ExpiresAt = start.Add(-time.Hour), start.Add(-50*time.Minute)
	})
}

// sign signs arbitrary claims, as another issuer might.
func (w *world) sign(claims map[string]any) string {
	w.t.Helper()
	der, err := w.key.MarshalPrivate()
	if err != nil {
		w.t.Fatal(err)
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		w.t.Fatal(err)
	}
	all := jwt.MapClaims{
		"iss": issuerURL, "aud": []string{issuerURL}, "sub": "user-1", "sid": "session-1", "jti": "token-1",
		"iat": start.Unix(), "exp": start.Add(time.Minute).Unix(),
	}
	for k, v := range claims {
		all[k] = v
	}
	j := jwt.NewWithClaims(jwt.SigningMethodES256, all)
	j.Header["kid"], j.Header["typ"] = w.key.ID, string(token.TypeSession)
	raw, err := j.SignedString(private)
	if err != nil {
		w.t.Fatal(err)
	}
	return raw
}

// config returns the default configuration of the tests.
func (w *world) config() middleware.Config {
	return middleware.Config{Validator: w, Cookies: fakeCookies{}, Now: now, Logger: slog.New(slog.DiscardHandler)}
}

func (w *world) middleware(change func(*middleware.Config)) *middleware.Middleware {
	w.t.Helper()
	cfg := w.config()
	if change != nil {
		change(&cfg)
	}
	m, err := middleware.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// fakeCookies keeps the tokens in one unencrypted cookie.
type fakeCookies struct{ fail error }

func cookieFor(session, refresh token.Secret) *http.Cookie {
	return &http.Cookie{Name: "s", Value: session.Reveal() + "|" + refresh.Reveal()}
}

func (fakeCookies) Tokens(r *http.Request) (token.Pair, bool) {
	c, err := r.Cookie("s")
	if err != nil {
		return token.Pair{}, false
	}
	session, refresh, _ := strings.Cut(c.Value, "|")
	return token.Pair{Session: token.Secret(session), Refresh: token.Secret(refresh)}, true
}

func (f fakeCookies) SetTokens(w http.ResponseWriter, _ *http.Request, p token.Pair) error {
	if f.fail == nil {
		http.SetCookie(w, cookieFor(p.Session, p.Refresh))
	}
	return f.fail
}

func (fakeCookies) ClearTokens(w http.ResponseWriter, _ *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: "s", MaxAge: -1})
}

// refresher calls f and counts the calls.
type refresher struct {
	mu    sync.Mutex
	calls int // of RefreshTokens
	f     func(ctx context.Context, refresh string) (token.Pair, error)
}

func (r *refresher) RefreshTokens(ctx context.Context, refresh token.Secret, _ netip.Addr, _ string) (token.Pair, error) {
	r.mu.Lock()
	r.calls++
	r.mu.Unlock()
	return r.f(ctx, refresh.Reveal())
}

func (r *refresher) SessionToken(ctx context.Context, refresh token.Secret, _ netip.Addr, _ string) (token.Secret, error) {
	pair, err := r.f(ctx, refresh.Reveal())
	return pair.Session, err
}

// validatorFunc is a Validator made of a function.
type validatorFunc func(ctx context.Context, raw string) (*token.Claims, error)

func (f validatorFunc) ValidateSession(ctx context.Context, raw token.Secret) (*token.Claims, error) {
	return f(ctx, raw.Reveal())
}

// whoami responds with the session in the context.
var whoami = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	claims, ok := middleware.Claims(r.Context())
	_ = json.NewEncoder(w).Encode(map[string]any{
		"ok": ok, "subject": claims.Subject, "kind": middleware.Source(r.Context()),
	})
})

func request(method, target string, change func(*http.Request)) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "app.example.com"
	if change != nil {
		change(r)
	}
	return r
}

func bearer(raw token.Secret) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+raw.Reveal()) }
}

func do(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func code(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var p struct{ Code string }
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("body %q: %v", w.Body, err)
	}
	return p.Code
}
