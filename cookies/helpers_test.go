package cookies_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/token"
)

const (
	issuerURL = "https://app.example.com"
	secret    = token.Secret("the first secret of these tests..")
	secret2   = token.Secret("the second secret of these tests.")
	secret3   = token.Secret("the third secret of these tests..")
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func now() time.Time { return start }

var signingKey = func() *signing.Key {
	k, err := signing.GenerateKey(token.ES256, start.Add(-time.Hour))
	if err != nil {
		panic(err)
	}
	return k
}()

// issue makes a pair of real tokens of that session, as large as Usher's are,
// with that many permissions.
func issue(t testing.TB, sid string, permissions int) token.Pair {
	t.Helper()
	return issueAt(t, sid, permissions, start)
}

// issueAt is issue at another time.
func issueAt(t testing.TB, sid string, permissions int, at time.Time) token.Pair {
	t.Helper()
	i := signing.Claims{
		Type: token.TypeSession, Issuer: issuerURL, Audience: []string{issuerURL},
		Subject: "01980c6e-1b1b-7c3c-9f55-0d3c2b1a0f00", SessionID: sid, ID: "5RQ2PZ7XJ4YB3WKNEH6ACDMTV9",
		IssuedAt: at, ExpiresAt: at.Add(10 * time.Minute), AuthTime: at, AMR: []string{"pwd"},
		EmailVerified: true, Roles: []string{"editor", "author"},
	}
	for n := range permissions {
		i.Permissions = append(i.Permissions, fmt.Sprintf("articles.write.%02d", n))
	}
	session, err := signing.Sign(signingKey, i)
	if err != nil {
		t.Fatal(err)
	}
	p := token.Pair{Session: session, SessionExpiresAt: i.ExpiresAt, RefreshExpiresAt: at.AddDate(0, 0, 14)}
	i.Type, i.ExpiresAt, i.ID = token.TypeRefresh, p.RefreshExpiresAt, "6RQ2PZ7XJ4YB3WKNEH6ACDMTV9"
	if p.Refresh, err = signing.Sign(signingKey, i); err != nil {
		t.Fatal(err)
	}
	return p
}

func newJar(t testing.TB, change func(*cookies.Config)) *cookies.Jar {
	t.Helper()
	cfg := cookies.Config{Secret: secret, Now: now, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	jar, err := cookies.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return jar
}

func request(cs ...*http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "https://app.example.com/", nil)
	for _, c := range cs {
		r.AddCookie(c)
	}
	return r
}

// set returns the cookies that SetTokens adds.
func set(t testing.TB, jar *cookies.Jar, r *http.Request, p token.Pair) []*http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	if err := jar.SetTokens(w, r, p); err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()
}

// allTokens returns the tokens of every session cookie.
func allTokens(t testing.TB, jar *cookies.Jar, r *http.Request) []token.Pair {
	t.Helper()
	all, err := jar.AllTokens(r)
	if err != nil {
		t.Error(err)
	}
	return all
}
