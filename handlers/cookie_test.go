package handlers_test

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	. "github.com/usherkit/usher/internal/webtest"
)

func TestCK04_NoTokenInABody(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{Service: func(c *usher.Config) { c.ResetSignsIn = true }})
	a := k.Do(Post("/signup", SignUpBody(Ann, GoodPassword))).Want(t, 201, "")
	u := a.Keep(Tokens{})
	answers := []*Reply{
		a, k.Do(Post("/signin", SignUpBody(Ann, GoodPassword))), k.Do(k.Refresh(u)), k.Do(k.As(u, Get("/me"))), k.Do(k.As(u, Get("/sessions"))),
		k.Do(k.As(u, Post("/password/update", Object("newPassword", OtherPassword)))),
		k.Do(Post("/password/replace", Object("loginId", Ann, "oldPassword", OtherPassword, "newPassword", GoodPassword))),
		k.Do(Post("/password/reset/complete", Object("token", k.ResetToken(Ann), "newPassword", ThirdPassword))),
	}
	for _, a := range answers {
		if a.Status >= 300 {
			t.Fatalf("answer is %d %s", a.Status, a.Body)
		}
		for _, part := range []string{"sessionToken", "refreshToken", "expiresIn", "eyJ"} {
			if strings.Contains(string(a.Body), part) {
				t.Errorf("the body has %s: %s", part, a.Body)
			}
		}
	}
}

func TestCK05_TheCookieRevealsNothing(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	a := k.Do(Post("/signup", SignUpBody(Ann, GoodPassword))).Want(t, 201, "")
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		plain, err := base64.URLEncoding.DecodeString(c.Value)
		if err != nil {
			plain, _ = base64.RawURLEncoding.DecodeString(c.Value)
		}
		for _, id := range []string{a.Text("user.id"), a.Text("session.id"), Ann} {
			if strings.Contains(string(plain), id) || strings.Contains(c.Value, id) {
				t.Errorf("the cookie %s shows %s", c.Name, id)
			}
		}
	}
}

func TestCK06_SpoiltCookiesAreNoSession(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	u := k.SignUp(Ann)
	name, value, _ := strings.Cut(sessionCookie(t, u), "=")
	flipped := []byte(value)
	flipped[len(flipped)/2] ^= 1
	for what, cookie := range map[string]string{
		"flipped": name + "=" + string(flipped), "long": name + "=" + strings.Repeat("A", 5000), "doubled": name + "=evil; " + name + "=x", "empty": name + "=", "rubbish": name + "=%%%",
	} {
		for _, q := range []Request{Get("/me"), Get("~/protected"), Post("/session/refresh", ""), Post("/password/update", "{}"), Post("/signout/all", "")} {
			if a := k.Do(q.With("Cookie", cookie, "Sec-Fetch-Site", "same-origin")); a.Status != 401 {
				t.Errorf("%s, %s: status is %d, want 401", what, q.Path, a.Status)
			}
		}
		k.Do(Post("/signout", "", "Cookie", cookie, "Sec-Fetch-Site", "same-origin")).Want(t, 200, "")
		k.Do(Post("/signin", SignUpBody(Ann, GoodPassword), "Cookie", cookie, "Sec-Fetch-Site", "same-origin")).Want(t, 200, "")
	}
}

func TestCK09_OneCookieThatOpensIsTheSession(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	own, other := sessionCookie(t, k.SignUp(Ann)), sessionCookie(t, k.SignUp(Bob))
	for _, cookie := range []string{"__Host-session=evil; " + own, own + "; __Host-session=evil"} {
		for _, path := range []string{"/me", "~/protected"} {
			k.Do(Get(path, "Cookie", cookie, "Sec-Fetch-Site", "same-origin")).Want(t, 200, "")
		}
	}
	for _, cookie := range []string{own + "; " + other, other + "; " + own} {
		for _, q := range []Request{Get("/me"), Get("~/protected"), Post("/session/refresh", ""), Post("/signout/all", "")} {
			a := k.Do(q.With("Cookie", cookie, "Sec-Fetch-Site", "same-origin")).Want(t, 401, "invalid_session")
			if set := strings.Join(a.Header["Set-Cookie"], "\n"); !strings.Contains(set, "__Host-session=; Path=/; Expires=Thu, 01 Jan 1970") {
				t.Errorf("%s: the cookies stay: %s", q.Path, set)
			}
		}
	}
}

