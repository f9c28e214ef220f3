package pages_test

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

// focus returns the input that has the focus, and the ids of the elements that
// describe it.
func focus(t *testing.T, v View) (id, describedby string) {
	t.Helper()
	for _, tag := range regexp.MustCompile(`<input [^>]*>`).FindAllString(v.Body, -1) {
		if !strings.Contains(tag, " autofocus") {
			continue
		}
		if id != "" {
			t.Errorf("two inputs have the focus: %s", MainElement(v.Body))
		}
		id = regexp.MustCompile(` id="([^"]+)"`).FindStringSubmatch(tag)[1]
		if m := regexp.MustCompile(` aria-describedby="([^"]+)"`).FindStringSubmatch(tag); m != nil {
			describedby = m[1]
		}
	}
	return id, describedby
}

func TestEveryFormBeginsAtItsFirstInput(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	check := func(name string, v View, want string) {
		t.Helper()
		if got, _ := focus(t, v.WantPage(t, 200)); got != want {
			t.Errorf("%s begins at %q, want %q", name, got, want)
		}
	}
	check("signin", b.Open("/auth/signin"), "loginId")
	check("signup", b.Open("/auth/signup"), "loginId")
	check("forgot", b.Open("/auth/forgot"), "loginId")
	b.SignUp(Ann)
	check("name", b.Open("/auth/account/name"), "name")
	check("email", b.Open("/auth/account/email"), "newEmail")
	check("password", b.Open("/auth/account/password"), "currentPassword")
	b.Send("/password/reset", "loginId", Ann)
	b.Open(k.EmailedLink(t, usher.MessageConfirmAndReset)).WantRedirect(t, "/auth/reset")
	check("reset", b.Open("/auth/reset"), "newPassword")
}

// What stands above the form is read aloud with the input that has the focus.
func TestWhatIsWrongAboveAFormIsDescribed(t *testing.T) {
	store := NewFaults()
	k, b := NewPages(t, pages.Config{}, Setup{Store: store})
	k.SignUpVerified(Ann)
	check := func(name string, v View, id, described string) {
		t.Helper()
		if gotID, got := focus(t, v); gotID != id || !strings.HasSuffix(" "+got, " "+described) {
			t.Errorf("%s: the focus is on %q, described by %q", name, gotID, got)
		}
	}
	store.Fail(errors.New("down"))
	check("503 on sign-in", b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantPage(t, 503), "password", "alert")
	check("503 on forgot", b.Send("/password/reset", "loginId", Ann).WantPage(t, 503), "loginId", "alert")
	store.Fail(nil)
	for range 5 {
		b.Send("/signin", "loginId", Ann, "password", OtherPassword).WantPage(t, 401)
	}
	check("429", b.Send("/signin", "loginId", Ann, "password", OtherPassword).WantPage(t, 429), "password", "alert")
	b.Send("/password/reset", "loginId", Ann)
	link := k.EmailedLink(t, usher.MessageResetPassword)
	_, token, _ := strings.Cut(link, "token=")
	b.Send("/password/reset/complete", "token", token, "newPassword", OtherPassword).WantRedirect(t, "/auth/signin")
	check("a notice", b.Open("/auth/signin"), "password", "notice")
}

// An outage page says what is unavailable, and where to go on.
func TestAnOutageSaysWhatAndWhere(t *testing.T) {
	store := NewFaults()
	_, b := NewPages(t, pages.Config{Home: "/home"}, Setup{Store: store, Service: func(c *usher.Config) { c.Name = "Acme" }})
	b.Do(http.MethodPost, "/auth/signup", Form("loginId", Ann, "password", GoodPassword, "name", "Ann")).WantRedirect(t, "/home")
	store.Fail(errors.New("down"))
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantPage(t, 503, "Sign-in is unavailable right now. Try again in a moment.")
	b.Send("/signup", "loginId", Bob, "password", GoodPassword).WantPage(t, 503, "Sign-up is unavailable right now.")
	b.Send("/password/reset", "loginId", Ann).WantPage(t, 503, "The service is unavailable right now.")
	b.Open("/auth/account").WantPage(t, 503, "The service is unavailable right now.", `<a class="button" href="/auth/account">Try again</a>`, "Reference: ")
	b.Send("/account/sessions/x").WantPage(t, 503, `<a class="button" href="/auth/account">Try again</a>`)
	store.Fail(nil)
	b.Open("/auth/nothing").WantPage(t, 404, `<a class="button" href="/home">Back to Acme</a>`)
	b.Do(http.MethodPost, "/auth/signin", "loginId="+strings.Repeat("a", 20<<10)).WantPage(t, 413, `<a class="button" href="/home">Back to Acme</a>`)
	for range 3 {
		b.Send("/email/verify/send")
	}
	b.Send("/email/verify/send").WantPage(t, 429, `<a class="button" href="/auth/account">Try again</a>`)
}

// After another email was sent, the account page shows that, and no second message.
func TestOneMessageAboutTheAddress(t *testing.T) {
	_, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	const waits = `class="message hold"`
	b.Open("/auth/account").WantPage(t, 200, waits)
	b.Send("/email/verify/send").WantRedirect(t, "/auth/account")
	v := b.Open("/auth/account").WantPage(t, 200, `class="message notice"`, "Not confirmed yet")
	if strings.Contains(v.Body, waits) {
		t.Errorf("two messages: %s", MainElement(v.Body))
	}
	b.Send("/account/name", "name", "Ann").WantRedirect(t, "/auth/account")
	b.Open("/auth/account").WantPage(t, 200, waits, "Your name has been saved.")
}

func TestPW04_TooLongSaysHowLong(t *testing.T) {
	_, b := NewPages(t, pages.Config{}, Setup{})
	for _, path := range []string{"/signin", "/signup"} {
		b.Send(path, "loginId", Ann, "password", strings.Repeat("x", 600)).WantPage(t, 400, "Use at most 256 characters.")
	}
}

// The rules of the policy are beside the input, also if the length is the only rule.
// Advice that does not meet the policy is not.
func TestHP15_ThePolicyStandsBesideTheInput(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	const advice = "A few words in a row are easy to remember."
	b.Open("/auth/signup").WantPage(t, 200, `<ul class="rules" id="password-rules">`, `<li data-rule="length">At least 15 characters`, advice,
		`aria-describedby="password-hint password-rules"`)
	b.SignUp(Ann)
	b.Open("/auth/account/password").WantPage(t, 200, "At least 15 characters")
	b.Send("/password/reset", "loginId", Ann)
	b.Open(k.EmailedLink(t, usher.MessageConfirmAndReset)).WantRedirect(t, "/auth/reset")
	b.Open("/auth/reset").WantPage(t, 200, "At least 15 characters")
	if err := k.Service.Operator("test").ExpirePassword(t.Context(), k.UserID(Ann)); err != nil {
		t.Fatal(err)
	}
	k.Browser(t).Send("/signin", "loginId", Ann, "password", GoodPassword).WantPage(t, 403, "At least 15 characters")
	_, b = NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.Password.Number = true }})
	v := b.Open("/auth/signup").WantPage(t, 200, `<li data-rule="length">`, `<li data-rule="number">`, `aria-describedby="password-rules"`)
	if strings.Contains(v.Body, advice) {
		t.Error("advice that the policy refuses")
	}
}
