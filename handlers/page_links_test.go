package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/pages"
)

// scan does to a link what scanners and previews do.
func (b *browser) scan(link string) {
	b.t.Helper()
	for range 3 {
		b.open(link)
	}
	b.do(http.MethodHead, link, "")
	b.do(http.MethodOptions, link, "")
	b.open(link, "Sec-Purpose", "prefetch")
	path, _, _ := strings.Cut(link, "?")
	b.open(path)
	b.do(http.MethodHead, path, "")
}

func TestRS04_EV01_OpeningALinkSpendsNothing(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	link := k.link(t, usher.MessageVerifyEmail)
	k.browser(t).scan(link)
	own := k.browser(t)
	own.open(link).to(t, "/auth/verify")
	_, token, _ := strings.Cut(link, "token=")
	own.open("/auth/verify").page(t, 200, "To confirm that "+ann+" is your address, enter the password")
	own.send("/email/verify", "token", token, "password", goodPassword).to(t, "/auth/verify?done=1")
	own.open("/auth/verify?done=1").page(t, 200, "Address confirmed")

	k.forget()
	own.send("/password/reset", "loginId", ann).to(t, "/auth/forgot?sent=1")
	own.open("/auth/forgot?sent=1").page(t, 200, "Check your email", ann)
	link = k.link(t, usher.MessageResetPassword)
	k.browser(t).scan(link)
	own.open(link).to(t, "/auth/reset")
	_, token, _ = strings.Cut(link, "token=")
	own.send("/password/reset/complete", "token", token, "newPassword", weakPassword).page(t, 400, "easy to guess", token, ann)
	own.send("/password/reset/complete", "token", token, "newPassword", otherPassword).to(t, "/auth/signin")
	own.open("/auth/signin").page(t, 200, "Your new password is set.")
	k.signIn(ann, otherPassword)
}

func TestRS05_TheLinkComesFromTheConfiguration(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	k.signUpVerified(ann)
	b.do(http.MethodPost, "/auth/password/reset", form("loginId", ann),
		"X-Forwarded-Host", "evil.test", "Forwarded", "host=evil.test", "Referer", "https://evil.test/").to(t, "/auth/forgot?sent=1")
	if link := k.link(t, usher.MessageResetPassword); !strings.HasPrefix(link, "/auth/reset?token=") {
		t.Errorf("link %s", link)
	}
}

func TestRS07_OneLoginIDARequest(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	k.signUpVerified(ann)
	for _, body := range []string{
		"loginId=" + ann + "&loginId=" + bob, form("loginId", ann+","+bob),
		form("loginId", ann+"\r\nBcc: "+bob), "loginId[]=" + ann, form("loginId", "a\u0131nn@example.com"),
	} {
		b.do(http.MethodPost, "/auth/password/reset", body).page(t, 400)
	}
	if got := k.mails(); got != "" {
		t.Errorf("mails: %s", got)
	}
}

func TestRS08_EN03_TheWaitingPageTellsNothing(t *testing.T) {
	k, _ := newPages(t, pages.Config{}, setup{})
	k.signUpVerified(ann)
	page := func(loginID string) string {
		b := k.browser(t)
		b.send("/password/reset", "loginId", loginID).to(t, "/auth/forgot?sent=1")
		return strings.ReplaceAll(b.open("/auth/forgot?sent=1").page(t, 200).body, loginID, "X")
	}
	if page(ann) != page(bob) {
		t.Error("the page tells who has an account")
	}
}

