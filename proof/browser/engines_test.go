package browser

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/webtest"
)

// tab is the tab of a browser that visits a site.
type tab struct {
	*testing.T
	engine
	base string
}

func (b tab) do(command string, params map[string]any, result any) {
	b.Helper()
	if err := b.run(command, params, result); err != nil {
		b.Fatal(err)
	}
}

func (b tab) script(text string, result any) {
	b.Helper()
	b.do("WebDriver:ExecuteScript", map[string]any{"script": text, "args": []any{}}, result)
}

func (b tab) open(path string) {
	b.Helper()
	if !strings.Contains(path, "://") {
		path = b.base + path
	}
	b.do("WebDriver:Navigate", map[string]any{"url": path}, nil)
}

// element returns the id of an element.
func (b tab) element(selector string) string {
	b.Helper()
	var found map[string]string
	b.do("WebDriver:FindElement", map[string]any{"using": "css selector", "value": selector}, &found)
	for _, id := range found {
		return id
	}
	return ""
}

func (b tab) press(selector string) {
	b.Helper()
	b.do("WebDriver:ElementClick", map[string]any{"id": b.element(selector)}, nil)
}

// submit types into inputs, given as name and text, and presses the main button.
func (b tab) submit(inputs ...string) {
	b.Helper()
	for i := 0; i < len(inputs); i += 2 {
		b.do("WebDriver:ElementSendKeys", map[string]any{"id": b.element("[name=" + inputs[i] + "]"), "text": inputs[i+1]}, nil)
	}
	b.press("main button.primary")
}

// want waits for a page with the path, the heading and the texts. It runs a script only when the path is right:
// WebKit never answers a script that a navigation interrupts.
func (b tab) want(path, heading string, texts ...string) {
	b.Helper()
	var got string
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		b.do("WebDriver:GetCurrentURL", nil, &got)
		if got == b.base+path {
			b.script(`return document.querySelector("h1")?.textContent + "\n" + document.body?.innerText`, &got)
			ok := strings.HasPrefix(got, heading+"\n")
			for _, text := range texts {
				ok = ok && strings.Contains(got, text)
			}
			if ok {
				return
			}
		}
		if time.Now().After(end) {
			b.Fatalf("not %s with %q, %q but:\n%s", path, heading, texts, got)
		}
	}
}

// wantCookies compares the page's cookies, which no script may read, with the names of the cookies of a signed-in or
// signed-out browser. Over https they are Secure and have the prefix.
func (b tab) wantCookies(names ...string) {
	b.Helper()
	var all []struct {
		Name             string
		Secure, HTTPOnly bool
	}
	b.do("WebDriver:GetCookies", nil, &all)
	secure := strings.HasPrefix(b.base, "https:")
	var got []string
	for _, c := range all {
		name, prefixed := strings.CutPrefix(c.Name, "__Host-")
		if !c.HTTPOnly || c.Secure != secure || prefixed != secure {
			b.Errorf("%s: %+v", b.base, c)
		}
		got = append(got, name)
	}
	slices.Sort(got)
	if !slices.Equal(got, names) {
		b.Errorf("the cookies are %q, want %q", got, names)
	}
}

// program is a site with a clock, for one engine.
type program struct {
	box      mailbox
	ahead    atomic.Int64 // how far the clock is ahead
	requests chan string  // the paths of requests, from watch on
	watched  atomic.Bool
}

func (p *program) site(http bool) site {
	return site{http: http, box: &p.box, seen: p.see, service: func(c *usher.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }
	}}
}

func (p *program) see(r *http.Request) {
	if p.watched.Load() {
		p.requests <- r.URL.Path
	}
}

func TestHP10_CK01_CK11_SignInInThreeEngines(t *testing.T) {
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t)
			for _, host := range []string{"https://localhost", "http://localhost", "http://127.0.0.1"} {
				t.Run(strings.Replace(host, "://", " ", 1), func(t *testing.T) {
					p := &program{requests: make(chan string, 100)}
					u, err := url.Parse(serve(t, p.site(strings.HasPrefix(host, "http:"))))
					if err != nil {
						t.Fatal(err)
					}
					b := tab{T: t, engine: e, base: host + ":" + u.Port()}
					b.do("WebDriver:DeleteAllCookies", nil, nil)
					b.account(p)
					b.back(p)
				})
			}
			for _, host := range []string{"localhost", "127.0.0.1"} {
				t.Run("http "+host+", Secure cookies", func(t *testing.T) {
					tab{T: t, engine: e}.secureOverHTTP(host, name != "WebKit")
				})
			}
		})
	}
}