// A host of the same domain that sets a second session cookie must not keep the user
// from signing out.
func TestCK09_SignOutEndsTheSessionOfEachCookie(t *testing.T) {
	t.Parallel()
	sealed := func(t *testing.T, k *Kit) (own, other string) {
		return sessionCookie(t, k.SignUp(Ann)), sessionCookie(t, k.SignUp(Bob))
	}
	plain := func(t *testing.T, k *Kit) (own, other string) {
		own, other = k.SignUp(Ann).Cookie, k.SignUp(Bob).Cookie
		session := regexp.MustCompile(`__Host-DS=[^;]+`).FindString(own)
		refresh := regexp.MustCompile(`__Host-DSR=[^;]+`).FindString(other)
		if session == "" || refresh == "" {
			t.Fatalf("the cookies are %q", own)
		}
		return session, refresh
	}
	for name, c := range map[string]struct {
		jar     func(*cookies.Config)
		cookies func(*testing.T, *Kit) (own, other string)
	}{
		"two sealed cookies":                      {nil, sealed},
		"plain tokens of one user and of another": {func(c *cookies.Config) { c.Plain, c.SessionName, c.RefreshName = true, "__Host-DS", "__Host-DSR" }, plain},
	} {
		t.Run(name, func(t *testing.T) {
			k := NewKit(t, InCookies, Setup{Jar: c.jar})
			own, other := c.cookies(t, k)
			both := []string{"Cookie", own + "; " + other, "Sec-Fetch-Site", "same-origin"}
			k.Events.Take()
			k.Do(Post("/signout", "", both...)).Want(t, 200, "")
			if n := strings.Count(k.Events.Take(), "session_ended:signed_out"); n != 2 {
				t.Errorf("%d sessions ended, want both", n)
			}
			for _, cookie := range []string{own, other} {
				k.Do(Get("/me", "Cookie", cookie, "Sec-Fetch-Site", "same-origin")).Want(t, 401, "invalid_session")
			}
		})
	}
}

func TestCK07_ATooLargeCookieIsAnError(t *testing.T) {
	t.Parallel()
	large, noise := false, ""
	for len(noise) < 4000 { // random text, which cannot be compressed
		noise += rand.Text()
	}
	k := NewKit(t, InCookies, Setup{Service: func(c *usher.Config) {
		c.Claims = func(_ Ctx, _ usher.User) (map[string]any, error) {
			if large {
				return map[string]any{"x": noise}, nil
			}
			return nil, nil
		}
	}})
	u, other := k.SignUp(Ann), k.SignIn(Ann, GoodPassword)
	large = true
	for _, q := range []Request{
		Post("/signin", SignUpBody(Ann, GoodPassword)), Post("/signup", SignUpBody(Bob, GoodPassword)), k.Refresh(u),
		k.As(other, Post("/password/update", Object("newPassword", OtherPassword))),
	} {
		a := k.Do(q).Want(t, 500, "internal")
		for _, line := range a.Header["Set-Cookie"] {
			if strings.HasPrefix(line, "__Host-session=") && !strings.HasPrefix(line, "__Host-session=;") {
				t.Errorf("%s: a session cookie is set", q.Path)
			}
		}
		if !strings.Contains(k.Logs.String(), "too large") {
			t.Errorf("%s: the log does not say why", q.Path)
		}
		k.Logs.Take()
	}
	// No session was started whose cookie could not be set.
	if _, err := k.Service.Operator("test").UserByLoginID(t.Context(), Bob); !errors.Is(err, usher.ErrNotFound) {
		t.Errorf("the user of the failed sign-up: %v", err)
	}
	list, err := k.Store.UserSessions(t.Context(), k.UserID(Ann), k.Clock.Now())
	if err != nil || len(list) != 2 {
		t.Errorf("%d sessions live, %v", len(list), err)
	}
}

func TestCK08_SignOutClearsTheBrowser(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	k.SignUp(Ann)
	for _, path := range []string{"/signout", "/signout/all"} {
		u := k.SignIn(Ann, GoodPassword)
		a := k.Do(k.As(u, Post(path, ""))).Want(t, 200, "")
		if got := a.Header.Get("Clear-Site-Data"); got != "" {
			t.Errorf("%s: Clear-Site-Data is %q: it takes what belongs to other programs of the site", path, got)
		}
		for _, line := range a.Header["Set-Cookie"] {
			c, err := http.ParseSetCookie(line)
			switch {
			case err != nil:
				t.Errorf("%s: %v", path, err)
			case c.Name == "__Host-ended": // for the back button of Chromium
			case c.Name != "__Host-session" || c.MaxAge >= 0 || c.Value != "" || c.Path != "/" || c.Domain != "":
				t.Errorf("%s: cookie is %v", path, c)
			}
		}
		if lines := strings.Join(a.Header["Set-Cookie"], "\n"); !strings.Contains(lines, "__Host-session=;") || !strings.Contains(lines, "__Host-ended=;") {
			t.Errorf("%s: cookies are %s", path, lines)
		}
	}
	if a := k.Do(Post("/signout", "")).Want(t, 200, ""); len(a.Header["Set-Cookie"]) > 0 {
		t.Errorf("without a session cookie, Set-Cookie is %q", a.Header["Set-Cookie"])
	}
	// Plain cookies are cleared with the attributes that they were set with.
	k = NewKit(t, InCookies, Setup{Jar: func(c *cookies.Config) {
		c.Plain, c.Secret, c.SessionName, c.RefreshName = true, Secret, "__Host-DS", "__Host-DSR"
	}})
	u := k.SignUp(Ann)
	a := k.Do(k.As(u, Post("/signout", ""))).Want(t, 200, "")
	if n := len(a.Header["Set-Cookie"]); n != 4 || strings.Count(strings.Join(a.Header["Set-Cookie"], ""), "Max-Age=0") != 3 {
		t.Errorf("Set-Cookie is %v", a.Header["Set-Cookie"])
	}
}

