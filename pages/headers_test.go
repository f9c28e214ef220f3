package pages_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

// everyPage are pages without a session.
var everyPage = []string{"/signin", "/signup", "/forgot", "/forgot?sent=1", "/reset", "/verify", "/verify?done=1", "/nothing"}

func TestHP01_HP02_HeadersOfEveryPage(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUp(Ann)
	b.Send("/email/verify", "token", k.MailedToken(), "password", GoodPassword).WantRedirect(t, "/auth/verify?done=1")
	b.Send("/password/reset", "loginId", Ann).WantRedirect(t, "/auth/forgot?sent=1")
	for _, path := range everyPage {
		v := b.Open("/auth" + path)
		for name, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Strict-Transport-Security": HSTS,
		} {
			if got := v.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		CheckPolicy(t, path, v)
	}
}

func TestHP03_ATokenLeavesTheAddressAtOnce(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	link := k.EmailedLink(t, usher.MessageVerifyEmail)
	_, token, _ := strings.Cut(link, "token=")
	v := b.Open(link).WantRedirect(t, "/auth/verify")
	if strings.Contains(v.Body, token) {
		t.Error("the redirect repeats the token")
	}
	for _, c := range b.Cookies {
		if strings.Contains(c.Value, token) {
			t.Errorf("the cookie %s can be read", c.Name)
		}
	}
	b.Open("/auth/verify").WantPage(t, 200, `name="token" value="`+token+`"`, Ann)
	unknown := k.Browser(t)
	unknown.Open(link).WantRedirect(t, "/auth/verify")
	if v := unknown.Open("/auth/verify").WantPage(t, 200, `href="/auth/forgot?link=1"`); strings.Count(v.Body, token) != 1 {
		t.Error("the token is in more than the hidden input")
	}
	b.Open("/auth/verify").WantPage(t, 200, token) // loading it again
}