// One page for a link that is random, used, too old, replaced, or missing.
func TestEN07_DeadLinksLookAlike(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{service: func(c *usher.Config) { c.InsecureNoThrottle = true }})
	k.signUpVerified(ann)
	newLink := func() string {
		k.forget()
		b.send("/password/reset", "loginId", ann)
		return k.link(t, usher.MessageResetPassword)
	}
	used, replaced := newLink(), newLink()
	_, token, _ := strings.Cut(used, "token=")
	b.send("/password/reset/complete", "token", token, "newPassword", otherPassword).to(t, "/auth/signin")
	old := newLink()
	k.clock.add(10*time.Minute + time.Second)

	var first string
	for name, link := range map[string]string{
		"random": "/auth/reset?token=" + strings.Repeat("x", 43), "used": used, "replaced": replaced, "old": old,
		"missing": "/auth/reset", "empty": "/auth/reset?token=", "long": "/auth/reset?token=" + strings.Repeat("x", 5000),
	} {
		stranger := k.browser(t)
		if v := stranger.open(link); v.status == 303 {
			link = v.location
		}
		v := stranger.open(link).page(t, 400, "This link no longer works", "Send a new link", `action="/auth/password/reset"`)
		if first == "" {
			first = v.body
		} else if v.body != first {
			t.Errorf("%s differs", name)
		}
	}
	_, token, _ = strings.Cut(old, "token=")
	b.send("/password/reset/complete", "token", token, "newPassword", thirdPassword).page(t, 400, "This link no longer works")
	b.send("/email/verify", "token", token).page(t, 400, "This link no longer works", "Sign in")
}

func TestRS13_BadLinksAreLimited(t *testing.T) {
	_, b := newPages(t, pages.Config{}, setup{})
	link := "/auth/reset?token=" + strings.Repeat("y", 43)
	for range 10 {
		b.open(link)
		b.open("/auth/reset").page(t, 400)
	}
	b.open(link)
	v := b.open("/auth/reset").page(t, 429, "Too many attempts")
	if v.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// A dead link counts once, however often its page is loaded; a good one that waits
// beside it is not forgotten.
func TestRS13_LoadingADeadPageAgainIsNoTry(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	k.signUpVerified(ann)
	for _, page := range []string{"/reset", "/verify"} {
		b.open("/auth" + page + "?token=" + strings.Repeat("y", 43))
		for range 15 {
			b.open("/auth"+page).page(t, 400, "This link")
		}
	}
	b.send("/password/reset", "loginId", ann)
	link := k.link(t, usher.MessageResetPassword)
	b.open(link).to(t, "/auth/reset")
	b.open("/auth/reset").page(t, 200)
	b.send("/password/reset/complete", "token", strings.Repeat("y", 43), "newPassword", otherPassword).page(t, 400, "This link")
	b.open("/auth/reset").page(t, 200, ann)
	_, token, _ := strings.Cut(link, "token=")
	b.send("/password/reset/complete", "token", token, "newPassword", otherPassword).to(t, "/auth/signin")
}

func TestRS14_TheOwnerIsTold(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	k.forget()
	b.send("/password/update", "currentPassword", goodPassword, "newPassword", otherPassword).to(t, "/auth/account")
	if got := k.mails(); got != "password_changed" {
		t.Errorf("mails: %s", got)
	}
}

func TestEV03_TheOwnerOfTheMailboxTakesOver(t *testing.T) {
	k, squatter := newPages(t, pages.Config{}, setup{})
	squatter.signUp(ann)
	owner := k.browser(t)
	k.forget()
	owner.send("/password/reset", "loginId", ann)
	link := k.link(t, usher.MessageConfirmAndReset)
	owner.open(link).to(t, "/auth/reset")
	_, token, _ := strings.Cut(link, "token=")
	owner.send("/password/reset/complete", "token", token, "newPassword", otherPassword).to(t, "/auth/signin")
	squatter.open("/auth/account").to(t, "/auth/signin?return_to=%2Fauth%2Faccount")
	squatter.send("/signin", "loginId", ann, "password", goodPassword).page(t, 401)
	owner.send("/signin", "loginId", ann, "password", otherPassword).to(t, "/")
	owner.open("/auth/account").page(t, 200, "Confirmed")
}

func TestEV04_AVerificationLinkChangesNoSession(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(bob)
	link := k.link(t, usher.MessageVerifyEmail)
	_, token, _ := strings.Cut(link, "token=")
	a := k.browser(t)
	a.signUp(ann)
	before := a.cookies["__Host-session"].Value
	a.open(link).to(t, "/auth/verify")
	a.send("/email/verify", "token", token).page(t, 403, bob, "Enter your password.")
	a.send("/email/verify", "token", token, "password", goodPassword).to(t, "/auth/verify?done=1")
	if a.cookies["__Host-session"].Value != before {
		t.Error("another's link has changed the session")
	}
	a.open("/auth/account").page(t, 200, ann, "Not confirmed yet")

	k.forget()
	a.send("/email/verify/send").to(t, "/auth/account")
	_, token, _ = strings.Cut(k.link(t, usher.MessageVerifyEmail), "token=")
	stranger := k.browser(t)
	stranger.send("/email/verify", "token", token, "password", goodPassword).to(t, "/auth/verify?done=1")
	if stranger.cookies["__Host-session"] != nil {
		t.Error("a session has begun")
	}
}

// Who confirms the own address in the browser that is signed in is let through
// by RequireVerifiedEmail at once, not when the token happens to be renewed.
func TestEV02_TheOwnSessionKnowsAtOnce(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	mux := http.NewServeMux()
	mux.Handle("/", k.server)
	mux.Handle("/verified", k.h.RequireVerifiedEmail(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {})))
	k.server = mux
	b.signUp(ann)
	if v := b.open("/verified"); v.status != 403 {
		t.Fatalf("before: %d", v.status)
	}
	_, token, _ := strings.Cut(k.link(t, usher.MessageVerifyEmail), "token=")
	k.clock.add(11 * time.Minute) // the session token is refreshed in passing, and then renewed
	v := b.send("/email/verify", "token", token).to(t, "/auth/verify?done=1")
	n := 0
	for _, line := range v.header["Set-Cookie"] {
		if strings.HasPrefix(line, "__Host-session=") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the session cookie is set %d times", n)
	}
	if v := b.open("/verified"); v.status != 200 {
		t.Errorf("after: %d", v.status)
	}
}

