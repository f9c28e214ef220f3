package pages_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/cookies"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store/memory"
)

const (
	saysConflict = "Your browser sent several different sessions, so none of them was used."
	saysLoop     = "You signed in, but the page you opened didn’t receive your session."
)

// direct is a RoundTripper that calls a handler.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	r.RequestURI = r.URL.RequestURI()
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

// onDomain returns pages whose session cookie has that name and Domain.
func onDomain(t *testing.T, st *memory.Store, name, domain string) *Kit {
	t.Helper()
	k, _ := NewPages(t, pages.Config{}, Setup{Store: st, Jar: func(c *cookies.Config) {
		c.Name, c.Domain, c.Now = name, domain, time.Now
	}})
	k.Clock.Add(time.Since(k.Clock.Now())) // package cookiejar uses the real clock
	return k
}

// visitor is a browser with a cookie jar, at www.app.example.
type visitor struct {
	t *testing.T
	*http.Client
}

func newVisitor(t *testing.T) visitor {
	jar, _ := cookiejar.New(nil)
	return visitor{t, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// ask sends a request to a kit. A form makes it a POST.
func (v visitor) ask(k *Kit, path string, form ...string) View {
	v.t.Helper()
	method := http.MethodGet
	if len(form) > 0 {
		method = http.MethodPost
	}
	r, err := http.NewRequest(method, "https://www.app.example"+path, strings.NewReader(Form(form...)))
	if err != nil {
		v.t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Content-Type": "application/x-www-form-urlencoded",
	} {
		r.Header.Set(name, value)
	}
	v.Transport = direct{k.Server}
	resp, err := v.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return View{Status: resp.StatusCode, Header: resp.Header, Body: string(body), Location: resp.Header.Get("Location")}
}

func TestCK10_SignInWorksAfterAChangeOfTheCookie(t *testing.T) {
	for name, change := range map[string][2][2]string{
		"domain added":   {{"__Secure-session", ""}, {"__Secure-session", "app.example"}},
		"domain removed": {{"__Secure-session", "app.example"}, {"__Secure-session", ""}},
		"name":           {{"__Host-session", ""}, {"__Secure-session", "app.example"}},
	} {
		st := memory.New()
		before, after := onDomain(t, st, change[0][0], change[0][1]), onDomain(t, st, change[1][0], change[1][1])
		v := newVisitor(t)
		v.ask(before, "/auth/signup", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
		for i, k := range []*Kit{after, after, before, after} { // a rollback, too
			v.ask(k, "/auth/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
			if got := v.ask(k, "/protected"); got.Status != 200 {
				t.Errorf("%s: after sign-in %d the page is %d to %q", name, i+1, got.Status, got.Location)
			}
		}
		v.ask(after, "/auth/signout", "x", "y").WantRedirect(t, "/auth/signin")
		v.ask(after, "/protected").WantRedirect(t, "/auth/signin?return_to=%2Fprotected")
	}
}

// Two cookies of different sessions, one of which another host of the domain may have
// set.
func TestCK09_TheSignInPageSaysThatTheSessionsDiffer(t *testing.T) {
	k := onDomain(t, memory.New(), "__Secure-session", "app.example")
	site := &url.URL{Scheme: "https", Host: "www.app.example", Path: "/"}
	value := func(v visitor) string {
		for _, c := range v.Jar.Cookies(site) {
			if c.Name == "__Secure-session" {
				return c.Value
			}
		}
		return ""
	}
	mallory := newVisitor(t)
	mallory.ask(k, "/auth/signup", "loginId", Bob, "password", GoodPassword)
	for _, first := range []string{"/protected", "/auth/signin"} {
		v := newVisitor(t)
		v.ask(k, "/auth/signup", "loginId", first[1:5]+Ann, "password", GoodPassword).WantRedirect(t, "/")
		v.Jar.SetCookies(site, []*http.Cookie{{Name: "__Secure-session", Value: value(mallory), Path: "/"}})
		got := v.ask(k, first)
		if first == "/protected" {
			got.WantRedirect(t, "/auth/signin?return_to=%2Fprotected")
		} else {
			got.WantPage(t, 200, saysConflict)
		}
		if value(v) != "" {
			t.Errorf("%s leaves a session cookie", first)
		}
		v.ask(k, "/auth/signin").WantPage(t, 200, saysConflict)
		v.ask(k, "/auth/signin", "loginId", first[1:5]+Ann, "password", GoodPassword, "return_to", "/protected").WantRedirect(t, "/protected")
		if got := v.ask(k, "/protected"); got.Status != 200 {
			t.Errorf("after the sign-in the page is %d", got.Status)
		}
		v.ask(k, "/auth/signout", "x", "y")
		if got := v.ask(k, "/auth/signin").WantPage(t, 200); strings.Contains(got.Body, saysConflict) {
			t.Error("the page still says so after a sign-in")
		}
	}
	if n := strings.Count(k.Logs.String(), "several session cookies belong to different sessions"); n != 1 {
		t.Errorf("the log says so %d times in a minute, want once", n)
	}
}

// The browser loses the session cookie, or sends it to some paths only.
func TestCK11_ASignInThatLeadsBackToItselfSaysSo(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	logged := func() int { return strings.Count(k.Logs.String(), "was led back to the sign-in page") }
	const back = "/auth/signin?return_to=%2Fprotected"
	lost := func() {
		t.Helper()
		delete(b.Cookies, "__Host-session")
		b.Open("/protected").WantRedirect(t, back)
	}
	lost()
	b.Open(back).WantPage(t, 200, saysLoop)
	if logged() != 1 {
		t.Errorf("the log says so %d times, want once", logged())
	}
	// A link of another site: browsers do not send a strict cookie with it.
	if v := b.Open(back, "Sec-Fetch-Site", "cross-site").WantPage(t, 200); strings.Contains(v.Body, saysLoop) {
		t.Error("the page says so after a link of another site")
	}
	// A session that has ended is no loop.
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
	b.Send("/signout")
	b.Open("/protected").WantRedirect(t, back)
	if v := b.Open(back).WantPage(t, 200, "Sign in to continue."); strings.Contains(v.Body, saysLoop) {
		t.Error("the page says so after a sign-out")
	}
	// Later, nobody remembers the sign-in.
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
	k.Clock.Add(11 * time.Minute)
	lost()
	if v := b.Open(back).WantPage(t, 200); strings.Contains(v.Body, saysLoop) {
		t.Error("the page says so after eleven minutes")
	}
	if logged() != 1 {
		t.Errorf("the log says so %d times, want once", logged())
	}
}

// A browser that keeps no cookies reads why, once for each sign-in. One that keeps them is led on.
func TestCK11_ABrowserThatKeepsNoCookiesReadsWhy(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	const check, says = "/auth/signin?check=1&return_to=%2Fprotected", "this browser didn’t keep this site’s cookie"
	logged := func() int { return strings.Count(k.Logs.String(), "kept no cookie after a sign-in") }
	form := Form("loginId", Ann, "password", GoodPassword, "return_to", "/protected")
	for _, dest := range []string{"document", "iframe"} {
		k.Clock.Add(time.Minute)
		before := logged()
		k.Browser(t).Do("POST", "/auth/signin", form, "Sec-Fetch-Dest", dest).WantRedirect(t, check)
		if v := k.Browser(t).Open(check).WantPage(t, 200, says); !strings.Contains(v.Body, `name="return_to" value="/protected"`) {
			t.Error("the form loses the page to which the sign-in leads")
		}
		if n := logged() - before; n != 1 {
			t.Errorf("the log says so %d times, want once", n)
		}
	}
	fresh := k.Browser(t)
	fresh.Do("POST", "/auth/signin", form, "Sec-Fetch-Dest", "document").WantRedirect(t, check)
	fresh.Open(check).WantRedirect(t, "/protected")
	// A known browser needs no check, and a redirect that another site began can show nothing.
	fresh.Do("POST", "/auth/signin", form, "Sec-Fetch-Dest", "document").WantRedirect(t, "/protected")
	k.Browser(t).Do("POST", "/auth/signin", form, "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none").WantRedirect(t, "/protected")
	// A link of another site does not alarm the user.
	if v := k.Browser(t).Open(check, "Sec-Fetch-Site", "cross-site").WantPage(t, 200); strings.Contains(v.Body, says) || logged() != 2 {
		t.Error("the page says so after a link of another site")
	}
	k.Browser(t).Do("POST", "/auth/signup", Form("loginId", "bob@example.com", "password", GoodPassword), "Sec-Fetch-Dest", "document").WantRedirect(t, "/auth/signin?check=1")
	k.Browser(t).Open("/auth/signin?check=1").WantPage(t, 200, says)
}

// A page that refuses the session that the sign-in page accepts, as with a second
// cookie on its path that the jar cannot delete.
func TestCK11_ARedirectBackAndForthEnds(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	const back = "/auth/signin?return_to=%2Fother"
	n := 0
	for b.Open(back).Status == 303 {
		if n++; n > 10 {
			t.Fatal("the redirects do not end")
		}
	}
	b.Open(back).WantPage(t, 200, saysLoop)
	if !strings.Contains(k.Logs.String(), "was led back to the sign-in page") {
		t.Error("the log does not say so")
	}
	// A user who opens the page now and then is redirected.
	for range 10 {
		k.Clock.Add(11 * time.Second)
		b.Open(back).WantRedirect(t, "/other")
	}
}

// Any client can open these addresses without end.
func TestCK11_EachWarningIsLoggedOnceAMinute(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	delete(b.Cookies, "__Host-session")
	logged := func() int { return strings.Count(k.Logs.String(), `"WARN"`) }
	before := logged()
	for n := 1; n <= 2; n++ {
		for range 20 {
			b.Open("/auth/signin?check=1").WantPage(t, 200, "didn’t keep this site’s cookie")
			b.Open("/auth/signin?return_to=%2Fprotected").WantPage(t, 200, saysLoop)
		}
		if got := logged() - before; got != 2*n {
			t.Errorf("%d warnings, want %d", got, 2*n)
		}
		k.Clock.Add(time.Minute)
	}
}
