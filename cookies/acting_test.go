package cookies_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/cookies"
)

func TestOP14_ActingIsBesideTheSession(t *testing.T) {
	for name, change := range map[string]func(*cookies.Config){
		"sealed": nil,
		"plain":  func(c *cookies.Config) { c.Plain = true },
		"store":  func(c *cookies.Config) { c.Secret, c.Store = "", fileStore(t) },
		"domain": func(c *cookies.Config) { c.Name, c.Domain = "__Secure-session", "example.com" },
	} {
		jar := newJar(t, change)
		own := set(t, jar, request(), issue(t, "own", 0))
		acting := issue(t, "acting", 0).Session
		w := httptest.NewRecorder()
		if err := jar.SetImpersonation(w, request(own...), acting, start.Add(15*time.Minute), "own"); err != nil {
			t.Fatal(name, err)
		}
		made := w.Result().Cookies()
		if len(made) != 1 || made[0].Name != own[0].Name+"-as" || made[0].Domain != own[0].Domain || made[0].SameSite != own[0].SameSite ||
			!made[0].Secure || !made[0].HttpOnly || made[0].MaxAge != 0 || !made[0].Expires.IsZero() || strings.Contains(made[0].Value, acting.Reveal()) {
			t.Fatalf("%s: the cookies are %v", name, made)
		}
		r := request(append(own, made[0])...)
		session, operator, present := jar.Impersonation(r)
		if pair, _ := jar.Tokens(r); session != acting || operator != "own" || !present || pair.Session == "" {
			t.Errorf("%s: %q %q %t %v", name, session, operator, present, pair)
		}
		if _, _, present := jar.Impersonation(request(own...)); present {
			t.Errorf("%s: present without a cookie", name)
		}
		w = httptest.NewRecorder()
		jar.ClearImpersonation(w, r)
		for _, c := range w.Result().Cookies() {
			if c.Name != made[0].Name && !strings.HasSuffix(c.Name, "ended") {
				t.Errorf("%s: ClearImpersonation changes %s", name, c.Name)
			}
		}
		if !strings.Contains(strings.Join(w.Header()["Set-Cookie"], "\n"), made[0].Name+"=; ") {
			t.Errorf("%s: %q does not delete the cookie", name, w.Header()["Set-Cookie"])
		}
		if name == "store" {
			if session, _, present := jar.Impersonation(r); session != "" || !present {
				t.Errorf("the store keeps the token: %q", session)
			}
		}
		// Two cookies, or one that does not open, are there and give no token.
		for what, other := range map[string]*http.Cookie{"two": made[0], "forged": {Name: made[0].Name, Value: own[0].Value}} {
			r := request(append(own, other)...)
			if what == "two" {
				w := httptest.NewRecorder()
				_ = jar.SetImpersonation(w, request(own...), acting, start.Add(time.Minute), "own")
				again := httptest.NewRecorder()
				_ = jar.SetImpersonation(again, request(own...), acting, start.Add(time.Minute), "own")
				r = request(append(own, w.Result().Cookies()[0], again.Result().Cookies()[0])...)
			}
			if session, _, present := jar.Impersonation(r); session != "" || !present {
				t.Errorf("%s, %s: %q %t", name, what, session, present)
			}
		}
		for _, err := range []error{
			jar.SetImpersonation(w, request(), acting, start, "own"), jar.SetImpersonation(w, request(), "", start.Add(time.Minute), "own"),
			jar.SetImpersonation(w, request(), acting, start.Add(time.Minute), ""),
		} {
			if !errors.Is(err, cookies.ErrExpired) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	_, err := cookies.New(cookies.Config{Secret: secret, Plain: true, SessionName: "a", RefreshName: "a-as"})
	if err == nil || !strings.Contains(err.Error(), "RefreshName") {
		t.Errorf("the name of another cookie: %v", err)
	}
	if err := newJar(t, nil).SetImpersonation(httptest.NewRecorder(), request(), issue(t, "s", 150).Session, start.Add(time.Minute), "own"); !errors.Is(err, cookies.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}