func TestEV05_ChangeOfAddress(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	k.forget()
	b.send("/email/change", "newEmail", bob, "currentPassword", otherPassword).page(t, 401, "This is not your current password.", `value="`+bob+`"`)
	b.send("/email/change", "newEmail", bob).page(t, 400, "Enter your current password.")
	if got := k.mails(); got != "" {
		t.Fatalf("mails: %s", got)
	}
	b.send("/email/change", "newEmail", bob, "currentPassword", goodPassword).to(t, "/auth/account")
	b.open("/auth/account").page(t, 200, ann, "sent an email to the new address")
	if got := k.mails(); got != "change_email email_changing" {
		t.Errorf("mails: %s", got)
	}
	link := k.link(t, usher.MessageChangeEmail)
	b.open(link).to(t, "/auth/verify")
	b.open("/auth/verify").page(t, 200, "Confirm your new email address", "Confirm that "+bob+" is the new address")
	_, token, _ := strings.Cut(link, "token=")
	b.send("/email/verify", "token", token).to(t, "/auth/verify?done=1")
	b.open("/auth/account").page(t, 200, bob, "Confirmed")
}

func TestEN05_ConfirmFirst(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{service: func(c *usher.Config) { c.ConfirmFirst = true }})
	page := func(loginID string) string {
		b := k.browser(t)
		b.send("/signup", "loginId", loginID, "password", goodPassword).to(t, "/auth/signup?sent=1")
		return strings.ReplaceAll(b.open("/auth/signup?sent=1").page(t, 200, "Check your email").body, loginID, "X")
	}
	if free, taken, other := page(ann), page(ann), page(bob); free != taken || free != other {
		t.Error("the page tells who has an account")
	}
	b.send("/signin", "loginId", ann, "password", goodPassword).page(t, 401, "or the address isn’t confirmed yet")
	link := k.link(t, usher.MessageVerifyEmail)
	b.open(link).to(t, "/auth/verify")
	b.open("/auth/verify").page(t, 200, "enter the password you chose")
	_, token, _ := strings.Cut(link, "token=")
	b.send("/email/verify", "token", token, "password", goodPassword).to(t, "/auth/verify?done=1")
	b.send("/signin", "loginId", ann, "password", goodPassword).to(t, "/")
}
