package cookies_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/sessions"

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

// Another host of the domain may have set one of the two cookies. Both are deleted then,
// so that the user can sign in again.
func TestCK09_PlainTokensOfOneSessionOnly(t *testing.T) {
	one, two := issue(t, "s1", 0), issue(t, "s2", 0)
	none := token.Pair{Session: "e30.e30.e30", Refresh: "e30.e30.e30"} // no session id
	for name, c := range map[string]struct {
		session, refresh token.Secret
		together         bool
	}{
		"one session":          {one.Session, one.Refresh, true},
		"two sessions":         {one.Session, two.Refresh, false},
		"no id beside one":     {none.Session, one.Refresh, true},
		"an id beside none":    {one.Session, none.Refresh, true},
		"neither is a token":   {"x", "y", true},
		"a token beside a JWT": {"x", one.Refresh, true},
	} {
		jar := newJar(t, func(c *cookies.Config) { c.Plain = true })
		both := func(refresh token.Secret) *http.Request {
			return request(&http.Cookie{Name: "DS", Value: c.session.Reveal()}, &http.Cookie{Name: "DSR", Value: refresh.Reveal()})
		}
		want := token.Pair{Session: c.session, Refresh: c.refresh}
		if !c.together {
			want = token.Pair{}
		}
		for range 2 { // the second time it is known
			if got, present := jar.Tokens(both(c.refresh)); got != want || !present || jar.RecentConflict(both(c.refresh)) == c.together {
				t.Errorf("%s: belong together is %t", name, !c.together)
			}
		}
		w := httptest.NewRecorder()
		if jar.RejectConflict(w, both(c.refresh)) == c.together {
			t.Errorf("%s: rejected is %t", name, c.together)
		}
		if lines := strings.Join(w.Header()["Set-Cookie"], "\n"); !c.together && (!strings.Contains(lines, "DS=; ") || !strings.Contains(lines, "DSR=; ")) {
			t.Errorf("%s: the cookies stay:\n%s", name, lines)
		}
		if got, _ := jar.Tokens(both(two.Refresh)); (got == token.Pair{}) != (c.session == one.Session) {
			t.Errorf("%s: after them, the refresh token of another session is judged by the earlier one", name)
		}
	}
}

// The expired one of two cookies does not count, from the second at which it expires.
func TestCK09_PlainTokensExpire(t *testing.T) {
	clock := start
	jar := newJar(t, func(c *cookies.Config) { c.Plain, c.Now = true, func() time.Time { return clock } })
	first, later := issue(t, "s1", 0), issueAt(t, "s2", 0, start.Add(time.Minute))
	r := request(&http.Cookie{Name: "DS", Value: first.Session.Reveal()}, &http.Cookie{Name: "DS", Value: later.Session.Reveal()})
	clock = first.SessionExpiresAt.Add(-time.Second)
	if !jar.RecentConflict(r) {
		t.Error("two live sessions are no conflict")
	}
	clock = first.SessionExpiresAt
	if p, _ := jar.Tokens(r); p.Session != later.Session {
		t.Errorf("beside an expired token the session is %q", sessionIn(t, p))
	}
}

// An empty cookie means that its token is missing, so the other token does not count.
func TestPlainTokensBesideAnEmptyCookie(t *testing.T) {
	jar := newJar(t, func(c *cookies.Config) { c.Plain = true })
	p := issue(t, "s1", 0)
	for _, header := range []string{"DS=; DSR=" + p.Refresh.Reveal(), "DS=" + p.Session.Reveal() + "; DSR=", `DS=""`, `DSR=""`, "DS"} {
		r := request()
		r.Header["Cookie"] = []string{header}
		if got, present := jar.Tokens(r); got != (token.Pair{}) || !present {
			t.Errorf("%.8s: present is %t, session %t, refresh %t", header, present, got.Session != "", got.Refresh != "")
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

// Browsers keep a cookie without Max-Age and Expires until they are closed.
func TestCK15_CookiesThatEndWithTheBrowser(t *testing.T) {
	for name, change := range map[string]func(*cookies.Config){
		"sealed": func(*cookies.Config) {},
		"plain":  func(c *cookies.Config) { c.Plain = true },
		"stored": func(c *cookies.Config) {
			c.Secret, c.Store = "", sessions.NewFilesystemStore(t.TempDir(), []byte(secret))
		},
	} {
		jar := newJar(t, change)
		for _, ends := range []bool{true, false} {
			w, r, p := httptest.NewRecorder(), request(), issue(t, "s1", 1)
			p.EndsWithBrowser = ends
			if err := errors.Join(jar.SetTokens(w, r, p), jar.SetDevice(w, r, "device", ends)); err != nil {
				t.Fatal(err)
			}
			made := 0
			for _, c := range w.Result().Cookies() {
				if c.MaxAge < 0 {
					continue
				}
				if made++; (c.MaxAge == 0 && c.Expires.IsZero()) != ends {
					t.Errorf("%s, %t: %s", name, ends, c.Raw)
				}
				r.AddCookie(c)
			}
			if got, present := jar.Tokens(r); made < 2 || !present || got.Session != p.Session || got.Refresh != p.Refresh {
				t.Errorf("%s, %t: %d cookies", name, ends, made)
			}
		}
	}
}
