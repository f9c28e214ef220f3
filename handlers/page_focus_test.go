package handlers_test

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/pages"
)

// focus is the input that has the focus, and the ids of what describes it.
func focus(t *testing.T, v view) (id, describedby string) {
	t.Helper()
	for _, tag := range regexp.MustCompile(`<input [^>]*>`).FindAllString(v.body, -1) {
		if !strings.Contains(tag, " autofocus") {
			continue
		}
		if id != "" {
			t.Errorf("two inputs have the focus: %s", main(v.body))
		}
		id = regexp.MustCompile(` id="([^"]+)"`).FindStringSubmatch(tag)[1]
		if m := regexp.MustCompile(` aria-describedby="([^"]+)"`).FindStringSubmatch(tag); m != nil {
			describedby = m[1]
		}
	}
	return id, describedby
}

func TestEveryFormBeginsAtItsFirstInput(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	check := func(name string, v view, want string) {
		t.Helper()
		if got, _ := focus(t, v.page(t, 200)); got != want {
			t.Errorf("%s begins at %q, want %q", name, got, want)
		}
	}
	check("signin", b.open("/auth/signin"), "loginId")
	check("signup", b.open("/auth/signup"), "name")
	check("forgot", b.open("/auth/forgot"), "loginId")
	b.signUp(ann)
	check("name", b.open("/auth/account/name"), "name")
	check("email", b.open("/auth/account/email"), "newEmail")
	check("password", b.open("/auth/account/password"), "currentPassword")
	b.send("/password/reset", "loginId", ann)
	b.open(k.link(t, usher.MessageConfirmAndReset)).to(t, "/auth/reset")
	check("reset", b.open("/auth/reset"), "newPassword")
}

// What stands above the form is read aloud with the input that has the focus.
func TestWhatIsWrongAboveAFormIsDescribed(t *testing.T) {
	store := newFaults()
	k, b := newPages(t, pages.Config{}, setup{store: store})
	k.signUpVerified(ann)
	check := func(name string, v view, id, described string) {
		t.Helper()
		if gotID, got := focus(t, v); gotID != id || !strings.HasSuffix(" "+got, " "+described) {
			t.Errorf("%s: the focus is on %q, described by %q", name, gotID, got)
		}
	}
	store.fail(errors.New("down"))
	check("503 on sign-in", b.send("/signin", "loginId", ann, "password", goodPassword).page(t, 503), "password", "alert")
	check("503 on forgot", b.send("/password/reset", "loginId", ann).page(t, 503), "loginId", "alert")
	store.fail(nil)
	for range 5 {
		b.send("/signin", "loginId", ann, "password", otherPassword).page(t, 401)
	}
	check("429", b.send("/signin", "loginId", ann, "password", otherPassword).page(t, 429), "password", "alert")
	b.send("/password/reset", "loginId", ann)
	link := k.link(t, usher.MessageResetPassword)
	_, token, _ := strings.Cut(link, "token=")
	b.send("/password/reset/complete", "token", token, "newPassword", otherPassword).to(t, "/auth/signin")
	check("a notice", b.open("/auth/signin"), "password", "notice")
}

// An outage says what is out of order, and where to go on.
func TestAnOutageSaysWhatAndWhere(t *testing.T) {
	store := newFaults()
	k, b := newPages(t, pages.Config{Name: "Acme", Home: "/home"}, setup{store: store})
	b.do(http.MethodPost, "/auth/signup", form("loginId", ann, "password", goodPassword, "name", "Ann")).to(t, "/home")
	store.fail(errors.New("down"))
	b.send("/signin", "loginId", ann, "password", goodPassword).page(t, 503, "Sign-in is unavailable right now. Try again in a moment.")
	b.send("/signup", "loginId", bob, "password", goodPassword).page(t, 503, "Sign-up is unavailable right now.")
	b.send("/password/reset", "loginId", ann).page(t, 503, "The service is unavailable right now.")
	b.open("/auth/account").page(t, 503, "The service is unavailable right now.", `<a class="button" href="/auth/account">Try again</a>`, "Reference: ")
	b.send("/account/sessions/x").page(t, 503, `<a class="button" href="/auth/account">Try again</a>`)
	store.fail(nil)
	b.open("/auth/nothing").page(t, 404, `<a class="button" href="/home">Back to Acme</a>`)
	b.do(http.MethodPost, "/auth/signin", "loginId="+strings.Repeat("a", 20<<10)).page(t, 413, `<a class="button" href="/home">Back to Acme</a>`)
	link := "/auth/reset?token=" + strings.Repeat("y", 43)
	for range 10 {
		b.open(link)
		b.open("/auth/reset").page(t, 400)
	}
	b.open(link)
	b.open("/auth/reset").page(t, 429, `<a class="button" href="/auth/reset">Try again</a>`)
	_ = k
}

// After another mail is sent the account says so, and not besides that one waits.
func TestOneMessageAboutTheAddress(t *testing.T) {
	_, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	const waits = `class="message hold"`
	b.open("/auth/account").page(t, 200, waits)
	b.send("/email/verify/send").to(t, "/auth/account")
	v := b.open("/auth/account").page(t, 200, `class="message notice"`, "Not confirmed yet")
	if strings.Contains(v.body, waits) {
		t.Errorf("two messages: %s", main(v.body))
	}
	b.send("/account/name", "name", "Ann").to(t, "/auth/account")
	b.open("/auth/account").page(t, 200, waits, "Your name has been saved.")
}

func TestPW04_TooLongSaysHowLong(t *testing.T) {
	_, b := newPages(t, pages.Config{}, setup{})
	for _, path := range []string{"/signin", "/signup"} {
		b.send(path, "loginId", ann, "password", strings.Repeat("x", 600)).page(t, 400, "Use at most 256 characters.")
	}
}

// What the policy asks for stands beside the input, also where it is the length
// alone, and advice that would not meet it does not.
func TestThePolicyStandsBesideTheInput(t *testing.T) {
	_, b := newPages(t, pages.Config{}, setup{})
	const advice = "A few words in a row are easy to remember."
	b.open("/auth/signup").page(t, 200, `<ul class="rules" id="password-rules">`, `<li data-rule="length">At least 15 characters`, advice,
		`aria-describedby="password-hint password-rules"`)
	_, b = newPages(t, pages.Config{}, setup{service: func(c *usher.Config) { c.Password.Number = true }})
	v := b.open("/auth/signup").page(t, 200, `<li data-rule="length">`, `<li data-rule="number">`, `aria-describedby="password-rules"`)
	if strings.Contains(v.body, advice) {
		t.Error("advice that the policy refuses")
	}
}
