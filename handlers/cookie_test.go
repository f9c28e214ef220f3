package handlers_test

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/token"
)

func TestCK04_NoTokenInABody(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{service: func(c *usher.Config) { c.ResetSignsIn = true }})
	a := k.do(post("/signup", signUpBody(ann, goodPassword))).want(t, 201, "")
	u := a.keep(who{})
	answers := []*reply{
		a, k.do(post("/signin", signUpBody(ann, goodPassword))), k.do(k.refresh(u)), k.do(k.as(u, get("/me"))), k.do(k.as(u, get("/sessions"))),
		k.do(k.as(u, post("/password/update", object("newPassword", otherPassword)))),
		k.do(post("/password/replace", object("loginId", ann, "oldPassword", otherPassword, "newPassword", goodPassword))),
		k.do(post("/password/reset/complete", object("token", k.resetToken(ann), "newPassword", thirdPassword))),
	}
	for _, a := range answers {
		if a.status >= 300 {
			t.Fatalf("answer is %d %s", a.status, a.body)
		}
		for _, part := range []string{"sessionToken", "refreshToken", "expiresIn", "eyJ"} {
			if strings.Contains(string(a.body), part) {
				t.Errorf("the body has %s: %s", part, a.body)
			}
		}
	}
}

func TestCK05_CookieSaysNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{})
	a := k.do(post("/signup", signUpBody(ann, goodPassword))).want(t, 201, "")
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		plain, err := base64.URLEncoding.DecodeString(c.Value)
		if err != nil {
			plain, _ = base64.RawURLEncoding.DecodeString(c.Value)
		}
		for _, id := range []string{a.text("user.id"), a.text("session.id"), ann} {
			if strings.Contains(string(plain), id) || strings.Contains(c.Value, id) {
				t.Errorf("the cookie %s shows %s", c.Name, id)
			}
		}
	}
}

func TestCK06_SpoiltCookiesAreNoSession(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{})
	u := k.signUp(ann)
	name, value, _ := strings.Cut(sessionCookie(t, u), "=")
	flipped := []byte(value)
	flipped[len(flipped)/2] ^= 1
	for what, cookie := range map[string]string{
		"flipped": name + "=" + string(flipped), "long": name + "=" + strings.Repeat("A", 5000), "doubled": name + "=evil; " + name + "=" + value,
		"doubled after": name + "=" + value + "; " + name + "=evil", "empty": name + "=", "rubbish": name + "=%%%",
	} {
		for _, q := range []request{get("/me"), get("~/protected"), post("/session/refresh", ""), post("/password/update", "{}"), post("/signout/all", "")} {
			if a := k.do(q.with("Cookie", cookie, "Sec-Fetch-Site", "same-origin")); a.status != 401 {
				t.Errorf("%s, %s: status is %d, want 401", what, q.path, a.status)
			}
		}
		k.do(post("/signout", "", "Cookie", cookie, "Sec-Fetch-Site", "same-origin")).want(t, 200, "")
		k.do(post("/signin", signUpBody(ann, goodPassword), "Cookie", cookie, "Sec-Fetch-Site", "same-origin")).want(t, 200, "")
	}
}

func TestCK07_TooLargeFailsLoudly(t *testing.T) {
	t.Parallel()
	large, noise := false, ""
	for len(noise) < 4000 { // which no compression makes smaller
		noise += rand.Text()
	}
	k := newKit(t, inCookies, setup{service: func(c *usher.Config) {
		c.Claims = func(_ ctx, _ usher.User) (map[string]any, error) {
			if large {
				return map[string]any{"x": noise}, nil
			}
			return nil, nil
		}
	}})
	u, other := k.signUp(ann), k.signIn(ann, goodPassword)
	large = true
	for _, q := range []request{
		post("/signin", signUpBody(ann, goodPassword)), post("/signup", signUpBody(bob, goodPassword)), k.refresh(u),
		k.as(other, post("/password/update", object("newPassword", otherPassword))),
	} {
		a := k.do(q).want(t, 500, "internal")
		for _, line := range a.header["Set-Cookie"] {
			if strings.HasPrefix(line, "__Host-session=") && !strings.HasPrefix(line, "__Host-session=;") {
				t.Errorf("%s: a session cookie is set", q.path)
			}
		}
		if !strings.Contains(k.logs.String(), "too large") {
			t.Errorf("%s: the log does not say why", q.path)
		}
		k.logs.Reset()
	}
	// Nothing lives that nobody could end.
	list, err := k.store.UserSessions(t.Context(), k.userID(bob), k.clock.now())
	if err != nil || len(list) != 0 {
		t.Errorf("%d sessions live, %v", len(list), err)
	}
}

