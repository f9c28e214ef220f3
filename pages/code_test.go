package pages_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

const codeInput = `name="code" type="text" inputmode="numeric" autocomplete="one-time-code"`

func TestCO10_ThePageAfterAskingTakesTheCode(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	k.ClearRecords()
	b.Send("/password/reset", "loginId", Ann).WantRedirect(t, "/auth/forgot?sent=1")
	sent := b.Open("/auth/forgot?sent=1").WantPage(t, 200, codeInput, `action="/auth/password/reset/complete"`, `name="loginId" value="`+Ann+`"`)
	if strings.Contains(sent.Body, "pattern=") || strings.Contains(sent.Body, "maxlength=") {
		t.Error("the input refuses blanks")
	}
	code := k.MailedCode()
	send := func(code, pw string) View {
		return b.Send("/password/reset/complete", "loginId", Ann, "code", code, "newPassword", pw)
	}
	wrong := k.WrongCode()
	send(wrong, OtherPassword).WantPage(t, 400, "wrong or has expired. Use the code in the newest email, or its link.",
		`value="`+wrong+`"`, "belongs to an account", `<meta name="address" content="/auth/forgot?sent=1">`)
	send("", "").WantPage(t, 400, "Enter the code from the email.", "Choose a password.")
	send("12 34", OtherPassword).WantPage(t, 400, "The code has six digits.", `value="12 34"`)
	send(code, "short").WantPage(t, 400, "at least 15 characters", `value="`+code+`"`)
	b.Do(http.MethodPost, "/auth/password/reset/complete", Form("loginId", Ann, "code", code, "newPassword", OtherPassword),
		"Sec-Fetch-Site", "cross-site").WantPage(t, 403)
	send(code[:3]+"-"+code[3:], OtherPassword).WantRedirect(t, "/auth/signin")
	b.Open("/auth/signin").WantPage(t, 200, `value="`+Ann+`"`, "password")
	b.Send("/signin", "loginId", Ann, "password", OtherPassword).WantRedirect(t, "/")
}

// The page is the same for an address without an account, also after a wrong code.
func TestCO10_ThePageRevealsNoAccount(t *testing.T) {
	k, _ := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	k.ClearRecords()
	see := map[string]string{}
	for _, id := range []string{Ann, Bob} {
		b := k.Browser(t)
		b.Send("/password/reset", "loginId", id).WantRedirect(t, "/auth/forgot?sent=1")
		text := MainElement(b.Open("/auth/forgot?sent=1").Body)
		for range 12 {
			v := b.Send("/password/reset/complete", "loginId", id, "code", k.WrongCode(), "newPassword", OtherPassword)
			text += v.Header.Get("Retry-After") + MainElement(v.Body)
		}
		see[id] = strings.ReplaceAll(text, id, "ID")
	}
	if see[Ann] != see[Bob] {
		t.Errorf("the pages differ:\n%s\n%s", see[Ann], see[Bob])
	}
	if !strings.Contains(see[Ann], "Too many wrong codes. Open the link in the email instead") {
		t.Errorf("the last page: %s", see[Ann])
	}
}

func TestCO10_TheAccountPageTakesTheCode(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	code := k.MailedCode()
	b.Open("/auth/account").WantPage(t, 200, codeInput, `action="/auth/email/verify"`)
	b.Send("/email/verify", "code", k.WrongCode()).WantPage(t, 400, "Your account", "wrong or has expired", `<meta name="address" content="/auth/account">`, "Where you are signed in")
	b.Send("/email/verify", "code", "").WantPage(t, 400, "Enter the code from the email.")
	k.Browser(t).Send("/email/verify", "code", code).WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Faccount")
	b.Send("/email/verify", "code", code).WantRedirect(t, "/auth/verify?done=1")
	b.Open("/auth/verify?done=1").WantPage(t, 200, "confirmed")
	if v := b.Open("/auth/account").WantPage(t, 200, "Confirmed"); strings.Contains(v.Body, codeInput) {
		t.Error("there is an input for a code where none was sent")
	}
	k.ClearRecords()
	b.Send("/email/change", "newEmail", Bob, "currentPassword", GoodPassword).WantRedirect(t, "/auth/account")
	b.Open("/auth/account").WantPage(t, 200, codeInput, Bob)
	for _, m := range k.Inbox() {
		if m.Kind == usher.MessageChangeEmail {
			b.Send("/email/verify", "code", m.Code.Reveal()).WantRedirect(t, "/auth/verify?done=1")
		}
	}
	b.Open("/auth/account").WantPage(t, 200, "<bdi>"+Bob+"</bdi>")
}

func TestCO10_ThePageAfterASignUpTakesTheCode(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.ConfirmFirst = true }})
	b.Send("/signup", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/auth/signup?sent=1")
	b.Open("/auth/signup?sent=1").WantPage(t, 200, codeInput, `action="/auth/email/verify"`, `autocomplete="current-password"`)
	code := k.MailedCode()
	send := func(code, pw string) View {
		return b.Send("/email/verify", "loginId", Ann, "code", code, "password", pw)
	}
	send(k.WrongCode(), GoodPassword).WantPage(t, 400, "wrong or has expired", `<meta name="address" content="/auth/signup?sent=1">`)
	send(code, "").WantPage(t, 403, "Enter your password.")
	send(code, OtherPassword).WantPage(t, 401, "This is not the password of this account.", `value="`+code+`"`)
	send(code, GoodPassword).WantRedirect(t, "/auth/verify?done=1")
	b.Open("/auth/verify?done=1").WantPage(t, 200, "Sign in")
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
}

// With NoEmailCodes no email has a code, and no page asks for one.
func TestCO11_NoEmailCodes(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.NoEmailCodes = true }})
	b.SignUp(Ann)
	asker := k.Browser(t)
	asker.Send("/password/reset", "loginId", Ann).WantRedirect(t, "/auth/forgot?sent=1")
	for _, v := range []View{b.Open("/auth/account").WantPage(t, 200), asker.Open("/auth/forgot?sent=1").WantPage(t, 200)} {
		if strings.Contains(v.Body, codeInput) {
			t.Errorf("the page asks for a code: %s", MainElement(v.Body))
		}
	}
	for _, m := range k.Inbox() {
		if m.Code != "" {
			t.Errorf("the email %s has a code", m.Kind)
		}
	}
}

func TestCO10_AWrongCodeAndAWeakPasswordAreShownTogether(t *testing.T) {
	t.Parallel()
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	b.Send("/password/reset", "loginId", Ann).WantRedirect(t, "/auth/forgot?sent=1")
	b.Send("/password/reset/complete", "loginId", Ann, "code", k.WrongCode(), "newPassword", WeakPassword).
		WantPage(t, 400, `id="code-error"`, `id="newPassword-error"`)
}
