package handlers_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/pages"
)

func TestAccountNeedsASession(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	for _, path := range []string{"/account", "/account/name", "/account/email", "/account/password"} {
		b.open("/auth"+path).to(t, "/auth/signin?return_to=%2Fauth"+strings.ReplaceAll(path, "/", "%2F"))
	}
	for _, path := range []string{"/password/update", "/email/change", "/email/verify/send", "/signout/all", "/account/name", "/account/email/cancel", "/account/sessions/x"} {
		b.send(path, "x", "y").to(t, "/auth/signin?return_to=%2Fauth%2Faccount")
	}
	b.send("/signout").to(t, "/auth/signin?notice=signed_out")
	// The program's own pages lead to the sign-in too.
	b.open("/protected?a=b").to(t, "/auth/signin?return_to=%2Fprotected%3Fa%3Db")
	if a := k.do(get("~/protected")); a.status != 401 {
		t.Errorf("a program gets %d", a.status)
	}
}

func TestSE10_DevicesAreListedAndEndedOneByOne(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	other := k.browser(t)
	other.do("POST", "/auth/signin", form("loginId", ann, "password", goodPassword),
		"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0").to(t, "/")
	v := b.open("/auth/account").page(t, 200, "Firefox on Linux", "This device", "192.0.2.1")
	if strings.Contains(v.body, "Gecko") {
		t.Error("the user agent is quoted")
	}
	id := regexp.MustCompile(`/auth/account/sessions/([^"]+)"><button class="plain" aria-label="Sign out: Firefox on Linux"`).FindStringSubmatch(v.body)
	if id == nil {
		t.Fatalf("no button:\n%s", main(v.body))
	}
	b.send("/account/sessions/"+id[1]).to(t, "/auth/account")
	v = b.open("/auth/account").page(t, 200, "The device has been signed out.")
	if strings.Contains(v.body, "Firefox") {
		t.Error("the device is still there")
	}
	other.open("/auth/account").to(t, "/auth/signin?return_to=%2Fauth%2Faccount")
	b.send("/account/sessions/"+id[1]).to(t, "/auth/account") // it has ended already
	b.open("/auth/account").page(t, 200)
}

// The device that somebody looks from comes first and has no button of its own,
// and many devices are folded.
func TestSE10_TheOwnDeviceComesFirst(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	rows := func(v view) []string { return strings.Split(v.body, "<li>")[1:] }
	for n := 2; n <= 8; n++ {
		k.clock.add(time.Minute)
		k.browser(t).send("/signin", "loginId", ann, "password", goodPassword).to(t, "/")
		v := b.open("/auth/account").page(t, 200)
		got := rows(v)
		if len(got) != n || !strings.Contains(got[0], "This device") || strings.Contains(got[0], "<form") {
			t.Fatalf("%d of %d devices, the first is %s", len(got), n, got[0])
		}
		for _, row := range got[1:] {
			if !strings.Contains(row, "<form") || strings.Contains(row, "This device") {
				t.Errorf("another device: %s", row)
			}
		}
		before, folded, _ := strings.Cut(v.body, "<details>")
		if want := max(0, n-5); strings.Count(folded, "<li>") != want || strings.Count(before, "<li>") != min(n, 5) {
			t.Errorf("%d devices: %d are folded, want %d", n, strings.Count(folded, "<li>"), want)
		}
	}
	b.open("/auth/account").page(t, 200, "<summary>3 more devices</summary>")
}

func TestSE10_NobodyEndsAnothersSession(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	u := k.signUp(bob)
	b.send("/account/sessions/"+u.id).to(t, "/auth/account")
	if !k.alive(u) {
		t.Error("another's session has ended")
	}
}

func TestSignOutAndEverywhere(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	other := k.browser(t)
	other.send("/signin", "loginId", ann, "password", goodPassword).to(t, "/")
	v := b.send("/signout").to(t, "/auth/signin?notice=signed_out")
	if v.header.Get("Clear-Site-Data") == "" {
		t.Error("CK-08: no Clear-Site-Data")
	}
	b.open("/auth/signin?notice=signed_out").page(t, 200, "You’re signed out.")
	b.open("/auth/account").to(t, "/auth/signin?return_to=%2Fauth%2Faccount")
	other.open("/auth/account").page(t, 200)
	b.send("/signin", "loginId", ann, "password", goodPassword).to(t, "/")
	other.send("/signout/all").to(t, "/auth/signin?notice=signed_out_all")
	b.open("/auth/account").to(t, "/auth/signin?return_to=%2Fauth%2Faccount")
	if strings.Contains(b.open("/auth/signin?notice=<b>").body, "&lt;b") {
		t.Error("any notice can be put into the page")
	}
}

func TestUP01_ChangeOfPasswordAsksForTheCurrentOne(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	b.send("/password/update", "newPassword", otherPassword).page(t, 400, "Enter your current password.")
	b.send("/password/update", "currentPassword", thirdPassword, "newPassword", otherPassword).page(t, 401, "This is not your current password.")
	b.send("/password/update", "currentPassword", goodPassword, "newPassword", "short").page(t, 400, "Use at least 15 characters.", `value="`+ann+`"`)
	k.signIn(ann, goodPassword)
	b.send("/password/update", "currentPassword", goodPassword, "newPassword", otherPassword).to(t, "/auth/account")
	b.open("/auth/account").page(t, 200, "Your password has been changed.")
	b.open("/auth/account").page(t, 200) // the message is shown once
	k.signIn(ann, otherPassword)
}

func TestSE02_SignInEndsTheSessionBefore(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	planted := k.browser(t)
	planted.cookies["__Host-session"] = b.cookies["__Host-session"]
	k.signUp(bob)
	b.send("/signin", "loginId", bob, "password", goodPassword).to(t, "/")
	planted.open("/auth/account").to(t, "/auth/signin?return_to=%2Fauth%2Faccount")
}

func TestRS12_AResetSignsNobodyIn(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	k.signUpVerified(ann)
	b.send("/signin", "loginId", ann, "password", goodPassword).to(t, "/")
	b.send("/password/reset", "loginId", ann)
	link := k.link(t, usher.MessageResetPassword)
	_, token, _ := strings.Cut(link, "token=")
	b.open(link).to(t, "/auth/reset")
	b.open("/auth/reset").page(t, 200) // it works in a browser that is signed in
	b.send("/password/reset/complete", "token", token, "newPassword", otherPassword).to(t, "/auth/signin")
	b.open("/auth/signin").page(t, 200, "Your new password is set.")
	b.open("/auth/account").to(t, "/auth/signin?return_to=%2Fauth%2Faccount")
}
