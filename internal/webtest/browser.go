package webtest

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/pages"
)

// Browser is a browser without JavaScript. It keeps cookies, sends forms, and
// follows no redirect by itself.
type Browser struct {
	T       *testing.T
	K       *Kit
	Cookies map[string]*http.Cookie
	Lang    string
}

// NewPages is NewKit for a mount with pages.
func NewPages(t *testing.T, p pages.Config, s Setup) (*Kit, *Browser) {
	t.Helper()
	before := s.Config
	s.Config = func(c *handlers.Config) {
		c.Pages = &p
		if before != nil {
			before(c)
		}
	}
	k := NewKit(t, InCookies, s)
	return k, k.Browser(t)
}

// Browser returns a browser without cookies.
func (k *Kit) Browser(t *testing.T) *Browser {
	return &Browser{T: t, K: k, Cookies: map[string]*http.Cookie{}}
}

// View is an answer as the browser sees it.
type View struct {
	Status   int
	Header   http.Header
	Body     string
	Location string
}

// Do sends a request with the browser's headers and cookies, keeps the cookies of the
// answer, and checks what holds for every answer. header has pairs of name and value;
// an empty value removes a header.
func (b *Browser) Do(method, path, form string, header ...string) View {
	b.T.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	r.Host, r.TLS = "app.example", &tls.ConnectionState{}
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Accept-Language", b.Lang)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if r.Header.Del(header[i]); header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	for _, c := range b.Cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	w := httptest.NewRecorder()
	b.K.Server.ServeHTTP(w, r)
	got := w.Result()
	for _, c := range got.Cookies() {
		if b.Cookies[c.Name] = c; c.MaxAge < 0 {
			delete(b.Cookies, c.Name)
		}
	}
	v := View{Status: got.StatusCode, Header: got.Header, Body: w.Body.String(), Location: got.Header.Get("Location")}
	checkEveryView(b.T, method, path, v)
	return v
}

// Open requests a page.
func (b *Browser) Open(path string, header ...string) View {
	b.T.Helper()
	return b.Do(http.MethodGet, path, "", header...)
}

// Send sends a form to a route of the mount.
func (b *Browser) Send(path string, fields ...string) View {
	b.T.Helper()
	return b.Do(http.MethodPost, "/auth"+path, Form(fields...))
}

// Form returns an encoded form, from pairs of name and value.
func Form(fields ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		values.Add(fields[i], fields[i+1])
	}
	return values.Encode()
}

// WantPage fails the test unless the browser got a page with that status and those
// texts.
func (v View) WantPage(t *testing.T, status int, texts ...string) View {
	t.Helper()
	if v.Status != status || v.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("got %d %q %q, want a page with %d", v.Status, v.Header.Get("Content-Type"), v.Location, status)
	}
	if got := v.Header.Get("Retry-After"); status == 503 && got != "5" {
		t.Errorf("Retry-After of an outage is %q", got)
	}
	for _, text := range texts {
		if !strings.Contains(v.Body, text) {
			t.Errorf("the page lacks %q:\n%s", text, MainElement(v.Body))
		}
	}
	return v
}

// WantRedirect fails the test unless the answer redirects to location with 303.
func (v View) WantRedirect(t *testing.T, location string) View {
	t.Helper()
	if v.Status != http.StatusSeeOther || v.Location != location {
		t.Fatalf("got %d to %q, want 303 to %q:\n%s", v.Status, v.Location, location, MainElement(v.Body))
	}
	return v
}

// MainElement returns the element main of a page.
func MainElement(body string) string {
	_, rest, _ := strings.Cut(body, "<main")
	part, _, _ := strings.Cut(rest, "</main>")
	return part
}

// SignUp signs a user up.
func (b *Browser) SignUp(loginID string) {
	b.T.Helper()
	b.Send("/signup", "loginId", loginID, "password", GoodPassword, "name", "Ann").WantRedirect(b.T, "/")
}

// EmailedLink returns the path of the link in an email of that kind. Emails to several users
// arrive in any order: to names the recipient, if there is more than one.
func (k *Kit) EmailedLink(t *testing.T, kind usher.MessageKind, to ...string) string {
	t.Helper()
	sent := slices.DeleteFunc(k.Inbox(), func(m usher.Message) bool {
		return m.Kind != kind || len(to) > 0 && !slices.Contains(to, m.To)
	})
	if len(sent) == 0 {
		t.Fatalf("no email of kind %s", kind)
	}
	for _, m := range sent {
		if m.To != sent[0].To {
			t.Fatalf("emails of kind %s to %s and %s: name the recipient", kind, sent[0].To, m.To)
		}
	}
	path, ok := strings.CutPrefix(sent[0].Link.Reveal(), "https://app.example")
	if !ok {
		t.Fatalf("the link leads elsewhere: %s", sent[0].Link.Reveal())
	}
	return path
}

// OpenVerifyLink opens an emailed link that confirms an address, and returns its page and
// token.
func (b *Browser) OpenVerifyLink(link string) (View, string) {
	b.T.Helper()
	b.Open(link).WantRedirect(b.T, "/auth/verify")
	_, token, _ := strings.Cut(link, "token=")
	return b.Open("/auth/verify").WantPage(b.T, 200), token
}

// Scan opens a link as scanners of emails and link previews do.
func (b *Browser) Scan(link string) {
	b.T.Helper()
	for range 3 {
		b.Open(link)
	}
	b.Do(http.MethodHead, link, "")
	b.Do(http.MethodOptions, link, "")
	b.Open(link, "Sec-Purpose", "prefetch")
	path, _, _ := strings.Cut(link, "?")
	b.Open(path)
	b.Do(http.MethodHead, path, "")
}

// ChangeEmail returns a browser whose user has signed up and requested a change of
// address, and the link that was sent to the new address.
func (k *Kit) ChangeEmail(t *testing.T, from, to string) (*Browser, string) {
	t.Helper()
	b := k.Browser(t)
	b.SignUp(from)
	b.Send("/email/change", "newEmail", to, "currentPassword", GoodPassword).WantRedirect(t, "/auth/account")
	link := k.EmailedLink(t, usher.MessageChangeEmail)
	k.ClearRecords()
	return b, link
}