func TestHP04_PasswordManagersKnowEveryInput(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	input := regexp.MustCompile(`<input [^>]*>`)
	attribute := func(tag, name string) string {
		m := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag)
		if m == nil {
			return ""
		}
		return m[1]
	}
	check := func(name string, v View, want ...string) {
		t.Helper()
		var got []string
		for _, tag := range input.FindAllString(v.Body, -1) {
			if attribute(tag, "type") == "hidden" {
				continue
			}
			got = append(got, attribute(tag, "name")+":"+attribute(tag, "type")+":"+attribute(tag, "autocomplete"))
			if strings.Contains(tag, "maxlength") || strings.Contains(tag, "onpaste") {
				t.Errorf("%s: %s", name, tag)
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
		if n, m := strings.Count(v.Body, `type="password"`), strings.Count(v.Body, `class="reveal"`); n != m {
			t.Errorf("%s has %d passwords and %d buttons to show them", name, n, m)
		}
	}
	check("signin", b.Open("/auth/signin"), "loginId:text:username", "password:password:current-password", "rememberMe:checkbox:")
	check("signup", b.Open("/auth/signup"), "loginId:text:username", "password:password:new-password", "name:text:name", "rememberMe:checkbox:")
	check("forgot", b.Open("/auth/forgot"), "loginId:text:username")
	b.SignUp(Ann)
	b.Open(k.EmailedLink(t, usher.MessageVerifyEmail)).WantRedirect(t, "/auth/verify")
	check("verify, signed in", b.Open("/auth/verify"))
	unknown := k.Browser(t)
	unknown.Open(k.EmailedLink(t, usher.MessageVerifyEmail)).WantRedirect(t, "/auth/verify")
	check("verify", unknown.Open("/auth/verify").WantPage(t, 200, `value="`+Ann+`"`),
		"username:text:username", "password:password:current-password")
	check("password", b.Open("/auth/account/password"),
		"username:text:username", "currentPassword:password:current-password", "newPassword:password:new-password")
	check("email", b.Open("/auth/account/email"),
		"username:text:username", "newEmail:email:email", "currentPassword:password:current-password")
	k.ClearRecords()
	b.Send("/password/reset", "loginId", Ann)
	b.Open(k.EmailedLink(t, usher.MessageConfirmAndReset)).WantRedirect(t, "/auth/reset")
	reset := b.Open("/auth/reset").WantPage(t, 200, `value="`+Ann+`"`)
	check("reset", reset, "username:text:username", "newPassword:password:new-password")
	check("name", b.Open("/auth/account/name"), "name:text:name")
	if err := k.Service.Operator("test").ExpirePassword(t.Context(), k.UserID(Ann)); err != nil {
		t.Fatal(err)
	}
	replace := k.Browser(t).Send("/signin", "loginId", Ann, "password", GoodPassword).WantPage(t, 403, `value="`+Ann+`"`)
	check("replace", replace, "loginId:text:username", "oldPassword:password:current-password", "newPassword:password:new-password")
}

func TestHP05_WellKnownChangePassword(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	mux := http.NewServeMux()
	mux.Handle("/", k.Server)
	mux.HandleFunc("GET /.well-known/change-password", k.Handlers.WellKnownChangePassword)
	k.Server = mux
	b.Open("/.well-known/change-password").WantRedirect(t, "/auth/account/password")
	if v := b.Open("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"); v.Status != 404 {
		t.Errorf("what does not exist is %d", v.Status)
	}
	b.Open("/auth/account/password").WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Faccount%2Fpassword")
}

func TestHP06_AfterAFormComes303AndALocalPath(t *testing.T) {
	k, b := NewPages(t, pages.Config{Home: "/start"}, Setup{})
	k.SignUp(Ann)
	for _, bad := range []string{
		"//evil.test", `/\evil.test`, `\\evil.test`, "///evil.test", "https:evil.test", "http:/evil.test", "https://evil.test/",
		"/%09/evil.test", "/\t/evil.test", "/x\r\nLocation: https://evil.test", "javascript:1", "/..//evil.test", "signin", "",
	} {
		k.Browser(t).Send("/signin", "loginId", Ann, "password", GoodPassword, "return_to", bad).WantRedirect(t, "/start")
	}
	b.Send("/signin", "loginId", Ann, "password", GoodPassword, "return_to", "/reports?year=2026").WantRedirect(t, "/reports?year=2026")
	// A signed-in user is redirected at once.
	b.Open("/auth/signin?return_to=%2Freports").WantRedirect(t, "/reports")
	b.Open("/auth/signin?return_to=%2F%2Fevil.test").WantRedirect(t, "/start")
	b.Open("/auth/signup").WantRedirect(t, "/start")
	b.Open("/auth/signin?prompt=login").WantPage(t, 200, "Sign in again to continue")
	// The links to other pages keep the path.
	k.Browser(t).Open("/auth/signin?return_to=%2Freports%3Fa%3D1").WantPage(t, 200,
		`name="return_to" value="/reports?a=1"`, `href="/auth/signup?return_to=%2Freports%3Fa%3D1"`)
}

func TestHP07_WhatIsTypedIsEscaped(t *testing.T) {
	_, b := NewPages(t, pages.Config{}, Setup{})
	const evil = `"><script>alert(1)</script>`
	for _, lang := range []string{"en", "he"} {
		b.Lang = lang
		for _, v := range []View{
			b.Send("/signin", "loginId", evil, "password", evil, "return_to", "/"+evil),
			b.Send("/signup", "loginId", evil, "password", evil, "name", evil),
			b.Send("/password/reset", "loginId", evil),
			b.Send("/password/replace", "loginId", evil, "oldPassword", evil, "newPassword", evil),
			b.Open("/auth/signin?return_to=/" + `%22%3E%3Cscript%3Ealert(1)%3C/script%3E`),
		} {
			if strings.Contains(v.Body, "<script>alert") {
				t.Errorf("unescaped:\n%s", MainElement(v.Body))
			}
		}
	}
	b.Lang = "en"
	b.SignUp(Ann)
	b.Send("/me") // no route for forms
	b.Do(http.MethodPost, "/auth/account/name", Form("name", evil)).WantRedirect(t, "/auth/account")
	v := b.Open("/auth/account").WantPage(t, 200, "&lt;script&gt;")
	if strings.Contains(v.Body, "<script>alert") {
		t.Error("the name is not escaped")
	}
}

// A proxy removes the path of BaseURL. Every redirect leads to a path of the program as
// the browser sees it.
func TestHP06_RedirectsKeepThePathOfBaseURL(t *testing.T) {
	_, b := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.BaseURL = "https://app.example/app" }})
	b.Send("/signup", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/app/")
	clear(b.Cookies)
	b.Open("/protected?x=1").WantRedirect(t, "/app/auth/signin?return_to=%2Fapp%2Fprotected%3Fx%3D1")
	b.Open("/auth/account").WantRedirect(t, "/app/auth/signin?return_to=%2Fapp%2Fauth%2Faccount")
	b.Send("/signin", "loginId", Ann, "password", GoodPassword, "return_to", "/app/protected?x=1").WantRedirect(t, "/app/protected?x=1")
}

// PagesPath may end in a slash, or be the root: no path has a doubled slash.
func TestHP13_PathsAreJoinedBySingleSlashes(t *testing.T) {
	for _, path := range []string{"/", "/auth", "/auth/", "/a/b/"} {
		for _, base := range []string{"https://app.example", "https://app.example/", "https://app.example/app/"} {
			k, _ := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.BaseURL, c.PagesPath = base, path }})
			mount := strings.TrimSuffix(path, "/")
			mux := http.NewServeMux()
			mux.Handle(mount+"/", k.Handlers)
			k.Server = mux
			b := k.Browser(t)
			prefix := "https://app.example" + strings.TrimSuffix(strings.TrimPrefix(base, "https://app.example"), "/") + mount
			public := strings.TrimPrefix(prefix, "https://app.example")
			b.Open(mount+"/signup").WantPage(t, 200, `action="`+public+`/signup"`)
			b.Do(http.MethodPost, mount+"/signup", Form("loginId", Ann, "password", GoodPassword))
			b.Do(http.MethodPost, mount+"/password/reset", Form("loginId", Ann)).WantRedirect(t, public+"/forgot?sent=1")
			for _, m := range k.Inbox() {
				link, _, _ := strings.Cut(m.Link.Reveal(), "?token=")
				if link != prefix+"/verify" && link != prefix+"/reset" {
					t.Errorf("BaseURL %s, PagesPath %s: the link leads to %s", base, path, link)
				}
				b.Open(mount+strings.TrimPrefix(m.Link.Reveal(), prefix)).WantRedirect(t, strings.TrimPrefix(link, "https://app.example"))
			}
		}
	}
}