func TestSI04_TheOwnersBrowserIsNotBlocked(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	u := k.SignUp(Ann)
	for range 7 {
		k.Do(Post("/signin", SignUpBody(Ann, OtherPassword)))
	}
	k.Do(Post("/signin", SignUpBody(Ann, GoodPassword))).Want(t, 429, "too_many_requests")
	k.Do(Post("/signin", SignUpBody(Ann, GoodPassword), "Cookie", u.Cookie)).Want(t, 200, "")
}

// withStore keeps the sessions of the jar in a store that runs save before it saves.
func withStore(save func(name string) error) func(*cookies.Config) {
	return func(c *cookies.Config) {
		c.Secret, c.Store = "", storeFunc{sessions.NewCookieStore([]byte(Secret)), save}
	}
}

type storeFunc struct {
	*sessions.CookieStore
	save func(name string) error
}

func (s storeFunc) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	if err := s.save(session.Name()); err != nil {
		return err
	}
	return s.CookieStore.Save(r, w, session)
}

func TestASignInWithoutDeviceCookieSucceeds(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{Jar: withStore(func(name string) error {
		if name == "__Host-device" {
			return errors.New("full")
		}
		return nil
	})})
	a := k.Do(Post("/signup", SignUpBody(Ann, GoodPassword))).Want(t, 201, "")
	if !strings.Contains(strings.Join(a.Header["Set-Cookie"], ""), "__Host-session=") || !strings.Contains(k.Logs.String(), "device cookie") {
		t.Errorf("Set-Cookie is %v", a.Header["Set-Cookie"])
	}
}

func TestAnEndedSessionLosesItsCookieAndAnOutageDoesNot(t *testing.T) {
	t.Parallel()
	faults := NewFaults()
	k := NewKit(t, InCookies, Setup{Store: faults})
	u := k.SignUp(Ann)
	faults.Fail(errors.New("gone"))
	for _, q := range []Request{k.Refresh(u), k.As(u, Post("/signout", "")), k.As(u, Get("/me")), k.As(u, Post("/signout/all", ""))} {
		a := k.Do(q).Want(t, 503, "unavailable")
		noCookie(t, k, a)
	}
	// Validation needs no store.
	k.Do(k.As(u, Get("~/protected"))).Want(t, 200, "")
	faults.Fail(nil)
	k.Do(k.Refresh(u)).Want(t, 200, "")

	other := k.SignIn(Ann, GoodPassword)
	k.Do(k.As(other, Post("/signout/all", ""))).Want(t, 200, "")
	const mode, page = "Sec-Fetch-Mode", "navigate"
	cookieCleared(t, k, k.Do(k.Refresh(u).With(mode, page)).Want(t, 401, "invalid_session"))
	cookieCleared(t, k, k.Do(k.As(u, Get("/me", mode, page))).Want(t, 401, "invalid_session"))
	k.Clock.Add(11 * time.Minute)
	cookieCleared(t, k, k.Do(k.As(u, Get("/me", mode, page))).Want(t, 401, "invalid_session"))
}

// sessionCookie returns the name and value of the session cookie.
func sessionCookie(t *testing.T, u Tokens) string {
	t.Helper()
	for _, pair := range strings.Split(u.Cookie, "; ") {
		if strings.HasPrefix(pair, "__Host-session=") {
			return pair
		}
	}
	t.Fatal("there is no session cookie")
	return ""
}

// After a change of the password no browser is known, except the one that changed
// it, which gets a new device cookie.
func TestSI04_AChangeOfThePasswordKeepsTheBrowserKnown(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	u := k.SignUp(Ann)
	a := k.Do(k.As(u, Post("/password/update", Object("newPassword", OtherPassword)))).Want(t, 200, "")
	if set := strings.Join(a.Header["Set-Cookie"], "\n"); !strings.Contains(set, "__Host-device=") {
		t.Errorf("cookies set are %s", set)
	}
}

// A program may set the field of its CDN on every response, before the handlers run.
func TestCK12_NoCDNStoresAnAnswerOfTheMount(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	inner := k.Server
	k.Server = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("CDN-Cache-Control", "max-age=600")
		inner.ServeHTTP(w, r)
	})
	for _, q := range []Request{Post("/signup", SignUpBody(Ann, GoodPassword)), Post("/signin", SignUpBody(Ann, GoodPassword)), Get("/me"), Get("/nowhere")} {
		if a := k.Do(q); a.Header.Get("CDN-Cache-Control") != "" {
			t.Errorf("%s: CDN-Cache-Control is %q", q.Path, a.Header.Get("CDN-Cache-Control"))
		}
	}
}
