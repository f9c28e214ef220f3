package pages_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

// documentedCookie is a row of the table of cookies in docs/security.md.
type documentedCookie struct {
	lifetime time.Duration
	sameSite http.SameSite
}

// documentedCookies returns the table of cookies by name.
func documentedCookies(t *testing.T) map[string]documentedCookie {
	t.Helper()
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(page), "\n## Cookies\n")
	part, _, _ = strings.Cut(part, "\n## ")
	table := map[string]documentedCookie{}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| [^|]+ \\| [^|]+ \\| (\\d+) (second|minute|hour|day)s? \\| (Lax|Strict) \\| [^|]+ \\| [^|]+ \\|$")
	for _, m := range row.FindAllStringSubmatch(part, -1) {
		n, _ := strconv.Atoi(m[2])
		unit := map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[m[3]]
		table[m[1]] = documentedCookie{time.Duration(n) * unit, map[string]http.SameSite{"Lax": http.SameSiteLaxMode, "Strict": http.SameSiteStrictMode}[m[4]]}
	}
	if n := strings.Count(part, "\n| `"); n != len(table) || n == 0 {
		t.Fatalf("the table of cookies has %d rows, of which %d have the expected form", n, len(table))
	}
	return table
}

// watchCookies makes a kit report every cookie that it sets.
func watchCookies(k *Kit, seen func(c *http.Cookie)) {
	next := k.Server
	k.Server = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		for _, line := range w.Header()["Set-Cookie"] {
			if c, err := http.ParseSetCookie(line); err == nil {
				seen(c)
			}
		}
	})
}

// The handlers set the cookies of the table in docs/security.md, with the lifetimes and
// attributes that it states, and no others.
func TestCF06_TheTableOfCookiesIsWhatBrowsersGet(t *testing.T) {
	t.Parallel()
	table, set := documentedCookies(t), map[string]bool{}
	seen := func(c *http.Cookie) {
		row, ok := table[c.Name]
		switch {
		case !ok:
			t.Errorf("the cookie %s is not in the table", c.Name)
		case !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != row.sameSite:
			t.Errorf("%s has other attributes than the table states: %s", c.Name, c)
		case strings.HasSuffix(c.Name, "-as") && c.MaxAge == 0 && c.Expires.IsZero():
			set[c.Name] = true
		case c.MaxAge > 0:
			if set[c.Name] = true; time.Duration(c.MaxAge)*time.Second != row.lifetime {
				t.Errorf("%s expires after %d s, the table states %s", c.Name, c.MaxAge, row.lifetime)
			}
		}
	}

	k, ann := NewPages(t, pages.Config{}, Setup{})
	watchCookies(k, seen)
	ann.SignUp(Ann)
	link := k.EmailedLink(t, usher.MessageVerifyEmail)
	_, token := ann.OpenVerifyLink(link)
	ann.Send("/email/verify", "token", token).WantRedirect(t, "/auth/verify?done=1")
	ann.Send("/language", "language", "en", "page", "/auth/account").WantRedirect(t, "/auth/account")
	for range 2 {
		ann.Open("/auth/signin?return_to=/x")
	}
	bob := k.Browser(t)
	bob.SignUp(Bob)
	conflict := "__Host-session=" + ann.Cookies["__Host-session"].Value + "; __Host-session=" + bob.Cookies["__Host-session"].Value
	k.Browser(t).Open("/auth/account", "Cookie", conflict)
	k.ClearRecords()
	ann.Send("/password/reset", "loginId", Ann).WantRedirect(t, "/auth/forgot?sent=1")
	ann.Open(k.EmailedLink(t, usher.MessageResetPassword)).WantRedirect(t, "/auth/reset")
	ann.Open("/auth/reset").WantPage(t, 200)
	k.Invite(Bob)
	ann.Open(k.EmailedLink(t, usher.MessageInvitation)).WantRedirect(t, "/auth/invitation")
	ann.Send("/signout").WantRedirect(t, "/auth/signin")
	w := httptest.NewRecorder() // only a program sets a flash message
	if err := k.Jar.SetFlash(w, httptest.NewRequest(http.MethodGet, "https://app.example/", nil), "saved"); err != nil {
		t.Fatal(err)
	}
	plain := NewKit(t, InCookies, Setup{Jar: func(c *cookies.Config) { c.Plain = true }})
	for _, jar := range []*cookies.Jar{k.Jar, plain.Jar} { // as Handlers.Finish does
		if err := jar.SetImpersonation(w, httptest.NewRequest(http.MethodGet, "https://app.example/", nil), "token", k.Clock.Now().Add(15*time.Minute), "session"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range w.Result().Cookies() {
		seen(c)
	}

	first, visitor := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.ConfirmFirst = true }})
	watchCookies(first, seen)
	visitor.Send("/signup", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/auth/signup?sent=1")

	watchCookies(plain, seen)
	r := httptest.NewRequest(http.MethodPost, "https://app.example/auth/signup", strings.NewReader(SignUpBody(Ann, GoodPassword)))
	r.Header.Set("Content-Type", "application/json")
	plain.Server.ServeHTTP(httptest.NewRecorder(), r) // Kit.Do refuses names without prefix

	for name := range table {
		if !set[name] {
			t.Errorf("no answer sets %s, which is in the table", name)
		}
	}
}
