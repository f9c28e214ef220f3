package cookies_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/token"
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

// Another host of the domain sets cookies of the name. They neither count nor hide the one of
// the operator. One that was set beside the session counts also if it does not open.
func TestOP21_JunkIsNoImpersonation(t *testing.T) {
	for name, change := range map[string]func(*cookies.Config){
		"sealed": func(c *cookies.Config) { c.Name = "session" },
		"plain":  func(c *cookies.Config) { c.Plain = true },
		"store":  func(c *cookies.Config) { c.Name, c.Secret, c.Store = "session", "", fileStore(t) },
		"domain": func(c *cookies.Config) { c.Name, c.Domain = "__Secure-session", "example.com" },
	} {
		jar := newJar(t, change)
		own, other := set(t, jar, request(), issue(t, "own", 0)), set(t, jar, request(), issue(t, "other", 0))
		acting := issue(t, "acting", 0).Session
		begin := func() *http.Cookie {
			w := httptest.NewRecorder()
			if err := jar.SetImpersonation(w, request(own...), acting, start.Add(15*time.Minute), "own"); err != nil {
				t.Fatal(name, err)
			}
			return w.Result().Cookies()[0]
		}
		made := begin()
		tag, sealed, _ := strings.Cut(made.Value, ".")
		value := func(s string) *http.Cookie { return &http.Cookie{Name: made.Name, Value: s} }
		junk := []*http.Cookie{value(own[0].Value), value("junk"), value("junk." + sealed[:len(sealed)-9]), value("")}
		for i := range 40 {
			junk = append(junk, value(fmt.Sprint("junk", i)))
		}
		none := sha256.Sum256([]byte("acting ")) // the tag of no session is known
		for what, c := range map[string]struct {
			cookies []*http.Cookie
			session token.Secret
			present bool
		}{
			"junk":                           {junk[:1], "", false},
			"much junk":                      {junk, "", false},
			"junk without a session":         {append(junk[:1:1], value(base64.RawURLEncoding.EncodeToString(none[:16])+".x")), "", false},
			"its own":                        {[]*http.Cookie{made}, acting, true},
			"its own after junk":             {append(junk[:len(junk):len(junk)], made), acting, true},
			"its own before junk":            {append([]*http.Cookie{made}, junk...), acting, true},
			"the same twice":                 {[]*http.Cookie{made, made}, acting, true},
			"two of its own":                 {[]*http.Cookie{made, begin()}, "", true},
			"its own, which does not open":   {[]*http.Cookie{value(tag + "." + sealed[:len(sealed)-9])}, "", true},
			"its own, cut off after the tag": {[]*http.Cookie{value(tag + ".")}, "", true},
			"of an earlier version":          {[]*http.Cookie{value(sealed)}, acting, true},
		} {
			r := request(append(c.cookies, own...)...)
			if what == "junk without a session" {
				r = request(c.cookies...)
			}
			if session, _, present := jar.Impersonation(r); session != c.session || present != c.present {
				t.Errorf("%s, %s: %q %t", name, what, session, present)
			}
		}
		// It stays that of the operator's session, which the caller compares.
		for _, beside := range [][]*http.Cookie{other, nil} {
			if session, operator, present := jar.Impersonation(request(append(beside, made)...)); session != acting || operator != "own" || !present {
				t.Errorf("%s, beside %v: %q %q %t", name, beside, session, operator, present)
			}
		}
	}
}

// Many cookies of one request cost little, and keep no stored session alive.
func TestOP21_ManyCookiesAreNotCompared(t *testing.T) {
	begin := func(change func(*cookies.Config)) (jar *cookies.Jar, made *http.Cookie, with func(n int, format string) *http.Request) {
		jar = newJar(t, change)
		own := set(t, jar, request(), issue(t, "own", 0))
		w := httptest.NewRecorder()
		if err := jar.SetImpersonation(w, request(own...), issue(t, "acting", 0).Session, start.Add(15*time.Minute), "own"); err != nil {
			t.Fatal(err)
		}
		made = w.Result().Cookies()[0]
		return jar, made, func(n int, format string) *http.Request {
			r := request(own...)
			text := []byte(r.Header.Get("Cookie"))
			for i := range n {
				text = fmt.Appendf(text, ";%s="+format, made.Name, i)
			}
			r.Header.Set("Cookie", string(text))
			return r
		}
	}
	jar, made, with := begin(func(c *cookies.Config) { c.Plain = true })
	tag, _, _ := strings.Cut(made.Value, ".")
	// Comparing each with each took seconds for the mebibyte of headers that net/http accepts.
	few, many := with(100, tag+".%06x"), with(10_000, tag+".%06x")
	allocated := func(r *http.Request) float64 {
		return testing.AllocsPerRun(1, func() {
			if session, _, present := jar.Impersonation(r); session != "" || !present {
				t.Errorf("%q %t, want none of several", session, present)
			}
		})
	}
	if a, b := allocated(few), allocated(many); b > a+50 {
		t.Errorf("%.0f allocations for 100 cookies, %.0f for 10,000", a, b)
	}

	jar, made, with = begin(func(c *cookies.Config) { c.Name, c.Secret, c.Store = "session", "", fileStore(t) })
	r := with(40, "junk%d")
	r.Header.Set("Cookie", r.Header.Get("Cookie")+";"+made.Name+"="+made.Value)
	jar.ClearImpersonation(httptest.NewRecorder(), r)
	if session, _, present := jar.Impersonation(r); session != "" || !present {
		t.Errorf("after ClearImpersonation beside junk the store has %q, %t", session, present)
	}
}
