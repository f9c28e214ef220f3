package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

const (
	issuerURL = "https://app.example.com"
	audience  = issuerURL
	userID    = "01980c6e-1b1b-7c3c-9f55-0d3c2b1a0f00"
	secret    = usher.Secret("a secret for measurements, 32 bytes")
	loginID   = "ann@example.com"
	password  = "vast otter sings low"
)

var quiet = slog.New(slog.DiscardHandler)

// world is what every case shares: one signing key, its published set, one token
// of some 700 bytes.
type world struct {
	key         *signing.Key
	keys        *token.KeySet
	revocations *token.Revocations
	verifier    *token.Verifier
	raw         string
	pair        token.Pair
	keyServer   *httptest.Server
}

func newWorld() (*world, error) {
	key, err := signing.GenerateKey(token.ES256, time.Now().Add(-time.Hour))
	if err != nil {
		return nil, err
	}
	w := &world{key: key, revocations: token.NewRevocations()}
	if w.keys, err = token.NewKeySet(key.Public()); err != nil {
		return nil, err
	}
	for n := range 100_000 {
		w.revocations.Add(fmt.Sprint("revoked-", n), time.Now().Add(24*time.Hour))
	}
	if w.verifier, err = w.newVerifier(0); err != nil {
		return nil, err
	}
	if w.pair, err = w.issue("session-1", 10); err != nil {
		return nil, err
	}
	w.raw = w.pair.Session.Reveal()
	if len(w.raw) < 650 || len(w.raw) > 750 {
		return nil, fmt.Errorf("the token has %d bytes, it should have some 700", len(w.raw))
	}
	w.keyServer = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write(w.keys.JSON())
	}))
	return w, nil
}

func (w *world) newVerifier(cacheBytes int) (*token.Verifier, error) {
	return token.NewVerifier(token.VerifierConfig{
		Issuers:     []token.Issuer{{URL: issuerURL, Audiences: []string{audience}, Keys: w.keys}},
		Revocations: w.revocations,
		CacheBytes:  cacheBytes,
	})
}

// issue makes the tokens of a session with that many permissions.
func (w *world) issue(sessionID string, permissions int) (token.Pair, error) {
	now := time.Now()
	i := signing.Claims{
		Type: token.TypeSession, Issuer: issuerURL, Audience: []string{audience}, Subject: userID,
		SessionID: sessionID, ID: "5RQ2PZ7XJ4YB3WKNEH6ACDMTV9" + sessionID, IssuedAt: now, ExpiresAt: now.Add(time.Hour),
		AuthTime: now, AMR: []string{"pwd"}, EmailVerified: true, Roles: []string{"editor"},
	}
	for n := range permissions {
		i.Permissions = append(i.Permissions, fmt.Sprintf("write.%d", n))
	}
	p := token.Pair{SessionExpiresAt: i.ExpiresAt.UTC().Truncate(time.Second), RefreshExpiresAt: now.AddDate(0, 0, 14).UTC().Truncate(time.Second)}
	var err error
	if p.Session, err = signing.Sign(w.key, i); err != nil {
		return p, err
	}
	i.Type, i.ExpiresAt = token.TypeRefresh, p.RefreshExpiresAt
	p.Refresh, err = signing.Sign(w.key, i)
	return p, err
}

// answer is a ResponseWriter that keeps nothing, and remembers a refusal.
type answer struct {
	header http.Header
	status int
	called int // by reached
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return len(b), nil }
func (a *answer) WriteHeader(status int)      { a.status = status }

// reached is the protected handler: it reads a claim, and says so.
func reached(subject func(*http.Request) string, want string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if subject(r) == want {
			for {
				if a, ok := rw.(*answer); ok {
					a.called++
					return
				}
				u, ok := rw.(interface{ Unwrap() http.ResponseWriter })
				if !ok {
					return
				}
				rw = u.Unwrap()
			}
		}
	})
}

// serve calls a handler n times with the same request. Every request must reach the
// protected handler, or the measurement is void. With fresh, each call gets a copy
// of the request: some libraries keep what they found in the one they are given.
func serve(h http.Handler, r *http.Request, fresh bool) func(n int) error {
	return func(n int) error {
		a := &answer{header: http.Header{}}
		ctx := r.Context()
		for range n {
			clear(a.header)
			if fresh {
				h.ServeHTTP(a, r.WithContext(ctx))
			} else {
				h.ServeHTTP(a, r)
			}
		}
		if a.called != n {
			return fmt.Errorf("%d of %d requests reached the handler, the last status is %d", a.called, n, a.status)
		}
		return nil
	}
}

func get(change func(*http.Request)) *http.Request {
	r := httptest.NewRequest("GET", issuerURL+"/protected", nil)
	r.Header.Set("User-Agent", "Mozilla/5.0")
	r.Header.Set("Accept", "text/html")
	if change != nil {
		change(r)
	}
	return r
}

func (w *world) bearer() *http.Request {
	return get(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+w.raw) })
}

// withCookies returns a jar and a request of a browser that signed in by it.
func (w *world) withCookies(cfg cookies.Config) (*cookies.Jar, *http.Request, error) {
	cfg.Logger = quiet
	jar, err := cookies.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	rec := httptest.NewRecorder()
	if err := jar.SetTokens(rec, get(nil), w.pair); err != nil {
		return nil, nil, err
	}
	return jar, get(func(r *http.Request) {
		for _, c := range rec.Result().Cookies() {
			r.AddCookie(c)
		}
	}), nil
}

func bySubject(r *http.Request) string { return middleware.Subject(r.Context()) }

func (w *world) usher(jar *cookies.Jar, sessions middleware.Sessions) (http.Handler, error) {
	cfg := middleware.Config{Sessions: sessions, Logger: quiet}
	if jar != nil {
		cfg.Cookies = jar
	}
	m, err := middleware.New(cfg)
	if err != nil {
		return nil, err
	}
	return m.Require(reached(bySubject, userID)), nil
}

func newService(store usher.Store, change func(*usher.Config)) (*usher.Service, error) {
	cfg := usher.Config{
		Secret: secret, BaseURL: issuerURL, Logger: quiet,
		Mailer: usher.MailerFunc(func(context.Context, usher.Message) error { return nil }),
		Limits: usher.LimitConfig{NetworkTries: 1_000_000}, // all clients have one address
	}
	if change != nil {
		change(&cfg)
	}
	return usher.New(store, cfg)
}

var errMismatch = errors.New("wrong password")
