package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/token"
)

const (
	issuerURL = "https://app.example.com"
	audience  = issuerURL
	userID    = "01980c6e-1b1b-7c3c-9f55-0d3c2b1a0f00"
	loginID   = "ann@example.com"
)

var quiet = slog.New(slog.DiscardHandler)

// fixture is what the benchmarks of a protected request share: one signing key, its
// JWK Set, and one session token of about 700 bytes.
type fixture struct {
	key         *signing.Key
	keys        *token.KeySet
	revocations *token.Revocations
	pair        token.Pair
	raw         string           // the session token
	keyServer   *httptest.Server // serves the JWK Set
}

func newFixture() (*fixture, error) {
	key, err := signing.GenerateKey(token.ES256, time.Now().Add(-time.Hour))
	if err != nil {
		return nil, err
	}
	f := &fixture{key: key, revocations: revocations(100_000)}
	if f.keys, err = token.NewKeySet(key.Public()); err != nil {
		return nil, err
	}
	if f.pair, err = f.issue("session-1"); err != nil {
		return nil, err
	}
	f.raw = f.pair.Session.Reveal()
	if len(f.raw) < 650 || len(f.raw) > 750 {
		return nil, fmt.Errorf("the token has %d bytes instead of about 700", len(f.raw))
	}
	f.keyServer = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write(f.keys.JSON())
	}))
	return f, nil
}

// revocations returns a list of n revoked sessions, none of them a measured one.
func revocations(n int) *token.Revocations {
	list := token.NewRevocations()
	for k := range n {
		list.Add(fmt.Sprint("revoked-", k), time.Now().Add(24*time.Hour))
	}
	return list
}

// issue signs the tokens of a session.
func (f *fixture) issue(sessionID string) (token.Pair, error) {
	now := time.Now()
	i := signing.Claims{
		Type: token.TypeSession, Issuer: issuerURL, Audience: []string{audience}, Subject: userID,
		SessionID: sessionID, ID: "5RQ2PZ7XJ4YB3WKNEH6ACDMTV9" + sessionID, IssuedAt: now, ExpiresAt: now.Add(time.Hour),
		AuthTime: now, AMR: []string{"pwd"}, EmailVerified: true, Roles: []string{"editor"},
	}
	for n := range 10 {
		i.Permissions = append(i.Permissions, fmt.Sprintf("write.%d", n))
	}
	p := token.Pair{SessionExpiresAt: i.ExpiresAt.UTC().Truncate(time.Second), RefreshExpiresAt: now.AddDate(0, 0, 14).UTC().Truncate(time.Second)}
	var err error
	if p.Session, err = signing.Sign(f.key, i); err != nil {
		return p, err
	}
	i.Type, i.ExpiresAt = token.TypeRefresh, p.RefreshExpiresAt
	p.Refresh, err = signing.Sign(f.key, i)
	return p, err
}

// verifier returns a verifier of the fixture's tokens. A negative cacheBytes turns
// its cache off.
func (f *fixture) verifier(cacheBytes int, more ...token.Issuer) (*token.Verifier, error) {
	return token.NewVerifier(token.VerifierConfig{
		Issuers:     append([]token.Issuer{{URL: issuerURL, Audiences: []string{audience}, Keys: f.keys}}, more...),
		Revocations: f.revocations,
		CacheBytes:  cacheBytes,
	})
}

func newRequest() *http.Request {
	r := httptest.NewRequest("GET", issuerURL+"/protected", nil)
	r.Header.Set("User-Agent", "Mozilla/5.0")
	r.Header.Set("Accept", "text/html")
	return r
}

// bearer returns a request that carries the session token in its header.
func (f *fixture) bearer() *http.Request {
	r := newRequest()
	r.Header.Set("Authorization", "Bearer "+f.raw)
	return r
}

// signedInBy returns a request with the cookies of an answer.
func signedInBy(rec *httptest.ResponseRecorder) *http.Request {
	r := newRequest()
	for _, c := range rec.Result().Cookies() {
		r.AddCookie(c)
	}
	return r
}

// withCookies returns a jar, and a request that carries the tokens in its cookies.
func (f *fixture) withCookies(cfg cookies.Config) (*cookies.Jar, *http.Request, error) {
	cfg.Secret, cfg.Logger = secret, quiet
	jar, err := cookies.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	rec := httptest.NewRecorder()
	if err := jar.SetTokens(rec, newRequest(), f.pair); err != nil {
		return nil, nil, err
	}
	return jar, signedInBy(rec), nil
}

// discard is a ResponseWriter that keeps only what a benchmark checks.
type discard struct {
	header  http.Header
	status  int
	reached int // how often the protected handler ran
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// protectedHandler reads the subject of the request and counts the request if it is
// the wanted one.
func protectedHandler(subject func(*http.Request) string, want string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if subject(r) != want {
			return
		}
		for {
			if d, ok := rw.(*discard); ok {
				d.reached++
				return
			}
			u, ok := rw.(interface{ Unwrap() http.ResponseWriter })
			if !ok {
				return
			}
			rw = u.Unwrap()
		}
	})
}

// serveRepeatedly calls a handler n times with one request and fails unless each call
// reaches the protected handler. With fresh, each call gets a copy of the request,
// because some libraries keep results in the request's context.
func serveRepeatedly(h http.Handler, r *http.Request, fresh bool) func(n int) error {
	return func(n int) error {
		d := &discard{header: http.Header{}}
		ctx := r.Context()
		for range n {
			clear(d.header)
			if fresh {
				h.ServeHTTP(d, r.WithContext(ctx))
			} else {
				h.ServeHTTP(d, r)
			}
		}
		if d.reached != n {
			return fmt.Errorf("%d of %d requests reached the handler, the last status is %d", d.reached, n, d.status)
		}
		return nil
	}
}