// secureOverHTTP signs up where cookies are Secure over plain http. Chromium and Firefox keep them on loopback hosts.
// WebKit does not, and the user reads why.
func (b tab) secureOverHTTP(host string, kept bool) {
	var logs webtest.Log
	base, err := url.Parse(serve(b.T, site{http: true, secureCookies: true, logs: &logs}))
	if err != nil {
		b.Fatal(err)
	}
	b.base = "http://" + host + ":" + base.Port()
	b.open("/auth/signup?return_to=%2Finside")
	b.do("WebDriver:DeleteAllCookies", nil, nil)
	b.submit("loginId", "ann@example.com", "password", password1)
	const line = "kept no cookie after a sign-in"
	if kept {
		b.want("/inside", "Inside")
	} else {
		b.want("/auth/signin?check=1&return_to=%2Finside", "Sign in", "didn’t keep this site’s cookie")
	}
	if n := strings.Count(logs.String(), line); n != 1 && !kept || n > 0 && kept {
		b.Errorf("the log says %d times that no cookie was kept", n)
	}
}

// account signs up, out and in, lets the session expire, and sets a new password.
func (b tab) account(p *program) {
	const user, home = "ann@example.com", "/inside?tab=2"
	const signInPage = "/auth/signin?return_to=%2Finside%3Ftab%3D2"
	b.open(home)
	b.want(signInPage, "Sign in")
	b.press("p.other a")
	b.want("/auth/signup?return_to=%2Finside%3Ftab%3D2", "Create your account")
	b.submit("loginId", user, "password", password1)
	b.want(home, "Inside")
	b.wantCookies("device", "note__signedin", "session")
	b.do("WebDriver:Refresh", nil, nil)
	b.want(home, "Inside")

	// The session token expires and is exchanged.
	p.ahead.Add(int64(time.Hour))
	b.do("WebDriver:Refresh", nil, nil)
	b.want(home, "Inside")

	// Another tab signs out.
	var first string
	var other struct{ Handle string }
	b.do("WebDriver:GetWindowHandle", nil, &first)
	b.do("WebDriver:NewWindow", map[string]any{"type": "tab"}, &other)
	b.switchTo(other.Handle)
	b.open("/auth/account")
	b.want("/auth/account", "Your account", user)
	b.press("form[action$='/signout'] button")
	b.want("/auth/signin", "Sign in")
	b.wantCookies("device", "note__signedin")
	b.switchTo(first)
	b.do("WebDriver:Refresh", nil, nil)
	b.want(signInPage, "Sign in")
	b.submit("loginId", user, "password", password1)
	b.want(home, "Inside")

	// The session expires.
	p.ahead.Add(int64(365 * 24 * time.Hour))
	b.do("WebDriver:Refresh", nil, nil)
	b.want(signInPage, "Sign in")

	b.open("/auth/forgot")
	b.submit("loginId", user)
	b.want("/auth/forgot?sent=1", "Check your email")
	var link string
	waitFor(b.T, "the email", func() bool {
		link = p.box.newest(user, "confirm_and_reset").Link.Reveal()
		return link != ""
	})
	_, token, _ := strings.Cut(link, "?")
	b.open("/auth/reset?" + token)
	b.want("/auth/reset", "Set a new password", user)
	b.submit("newPassword", password2)
	b.want("/auth/signin", "Sign in", "Your new password is set.")
	b.submit("password", password2) // the login id is filled in
	b.want("/", "Home")
	if errs, err := b.consoleErrors(); err != nil || len(errs) > 0 {
		b.Errorf("the console has %q, error %v", errs, err)
	}
}

const password1, password2 = "vast otter sings low", "calm heron reads maps"

func (b tab) switchTo(window string) {
	b.Helper()
	b.do("WebDriver:SwitchToWindow", map[string]any{"handle": window, "name": window}, nil)
}

// back goes back to a page of the user after the sign-out, in a tab of its own, because WebKit's driver loses a tab
// that goes back to another process. So the requests are checked instead of the tab.
func (b tab) back(p *program) {
	var first string
	var own struct{ Handle string }
	b.do("WebDriver:GetWindowHandle", nil, &first)
	b.do("WebDriver:DeleteAllCookies", nil, nil)
	b.do("WebDriver:NewWindow", map[string]any{"type": "tab"}, &own)
	b.switchTo(own.Handle)
	b.open("/inside")
	b.want("/auth/signin?return_to=%2Finside", "Sign in")
	b.submit("loginId", "ann@example.com", "password", password2)
	b.want("/inside", "Inside") // the answer to the form, by a redirect
	b.open("/auth/account")
	b.want("/auth/account", "Your account")
	b.press("form[action$='/signout'] button")
	b.want("/auth/signin", "Sign in")
	p.watched.Store(true)
	b.script("setTimeout(() => history.go(-2))", nil)
	select {
	case got := <-p.requests:
		if got != "/inside" { // "/test/restored" if the browser has kept the page
			b.Errorf("the back button requests %s", got)
		}
	case <-time.After(20 * time.Second):
		b.Error("the back button sends no request")
	}
	p.watched.Store(false)
	b.switchTo(first)
}
