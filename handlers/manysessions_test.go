package handlers_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	. "github.com/usherkit/usher/internal/webtest"
)

// jars are the kinds of jars, and the cookies of two sessions as they stand in a request.
var jars = map[string]struct {
	jar     func(*cookies.Config)
	cookies func(*testing.T, *Kit) (own, other string)
}{
	"sealed": {nil, func(t *testing.T, k *Kit) (own, other string) {
		return sessionCookie(t, k.SignUp(Ann)), sessionCookie(t, k.SignUp(Bob))
	}},
	"plain": {func(c *cookies.Config) { c.Plain, c.SessionName, c.RefreshName = true, "__Host-DS", "__Host-DSR" }, func(_ *testing.T, k *Kit) (own, other string) {
		own, other = k.SignUp(Ann).Cookie, k.SignUp(Bob).Cookie
		return regexp.MustCompile(`__Host-DS=[^;]+`).FindString(own), regexp.MustCompile(`__Host-DSR=[^;]+`).FindString(other)
	}},
}

// eachJar runs a test with two cookies of different sessions in one request.
func eachJar(t *testing.T, test func(t *testing.T, k *Kit, faults *Faults, own, other string, both []string)) {
	t.Helper()
	t.Parallel()
	for name, c := range jars {
		t.Run(name, func(t *testing.T) {
			faults := NewFaults()
			k := NewKit(t, InCookies, Setup{Jar: c.jar, Store: faults})
			own, other := c.cookies(t, k)
			if own == "" || other == "" {
				t.Fatal("no cookies")
			}
			k.Events.Take()
			test(t, k, faults, own, other, []string{"Cookie", own + "; " + other, "Sec-Fetch-Site", "same-origin"})
		})
	}
}

// wantEnded fails the test unless the sessions of both cookies have ended.
func wantEnded(t *testing.T, k *Kit, own, other string) {
	t.Helper()
	if events := k.Events.Take(); strings.Count(events, "session_ended") != 2 {
		t.Errorf("events are %q, want the end of two sessions", events)
	}
	for _, cookie := range []string{own, other} {
		k.Do(Get("/me", "Cookie", cookie, "Sec-Fetch-Site", "same-origin")).Want(t, 401, "invalid_session")
	}
}

// The cookies are overwritten, so no browser can use their sessions.
func TestSE02_SignInEndsTheSessionOfEachCookie(t *testing.T) {
	eachJar(t, func(t *testing.T, k *Kit, _ *Faults, own, other string, both []string) {
		u := k.Do(Post("/signup", SignUpBody("carl@example.com", GoodPassword), both...)).Want(t, 201, "").Keep(Tokens{})
		wantEnded(t, k, own, other)
		if !k.IsSignedIn(u) {
			t.Error("the new session has ended too")
		}
	})
}

func TestSE02_SignInEndsTheSessionsOfTheCookieAndOfTheBearerToken(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	own := sessionCookie(t, k.SignUp(Ann))
	result, err := k.Service.SignUp(t.Context(), usher.SignUpParams{LoginID: Bob, Password: GoodPassword}, usher.Client{})
	if err != nil {
		t.Fatal(err)
	}
	bearer := "Bearer " + result.Authentication.Tokens.Session.Reveal()
	k.Events.Take()
	k.Do(Post("/signin", SignUpBody(Ann, GoodPassword), "Cookie", own, "Authorization", bearer)).Want(t, 200, "")
	if events := k.Events.Take(); strings.Count(events, "session_ended") != 2 {
		t.Errorf("events are %q, want the end of two sessions", events)
	}
	k.Do(Get("/me", "Authorization", bearer)).Want(t, 401, "invalid_session")
}

func TestSE02_AResetEndsTheSessionOfEachCookie(t *testing.T) {
	eachJar(t, func(t *testing.T, k *Kit, _ *Faults, own, other string, both []string) {
		k.SignUpVerified("carl@example.com")
		raw := k.ResetToken("carl@example.com")
		k.Events.Take()
		k.Do(Post("/password/reset/complete", Object("token", raw, "newPassword", OtherPassword), both...)).Want(t, 200, "")
		k.Events.Take() // the session of Carl has ended too
		for _, cookie := range []string{own, other} {
			k.Do(Get("/me", "Cookie", cookie, "Sec-Fetch-Site", "same-origin")).Want(t, 401, "invalid_session")
		}
	})
}

// The browser loses the cookies. Their sessions end, so a copy of a cookie is useless.
func TestCK09_RejectedSessionsEnd(t *testing.T) {
	for _, q := range []Request{Get("/me"), Get("~/protected"), Post("/session/refresh", "")} {
		t.Run(q.Path, func(t *testing.T) {
			eachJar(t, func(t *testing.T, k *Kit, faults *Faults, own, other string, both []string) {
				faults.Fail(errors.New("gone"))
				a := k.Do(q.With(both...))
				if set := strings.Join(a.Header["Set-Cookie"], "\n"); a.Status < 400 || set != "" {
					t.Errorf("during an outage: %d, and the cookies are removed before their sessions have ended: %s", a.Status, set)
				}
				faults.Fail(nil)
				k.Events.Take()
				k.Do(q.With(both...)).Want(t, 401, "invalid_session")
				wantEnded(t, k, own, other)
			})
		})
	}
}

// A host of the domain sets more cookies than a request may have sessions.
func TestCK09_AFloodOfCookiesHidesNoSessionFromTheSignOut(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	own := sessionCookie(t, k.SignUp(Ann))
	flood := ""
	for i := range 31 {
		flood += fmt.Sprintf("__Host-session=evil%d; ", i)
	}
	k.Do(Post("/signout", "", "Cookie", flood+own, "Sec-Fetch-Site", "same-origin")).Want(t, 200, "")
	k.Do(Get("/me", "Cookie", own, "Sec-Fetch-Site", "same-origin")).Want(t, 401, "invalid_session")
}

// In one tab the user signs in again, which ends the session before. A script of another
// tab has sent a request of that session, and its answer arrives after the sign-in.
func TestCK13_ALateAnswerLeavesTheCookieOfANewerSignIn(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	u := k.SignUp(Ann)
	k.Do(Post("/signin", SignUpBody(Ann, GoodPassword), "Cookie", u.Cookie, "Sec-Fetch-Site", "same-origin")).Want(t, 200, "")
	for _, expired := range []bool{false, true} {
		if expired {
			k.Clock.Add(11 * time.Minute)
		}
		for _, q := range []Request{Get("~/protected"), Get("/me"), Post("/session/refresh", ""), Post("/signout/all", "")} {
			for _, mode := range []string{"cors", "same-origin", "no-cors", ""} {
				a := k.Do(k.As(u, q).With("Sec-Fetch-Mode", mode)).Want(t, 401, "invalid_session")
				if set := strings.Join(a.Header["Set-Cookie"], "\n"); strings.Contains(set, "__Host-session=") {
					t.Errorf("%s, mode %q, token expired is %t: the answer removes the cookie: %s", q.Path, mode, expired, set)
				}
			}
		}
	}
	// The user opens a page, which removes the cookie of the ended session.
	cookieCleared(t, k, k.Do(k.As(u, Get("/me", "Sec-Fetch-Mode", "navigate"))).Want(t, 401, "invalid_session"))
}
