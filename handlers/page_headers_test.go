package handlers_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/pages"
)

// everyPage are pages without a session.
var everyPage = []string{"/signin", "/signup", "/forgot", "/forgot?sent=1", "/reset", "/verify", "/verify?done=1", "/nothing"}

func TestHP01_HP02_HeadersOfEveryPage(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	k.signUp(ann)
	b.send("/email/verify", "token", k.mailedToken(), "password", goodPassword).to(t, "/auth/verify?done=1")
	b.send("/password/reset", "loginId", ann).to(t, "/auth/forgot?sent=1")
	for _, path := range everyPage {
		v := b.open("/auth" + path)
		for name, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Strict-Transport-Security": "max-age=31536000; includeSubDomains",
		} {
			if got := v.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		checkPolicy(t, path, v)
	}
}

// checkPolicy proves that the policy allows the page's own style and script, by
// their hash, and nothing else.
func checkPolicy(t *testing.T, path string, v view) {
	t.Helper()
	policy := map[string]string{}
	for _, directive := range strings.Split(v.header.Get("Content-Security-Policy"), "; ") {
		name, value, _ := strings.Cut(directive, " ")
		policy[name] = value
	}
	hash := func(element string) string {
		all := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(v.body, -1)
		if len(all) != 1 {
			t.Fatalf("%s has %d elements %s", path, len(all), element)
		}
		sum := sha256.Sum256([]byte(all[0][1]))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	for name, want := range map[string]string{
		"default-src": "'none'", "base-uri": "'none'", "object-src": "'none'", "frame-ancestors": "'none'",
		"form-action": "'self'", "img-src": "'self'", "style-src": hash("style"), "script-src": hash("script"),
	} {
		if policy[name] != want {
			t.Errorf("%s: %s is %q, want %q", path, name, policy[name], want)
		}
		delete(policy, name)
	}
	if len(policy) > 0 {
		t.Errorf("%s: the policy has more: %v", path, policy)
	}
	for _, no := range []string{` style="`, ` onclick=`, `javascript:`, `src="//`, `src="http`, `href="http`, `url(`, `@import`} {
		if strings.Contains(v.body, no) {
			t.Errorf("%s has %s", path, no)
		}
	}
}

func TestHP03_ATokenLeavesTheAddressAtOnce(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	link := k.link(t, usher.MessageVerifyEmail)
	_, token, _ := strings.Cut(link, "token=")
	v := b.open(link).to(t, "/auth/verify")
	if strings.Contains(v.body, token) {
		t.Error("the redirect repeats the token")
	}
	for _, c := range b.cookies {
		if strings.Contains(c.Value, token) {
			t.Errorf("the cookie %s can be read", c.Name)
		}
	}
	b.open("/auth/verify").page(t, 200, `name="token" value="`+token+`"`, ann)
	stranger := k.browser(t)
	stranger.open(link).to(t, "/auth/verify")
	if v := stranger.open("/auth/verify").page(t, 200, `href="/auth/forgot?link=1"`); strings.Count(v.body, token) != 1 {
		t.Error("the token is in more than the hidden input")
	}
	b.open("/auth/verify").page(t, 200, token) // loading it again
}

func TestHP04_PasswordManagersKnowEveryInput(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	input := regexp.MustCompile(`<input [^>]*>`)
	attribute := func(tag, name string) string {
		m := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag)
		if m == nil {
			return ""
		}
		return m[1]
	}
	check := func(name string, v view, want ...string) {
		t.Helper()
		var got []string
		for _, tag := range input.FindAllString(v.body, -1) {
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
		if n, m := strings.Count(v.body, `type="password"`), strings.Count(v.body, `class="reveal"`); n != m {
			t.Errorf("%s has %d passwords and %d buttons to show them", name, n, m)
		}
	}
	check("signin", b.open("/auth/signin"), "loginId:text:username", "password:password:current-password")
	check("signup", b.open("/auth/signup"), "name:text:name", "loginId:text:username", "password:password:new-password")
	check("forgot", b.open("/auth/forgot"), "loginId:text:username")
	b.signUp(ann)
	b.open(k.link(t, usher.MessageVerifyEmail)).to(t, "/auth/verify")
	check("verify, signed in", b.open("/auth/verify"))
	stranger := k.browser(t)
	stranger.open(k.link(t, usher.MessageVerifyEmail)).to(t, "/auth/verify")
	check("verify", stranger.open("/auth/verify").page(t, 200, `value="`+ann+`"`),
		"username:text:username", "password:password:current-password")
	check("password", b.open("/auth/account/password"),
		"username:text:username", "currentPassword:password:current-password", "newPassword:password:new-password")
	check("email", b.open("/auth/account/email"),
		"username:text:username", "newEmail:email:email", "currentPassword:password:current-password")
	k.forget()
	b.send("/password/reset", "loginId", ann)
	b.open(k.link(t, usher.MessageConfirmAndReset)).to(t, "/auth/reset")
	reset := b.open("/auth/reset").page(t, 200, `value="`+ann+`"`)
	check("reset", reset, "username:text:username", "newPassword:password:new-password")
	check("name", b.open("/auth/account/name"), "name:text:name")
	if err := k.svc.ExpirePassword(t.Context(), k.userID(ann)); err != nil {
		t.Fatal(err)
	}
	replace := k.browser(t).send("/signin", "loginId", ann, "password", goodPassword).page(t, 403, `value="`+ann+`"`)
	check("replace", replace, "loginId:text:username", "oldPassword:password:current-password", "newPassword:password:new-password")
}

func TestHP05_WellKnownChangePassword(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	mux := http.NewServeMux()
	mux.Handle("/", k.server)
	mux.HandleFunc("GET /.well-known/change-password", k.h.WellKnownChangePassword)
	k.server = mux
	b.open("/.well-known/change-password").to(t, "/auth/account/password")
	if v := b.open("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"); v.status != 404 {
		t.Errorf("what does not exist is %d", v.status)
	}
	b.open("/auth/account/password").to(t, "/auth/signin?return_to=%2Fauth%2Faccount%2Fpassword")
}

func TestHP06_AfterAFormComes303AndALocalPath(t *testing.T) {
	k, b := newPages(t, pages.Config{Home: "/start"}, setup{})
	k.signUp(ann)
	for _, bad := range []string{
		"//evil.test", `/\evil.test`, `\\evil.test`, "///evil.test", "https:evil.test", "http:/evil.test", "https://evil.test/",
		"/%09/evil.test", "/\t/evil.test", "/x\r\nLocation: https://evil.test", "javascript:1", "/..//evil.test", "signin", "",
	} {
		k.browser(t).send("/signin", "loginId", ann, "password", goodPassword, "return_to", bad).to(t, "/start")
	}
	b.send("/signin", "loginId", ann, "password", goodPassword, "return_to", "/reports?year=2026").to(t, "/reports?year=2026")
	// Who is signed in goes on at once.
	b.open("/auth/signin?return_to=%2Freports").to(t, "/reports")
	b.open("/auth/signin?return_to=%2F%2Fevil.test").to(t, "/start")
	b.open("/auth/signup").to(t, "/start")
	b.open("/auth/signin?prompt=login").page(t, 200, "Sign in again to continue")
	// The path travels from page to page.
	k.browser(t).open("/auth/signin?return_to=%2Freports%3Fa%3D1").page(t, 200,
		`name="return_to" value="/reports?a=1"`, `href="/auth/signup?return_to=%2Freports%3Fa%3D1"`)
}

func TestHP07_WhatIsTypedIsEscaped(t *testing.T) {
	_, b := newPages(t, pages.Config{}, setup{})
	const evil = `"><script>alert(1)</script>`
	for _, lang := range []string{"en", "he"} {
		b.lang = lang
		for _, v := range []view{
			b.send("/signin", "loginId", evil, "password", evil, "return_to", "/"+evil),
			b.send("/signup", "loginId", evil, "password", evil, "name", evil),
			b.send("/password/reset", "loginId", evil),
			b.send("/password/replace", "loginId", evil, "oldPassword", evil, "newPassword", evil),
			b.open("/auth/signin?return_to=/" + `%22%3E%3Cscript%3Ealert(1)%3C/script%3E`),
		} {
			if strings.Contains(v.body, "<script>alert") {
				t.Errorf("unescaped:\n%s", main(v.body))
			}
		}
	}
	b.lang = "en"
	b.signUp(ann)
	b.send("/me") // not a form's route
	b.do(http.MethodPost, "/auth/account/name", form("name", evil)).to(t, "/auth/account")
	v := b.open("/auth/account").page(t, 200, "&lt;script&gt;")
	if strings.Contains(v.body, "<script>alert") {
		t.Error("the name is not escaped")
	}
}
