package token_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testIssuer   = "https://auth.example.com"
	testAudience = "shop"
)

// start is the time at which the test clocks start.
var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// clock is a clock that moves only by advance.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(start.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// world is an issuer and a verifier that trusts it.
type world struct {
	*clock
	key         *signing.Key
	keys        *token.KeySet
	revocations *token.Revocations
	verifier    *token.Verifier
}

func newWorld(t testing.TB, change ...func(*token.VerifierConfig)) *world {
	t.Helper()
	w := &world{clock: newClock(), key: newKey(t, token.ES256), revocations: token.NewRevocations()}
	w.keys = newKeySet(t, w.key.Public())
	cfg := token.VerifierConfig{
		Issuers:     []token.Issuer{{URL: testIssuer, Audiences: []string{testAudience}, Keys: w.keys}},
		Revocations: w.revocations,
		Now:         w.now,
	}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if w.verifier, err = token.NewVerifier(cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

func newKey(t testing.TB, alg token.Algorithm) *signing.Key {
	t.Helper()
	k, err := signing.GenerateKey(alg, start)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newKeySet(t testing.TB, keys ...token.PublicKey) *token.KeySet {
	t.Helper()
	s, err := token.NewKeySet(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// issue returns the claims of a good session token.
func (w *world) issue() signing.Claims {
	return signing.Claims{
		Type: token.TypeSession, Issuer: testIssuer, Audience: []string{testAudience},
		Subject: "u1", SessionID: "s1", ID: "j1",
		IssuedAt: w.now(), ExpiresAt: w.now().Add(10 * time.Minute), AuthTime: w.now().Add(-time.Minute),
		AMR: []string{"pwd"}, EmailVerified: true,
		Roles: []string{"editor"}, Permissions: []string{"post:write"},
		Tenants: map[string]token.Tenant{"t1": {Roles: []string{"owner"}}},
		Custom:  map[string]any{"plan": "pro", "seats": 3},
	}
}

func sign(t testing.TB, k *signing.Key, i signing.Claims) string {
	t.Helper()
	s, err := signing.Sign(k, i)
	if err != nil {
		t.Fatal(err)
	}
	return s.Reveal()
}

// private returns the private key that package signing hides.
func private(t testing.TB, k *signing.Key) any {
	t.Helper()
	der, err := k.MarshalPrivate()
	if err != nil {
		t.Fatal(err)
	}
	p, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type object map[string]any

// with returns a copy with one member set, or removed if value is nil.
func (o object) with(name string, value any) object {
	c := maps.Clone(o)
	c[name] = value
	if value == nil {
		delete(c, name)
	}
	return c
}

func (o object) json(t testing.TB) string {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (w *world) header() object {
	return object{"alg": "ES256", "typ": "session+jwt", "kid": w.key.ID}
}

func (w *world) payload() object {
	return object{
		"iss": testIssuer, "aud": testAudience, "sub": "u1", "sid": "s1", "jti": "j1", "drn": "DS",
		"iat": w.now().Unix(), "exp": w.now().Add(10 * time.Minute).Unix(),
	}
}

// craft signs any header and payload, well-formed or not, with ES256.
func (w *world) craft(t testing.TB, header, payload string) string {
	t.Helper()
	return craftWith(t, jwt.SigningMethodES256, private(t, w.key), header, payload)
}

func craftWith(t testing.TB, method jwt.SigningMethod, key any, header, payload string) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	sig, err := method.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(sig)
}

// refused checks that both methods of the verifier refuse a token for the given reason.
func (w *world) refused(t *testing.T, raw, reason string) {
	t.Helper()
	claims, err := w.verifier.ValidateSession(context.Background(), token.Secret(raw))
	checkRefusal(t, claims, err, reason)
	claims, err = w.verifier.Verify(context.Background(), token.Secret(raw), token.TypeSession)
	checkRefusal(t, claims, err, reason)
}

func checkRefusal(t *testing.T, claims *token.Claims, err error, reason string) {
	t.Helper()
	var refusal *token.Error
	switch {
	case claims != nil:
		t.Fatalf("claims came with the refusal: %+v", claims)
	case !errors.Is(err, token.ErrInvalid) || !errors.As(err, &refusal):
		t.Fatalf("error %v, want a refusal", err)
	case refusal.Reason != reason:
		t.Fatalf("reason %q (%v), want %q", refusal.Reason, err, reason)
	}
}

func (w *world) accepted(t *testing.T, raw string) *token.Claims {
	t.Helper()
	claims, err := w.verifier.ValidateSession(context.Background(), token.Secret(raw))
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return claims
}

// countingSource counts the lookups and has no generations.
type countingSource struct {
	token.KeySource
	lookups atomic.Int64
}

func (s *countingSource) PublicKey(ctx context.Context, kid string) (token.PublicKey, error) {
	s.lookups.Add(1)
	return s.KeySource.PublicKey(ctx, kid)
}

// origin is a RoundTripper that answers in place of an issuer.
type origin struct {
	fetches atomic.Int64
	mu      sync.Mutex
	answer  func(*http.Request) (*http.Response, error)
}

func (o *origin) RoundTrip(r *http.Request) (*http.Response, error) {
	o.fetches.Add(1)
	o.mu.Lock()
	answer := o.answer
	o.mu.Unlock()
	return answer(r)
}

func (o *origin) set(answer func(*http.Request) (*http.Response, error)) {
	o.mu.Lock()
	o.answer = answer
	o.mu.Unlock()
}

func body(status int, r io.Reader) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(r)}
}

func serve(set []byte) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return body(200, strings.NewReader(string(set))), nil }
}

func down(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// counter is a slog.Handler that counts records.
type counter struct {
	slog.Handler
	events atomic.Int64
}

func (c *counter) Enabled(context.Context, slog.Level) bool { return true }
func (c *counter) Handle(context.Context, slog.Record) error {
	c.events.Add(1)
	return nil
}
