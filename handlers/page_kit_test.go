package handlers_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/pages"
)

// browser is a person's browser without JavaScript: it keeps cookies, follows
// no redirect by itself, and sends forms.
type browser struct {
	t       *testing.T
	k       *kit
	cookies map[string]*http.Cookie
	lang    string
}

// newPages is newKit for a mount with pages.
func newPages(t *testing.T, p pages.Config, s setup) (*kit, *browser) {
	t.Helper()
	before := s.config
	s.config = func(c *handlers.Config) {
		c.Pages = &p
		if before != nil {
			before(c)
		}
	}
	k := newKit(t, inCookies, s)
	return k, k.browser(t)
}

func (k *kit) browser(t *testing.T) *browser {
	return &browser{t: t, k: k, cookies: map[string]*http.Cookie{}}
}

// view is what the browser got.
type view struct {
	status   int
	header   http.Header
	body     string
	location string
}

func (b *browser) do(method, path, form string, header ...string) view {
	b.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	r.Host, r.TLS = "app.example", &tls.ConnectionState{}
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Accept-Language", b.lang)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if r.Header.Del(header[i]); header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	for _, c := range b.cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	w := httptest.NewRecorder()
	b.k.server.ServeHTTP(w, r)
	got := w.Result()
	for _, c := range got.Cookies() {
		if b.cookies[c.Name] = c; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	if strings.Contains(got.Header.Get("Clear-Site-Data"), "cookies") {
		clear(b.cookies)
	}
	v := view{got.StatusCode, got.Header, w.Body.String(), got.Header.Get("Location")}
	checkEveryView(b.t, method, path, v)
	return v
}

func (b *browser) open(path string, header ...string) view {
	b.t.Helper()
	return b.do(http.MethodGet, path, "", header...)
}

// send sends a form to a route of the mount.
func (b *browser) send(path string, fields ...string) view {
	b.t.Helper()
	return b.do(http.MethodPost, "/auth"+path, form(fields...))
}

func form(fields ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		values.Add(fields[i], fields[i+1])
	}
	return values.Encode()
}

// page fails unless the browser got a page with that status and those texts.
func (v view) page(t *testing.T, status int, texts ...string) view {
	t.Helper()
	if v.status != status || v.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("got %d %q %q, want a page with %d", v.status, v.header.Get("Content-Type"), v.location, status)
	}
	for _, text := range texts {
		if !strings.Contains(v.body, text) {
			t.Errorf("the page lacks %q:\n%s", text, main(v.body))
		}
	}
	return v
}

// to fails unless the browser is sent there with 303.
func (v view) to(t *testing.T, location string) view {
	t.Helper()
	if v.status != http.StatusSeeOther || v.location != location {
		t.Fatalf("got %d to %q, want 303 to %q:\n%s", v.status, v.location, location, main(v.body))
	}
	return v
}

// main is the part of a page that differs.
func main(body string) string {
	_, rest, _ := strings.Cut(body, "<main")
	part, _, _ := strings.Cut(rest, "</main>")
	return part
}

// signedUp is a browser in which somebody has just signed up.
func (b *browser) signUp(loginID string) {
	b.t.Helper()
	b.send("/signup", "loginId", loginID, "password", goodPassword, "name", "Ann").to(b.t, "/")
}

// link returns the path of the link in the newest mail of that kind.
func (k *kit) link(t *testing.T, kind usher.MessageKind) string {
	t.Helper()
	for _, m := range k.inbox() {
		if m.Kind == kind {
			path, ok := strings.CutPrefix(m.Link.Reveal(), "https://app.example")
			if !ok {
				t.Fatalf("the link leads elsewhere: %s", m.Link.Reveal())
			}
			return path
		}
	}
	t.Fatalf("no mail of kind %s", kind)
	return ""
}
