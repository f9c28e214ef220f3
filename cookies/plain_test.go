package cookies_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/token"
)

func TestCK03_PlainTokensAreStrict(t *testing.T) {
	jar := newJar(t, func(c *cookies.Config) { c.Plain, c.Domain = true, "example.com" })
	p := issue(t, "s1", 1)
	made := set(t, jar, request(), p)
	if len(made) != 2 || made[0].Name != "DS" || made[1].Name != "DSR" || made[0].Value != p.Session.Reveal() || made[1].Value != p.Refresh.Reveal() {
		t.Fatalf("%v", made)
	}
	for i, life := range []time.Duration{10 * time.Minute, 14 * 24 * time.Hour} {
		c := made[i]
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "example.com" || c.MaxAge != int(life/time.Second) {
			t.Errorf("%s", c.Raw)
		}
	}
}

func TestPlainTokens(t *testing.T) {
	jar := newJar(t, func(c *cookies.Config) { c.Plain, c.SessionName, c.RefreshName = true, "__Host-s", "__Host-r" })
	s, r := &http.Cookie{Name: "__Host-s", Value: "a.b.c"}, &http.Cookie{Name: "__Host-r", Value: "d.e.f"}
	both := token.Pair{Session: "a.b.c", Refresh: "d.e.f"}
	for name, c := range map[string]struct {
		cookies []*http.Cookie
		want    token.Pair
		present bool
	}{
		"both":            {[]*http.Cookie{s, r}, both, true},
		"session alone":   {[]*http.Cookie{s}, token.Pair{Session: "a.b.c"}, true},
		"refresh alone":   {[]*http.Cookie{r}, token.Pair{Refresh: "d.e.f"}, true},
		"none":            {nil, token.Pair{}, false},
		"session twice":   {[]*http.Cookie{s, s, r}, token.Pair{}, true},
		"refresh twice":   {[]*http.Cookie{s, r, r}, token.Pair{}, true},
		"session, twin r": {[]*http.Cookie{s, r, {Name: "__Host-r", Value: "x"}}, token.Pair{}, true},
	} {
		if got, present := jar.Tokens(request(c.cookies...)); got != c.want || present != c.present {
			t.Errorf("%s: %t", name, present)
		}
	}
}

// The refresh token of an earlier session must not stay in the browser.
func TestPlainWithoutARefreshTokenClearsTheOldOne(t *testing.T) {
	jar := newJar(t, func(c *cookies.Config) { c.Plain = true })
	p := issue(t, "s1", 1)
	p.Refresh, p.RefreshExpiresAt = "", time.Time{}
	made := set(t, jar, request(), p)
	if len(made) != 2 || made[1].Name != "DSR" || made[1].MaxAge >= 0 {
		t.Fatalf("%v", made)
	}
}
