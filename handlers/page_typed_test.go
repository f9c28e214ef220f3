package handlers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/pages"
)

// What a person has typed on one page stands on the next one.
func TestWhatWasTypedIsKept(t *testing.T) {
	k, _ := newPages(t, pages.Config{}, setup{})
	k.signUpVerified(ann)
	filled := `name="loginId" type="text" inputmode="email" autocomplete="username" value="` + ann + `"`

	b := k.browser(t)
	b.send("/signin", "loginId", ann, "password", otherPassword).page(t, 401)
	b.open("/auth/forgot").page(t, 200, filled)
	b.open("/auth/signin").page(t, 200, filled)
	if id, _ := focus(t, b.open("/auth/signin")); id != "password" {
		t.Errorf("the focus is on %q: what is left to type is the password", id)
	}
	b.send("/password/reset", "loginId", ann).to(t, "/auth/forgot?sent=1")
	b.open("/auth/signin").page(t, 200, filled)

	reader := k.browser(t) // opens the link on another device
	link := k.link(t, usher.MessageResetPassword)
	reader.open(link).to(t, "/auth/reset")
	_, token, _ := strings.Cut(link, "token=")
	reader.send("/password/reset/complete", "token", token, "newPassword", otherPassword).to(t, "/auth/signin")
	reader.open("/auth/signin").page(t, 200, filled)

	for name, c := range b.cookies {
		if strings.Contains(c.Value, "ann") {
			t.Errorf("the cookie %s can be read", name)
		}
	}
	const note = "__Host-note_typed"
	if b.cookies[note] == nil {
		t.Fatalf("no note: %v", b.cookies)
	}
	b.send("/signin", "loginId", ann, "password", otherPassword).to(t, "/")
	if b.cookies[note] != nil {
		t.Error("kept after the sign-in")
	}
	b.do("POST", "/auth/signin", form("loginId", strings.Repeat("a", 5000), "password", "x")).page(t, 400)
	if v := b.open("/auth/forgot"); strings.Contains(v.body, "aaa") {
		t.Error("more is kept than a login id has")
	}
}

func TestATakenAddressLeadsOn(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	k.signUp(ann)
	b.send("/signup", "loginId", ann, "password", goodPassword, "return_to", "/in").page(t, 409,
		`<a href="/auth/signin?return_to=%2Fin">Sign in</a>`, `<a href="/auth/forgot">Reset your password</a>`)
	b.open("/auth/signin?return_to=/in").page(t, 200, `value="`+ann+`"`, `name="return_to" value="/in"`)
	b.open("/auth/forgot").page(t, 200, `value="`+ann+`"`)
}

func TestRS03_SendAgainSends(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	k.signUpVerified(ann)
	k.forget()
	b.send("/password/reset", "loginId", ann).to(t, "/auth/forgot?sent=1")
	v := b.open("/auth/forgot?sent=1").page(t, 200, ann, `action="/auth/password/reset"`,
		`name="loginId" value="`+ann+`"`, `name="again" value="1"`)
	if strings.Contains(v.body, `class="message`) {
		t.Error("the first mail is called another one")
	}
	b.send("/password/reset", "loginId", ann, "again", "1").to(t, "/auth/forgot?sent=1")
	b.open("/auth/forgot?sent=1").page(t, 200, ann, "If the address belongs to an account, we’ve sent another email.")
	if got := k.mails(); got != "reset_password reset_password" {
		t.Errorf("mails: %s", got)
	}
	// Who has signed in meanwhile, which takes away what was typed, is not asked to send nothing.
	b.send("/signin", "loginId", ann, "password", goodPassword).to(t, "/")
	if v := b.open("/auth/forgot?sent=1").page(t, 200, "Check your email"); strings.Contains(v.body, "<form") {
		t.Errorf("the page: %s", main(v.body))
	}
}

// With ConfirmFirst another mail needs the password, and not another sign-up, after
// which the mail would speak of a new password.
func TestEV02_ConfirmFirstAnotherMail(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{service: func(c *usher.Config) { c.ConfirmFirst = true }})
	b.send("/signup", "loginId", ann, "password", goodPassword).to(t, "/auth/signup?sent=1")
	v := b.open("/auth/signup?sent=1").page(t, 200, "sign in with the password you chose", `<a class="button" href="/auth/signin">`)
	if strings.Contains(v.body, "<form") {
		t.Error("the page sends a form")
	}
	b.open("/auth/signin").page(t, 200, `value="`+ann+`"`)
	k.forget()
	b.send("/signin", "loginId", ann, "password", goodPassword).page(t, 401)
	// That mail is written beside the answer, whose time tells nothing.
	for deadline := time.Now().Add(10 * time.Second); len(k.mail.messages()) == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if got := k.mails(); got != "verify_email" {
		t.Errorf("mails: %s", got)
	}
}