func TestCK08_SignOutClearsTheBrowser(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{})
	k.signUp(ann)
	for _, path := range []string{"/signout", "/signout/all"} {
		u := k.signIn(ann, goodPassword)
		a := k.do(k.as(u, post(path, ""))).want(t, 200, "")
		if got := a.header.Get("Clear-Site-Data"); got != `"cookies", "storage"` {
			t.Errorf("%s: Clear-Site-Data is %q", path, got)
		}
		c, err := http.ParseSetCookie(strings.Join(a.header["Set-Cookie"], ""))
		if err != nil || c.Name != "__Host-session" || c.MaxAge >= 0 || c.Value != "" || c.Path != "/" || c.Domain != "" {
			t.Errorf("%s: cookie is %v, %v", path, c, err)
		}
	}
	// A program's bearer token is no browser's.
	if a := k.do(post("/signout", "")); a.header.Get("Clear-Site-Data") != "" {
		t.Error("Clear-Site-Data without a cookie")
	}
	// Plain cookies are cleared as they were set.
	k = newKit(t, inCookies, setup{jar: func(c *cookies.Config) {
		c.Plain, c.Secret, c.SessionName, c.RefreshName = true, secret, "__Host-DS", "__Host-DSR"
	}})
	u := k.signUp(ann)
	a := k.do(k.as(u, post("/signout", ""))).want(t, 200, "")
	if n := len(a.header["Set-Cookie"]); n != 2 || strings.Count(strings.Join(a.header["Set-Cookie"], ""), "Max-Age=0") != 2 {
		t.Errorf("Set-Cookie is %v", a.header["Set-Cookie"])
	}
}

func TestSI04_TheOwnersBrowserIsNotHeldUp(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{})
	u := k.signUp(ann)
	for range 7 {
		k.do(post("/signin", signUpBody(ann, otherPassword)))
	}
	k.do(post("/signin", signUpBody(ann, goodPassword))).want(t, 429, "too_many_requests")
	k.do(post("/signin", signUpBody(ann, goodPassword), "Cookie", u.cookie)).want(t, 200, "")
}

// brokenJar is a jar of which one part fails.
type brokenJar struct {
	*cookies.Jar
	tokens, device error
}

func (j brokenJar) SetTokens(w http.ResponseWriter, r *http.Request, pair token.Pair) error {
	if j.tokens != nil {
		return j.tokens
	}
	return j.Jar.SetTokens(w, r, pair)
}

func (j brokenJar) SetDevice(w http.ResponseWriter, r *http.Request, device token.Secret) error {
	if j.device != nil {
		return j.device
	}
	return j.Jar.SetDevice(w, r, device)
}

func TestASignInWithoutDeviceCookieSucceeds(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{config: func(c *handlers.Config) {
		c.Cookies = brokenJar{Jar: c.Cookies.(*cookies.Jar), device: errors.New("full")}
	}})
	a := k.do(post("/signup", signUpBody(ann, goodPassword))).want(t, 201, "")
	if !strings.Contains(strings.Join(a.header["Set-Cookie"], ""), "__Host-session=") || !strings.Contains(k.logs.String(), "device cookie") {
		t.Errorf("Set-Cookie is %v", a.header["Set-Cookie"])
	}
}

func TestADeadSessionLosesItsCookieAndAnOutageDoesNot(t *testing.T) {
	t.Parallel()
	faults := newFaults()
	k := newKit(t, inCookies, setup{store: faults})
	u := k.signUp(ann)
	faults.fail(errors.New("gone"))
	for _, q := range []request{k.refresh(u), k.as(u, post("/signout", "")), k.as(u, get("/me")), k.as(u, post("/signout/all", ""))} {
		a := k.do(q).want(t, 503, "unavailable")
		noCookie(t, k, a)
	}
	// Validation alone needs no store.
	k.do(k.as(u, get("~/protected"))).want(t, 200, "")
	faults.fail(nil)
	k.do(k.refresh(u)).want(t, 200, "")

	other := k.signIn(ann, goodPassword)
	k.do(k.as(other, post("/signout/all", ""))).want(t, 200, "")
	cookieCleared(t, k, k.do(k.refresh(u)).want(t, 401, "invalid_session"))
	cookieCleared(t, k, k.do(k.as(u, get("/me"))).want(t, 401, "invalid_session"))
	k.clock.add(11 * time.Minute)
	cookieCleared(t, k, k.do(k.as(u, get("/me"))).want(t, 401, "invalid_session"))
}

// sessionCookie is the pair of the session cookie.
func sessionCookie(t *testing.T, u who) string {
	t.Helper()
	for _, pair := range strings.Split(u.cookie, "; ") {
		if strings.HasPrefix(pair, "__Host-session=") {
			return pair
		}
	}
	t.Fatal("there is no session cookie")
	return ""
}
