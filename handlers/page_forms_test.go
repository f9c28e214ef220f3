package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/pages"
)

func TestCS03_AFormMustSayWhereItComesFrom(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	k.signUp(ann)
	body := form("loginId", ann, "password", goodPassword)
	for _, test := range []struct {
		name   string
		header []string
		want   int
	}{
		{"neither header", []string{"Sec-Fetch-Site", ""}, 403},
		{"neither header, but X-Requested-With", []string{"Sec-Fetch-Site", "", "X-Requested-With", "x"}, 403},
		{"cross-site", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"same-site", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"foreign origin", []string{"Sec-Fetch-Site", "", "Origin", "https://evil.test"}, 403},
		{"null origin", []string{"Sec-Fetch-Site", "", "Origin", "null"}, 403},
		{"plain origin", []string{"Sec-Fetch-Site", "", "Origin", "http://app.example"}, 403},
		{"own origin", []string{"Sec-Fetch-Site", "", "Origin", "https://app.example"}, 303},
		{"same-origin", nil, 303},
	} {
		v := k.browser(t).do(http.MethodPost, "/auth/signin", body, test.header...)
		if v.status != test.want {
			t.Errorf("%s: %d, want %d", test.name, v.status, test.want)
		}
		if test.want == 403 && !strings.Contains(v.body, "sent from this site") {
			t.Errorf("%s: no page: %s", test.name, v.body)
		}
	}
	_ = b
}

func TestCS04_FormsOnlyWithPages(t *testing.T) {
	without := newKit(t, inCookies, setup{})
	without.do(post("/signin", form("loginId", ann, "password", goodPassword),
		"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")).want(t, 415, "unsupported_media_type")
	_, b := newPages(t, pages.Config{}, setup{})
	for _, contentType := range []string{"multipart/form-data; boundary=x", "text/plain", "application/json+x"} {
		v := b.do(http.MethodPost, "/auth/signin", "x", "Content-Type", contentType)
		if v.status != 415 {
			t.Errorf("%s: %d", contentType, v.status)
		}
	}
	for _, path := range []string{"/auth/account/name", "/auth/account/email/cancel", "/auth/account/sessions/x"} {
		if v := b.do(http.MethodPost, path, "{}", "Content-Type", "application/json"); v.status != 415 {
			t.Errorf("JSON at %s: %d", path, v.status)
		}
	}
}

func TestPagesNeedCookies(t *testing.T) {
	k := newKit(t, inBodies, setup{})
	if _, err := handlers.New(k.svc, handlers.Config{Pages: &pages.Config{}}); err == nil || !strings.Contains(err.Error(), "Cookies") {
		t.Errorf("error %v", err)
	}
}

// Beside the pages, programs find every route as it was.
func TestJSONIsServedBesideThePages(t *testing.T) {
	k, _ := newPages(t, pages.Config{}, setup{})
	u := k.signUp(ann)
	k.do(k.as(u, get("/me"))).want(t, 200, "")
	k.do(post("/signin", signUpBody(ann, otherPassword))).want(t, 401, "invalid_credentials")
	k.do(get("/me")).want(t, 401, "not_signed_in")
	if a := k.do(request{method: http.MethodPut, path: "/password/update"}); a.status != 405 || a.header.Get("Allow") != "POST" {
		t.Errorf("PUT: %d, Allow %q", a.status, a.header.Get("Allow"))
	}
}

func TestErrorsStandBesideTheirInput(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	k.signUp(ann)
	b.send("/signin").page(t, 400, "Enter your email address.", "Enter your password.", "<title>Error: ",
		`aria-describedby="loginId-error" aria-invalid="true" autofocus`)
	b.send("/signin", "loginId", ann, "password", otherPassword).page(t, 401,
		`role="alert"`, "The email address or password is wrong.", `value="`+ann+`"`, `aria-describedby="alert" autofocus`)
	v := b.send("/signup", "loginId", bob, "password", weakPassword, "name", "Bob").page(t, 400,
		"This password is easy to guess.", `value="`+bob+`"`, `value="Bob"`, `aria-describedby="password-hint password-rules password-error"`)
	if strings.Contains(v.body, weakPassword) {
		t.Error("the password comes back")
	}
	b.send("/signup", "loginId", ann, "password", otherPassword).page(t, 409, "There’s already an account with this address.", `id="loginId-error"`)
	b.send("/signup", "loginId", "a@b@c", "password", otherPassword).page(t, 400, "Enter an email address like")
	b.send("/signup", "loginId", bob, "password", otherPassword, "name", strings.Repeat("x", 300)).page(t, 400, "This name is too long.", `id="name-error"`)
	v = b.do(http.MethodPost, "/auth/signin", "loginId=a&loginId=b&password=x").page(t, 400, "incomplete or not valid")
	if strings.Contains(v.body, "<form") {
		t.Error("a form that is no form of ours is shown again")
	}
	b.do(http.MethodPost, "/auth/signin", "loginId=%ff&password=x").page(t, 400)
	b.do(http.MethodPost, "/auth/signin", "loginId="+strings.Repeat("a", 20<<10)).page(t, 413)
	b.open("/auth/password/reset").page(t, 405)
}

func TestSI01_TheLimitIsSaidInWords(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	k.signUp(ann)
	for range 5 {
		b.send("/signin", "loginId", ann, "password", otherPassword).page(t, 401)
	}
	v := b.send("/signin", "loginId", ann, "password", goodPassword).page(t, 429, "Too many attempts. Wait 30 seconds, then try again.", `value="`+ann+`"`)
	if v.header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After is %q", v.header.Get("Retry-After"))
	}
	b.lang = "de"
	b.send("/signin", "loginId", ann, "password", goodPassword).page(t, 429, "Zu viele Versuche. Warten Sie 30 Sekunden")
}

func TestEN01_FailedSignInsLookAlike(t *testing.T) {
	k, _ := newPages(t, pages.Config{}, setup{service: func(c *usher.Config) { c.InsecureNoThrottle = true }})
	k.signUp(ann)
	page := func(loginID string) string {
		v := k.browser(t).send("/signin", "loginId", loginID, "password", otherPassword).page(t, 401)
		return strings.ReplaceAll(v.body, loginID, "X")
	}
	if page(ann) != page(bob) {
		t.Error("the page tells who has an account")
	}
}

func TestAnExpiredPasswordIsReplaced(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	k.signUp(ann)
	if err := k.svc.ExpirePassword(t.Context(), k.userID(ann)); err != nil {
		t.Fatal(err)
	}
	b.send("/signin", "loginId", ann, "password", goodPassword, "return_to", "/in").page(t, 403,
		"Your password has expired.", `action="/auth/password/replace"`, `value="`+ann+`"`, `value="/in"`)
	b.send("/password/replace", "loginId", ann, "oldPassword", otherPassword, "newPassword", thirdPassword).page(t, 401, "This is not your current password.")
	b.send("/password/replace", "loginId", ann, "oldPassword", goodPassword, "newPassword", goodPassword).page(t, 400, "You’ve used this password before.")
	b.send("/password/replace", "loginId", ann, "oldPassword", goodPassword, "newPassword", otherPassword, "return_to", "/in").to(t, "/in")
	b.open("/auth/account").page(t, 200)
}

func TestSU08_ClosedSignUpSaysSo(t *testing.T) {
	_, b := newPages(t, pages.Config{}, setup{service: func(c *usher.Config) { c.SignUpClosed = true }})
	for _, v := range []view{
		b.open("/auth/signup").page(t, 200), b.send("/signup", "loginId", ann, "password", goodPassword).page(t, 403),
	} {
		if !strings.Contains(v.body, "<h1>Sign-up is closed</h1>") || strings.Count(v.body, "No new accounts can be created here.") != 1 ||
			strings.Contains(v.body, "<form") || strings.Contains(v.body, `role="alert"`) {
			t.Errorf("the page: %s", main(v.body))
		}
	}
	if strings.Contains(b.open("/auth/signin").body, "/signup") {
		t.Error("the sign-in page leads to it")
	}
}

func FuzzParseForm(f *testing.F) {
	for _, s := range []string{"", "a=b", "a=b&a=c", "%", "a=%ff", "a;b=c", "loginId=ann%40example.com&password=%F0%9F%A6%A6"} {
		f.Add(s)
	}
	k := newKit(f, inCookies, setup{config: func(c *handlers.Config) { c.Pages = &pages.Config{} }})
	b := &browser{k: k}
	f.Fuzz(func(t *testing.T, body string) {
		b.t = t
		b.cookies = map[string]*http.Cookie{}
		if v := b.do(http.MethodPost, "/auth/account/name", body); v.status >= 500 {
			t.Errorf("%q: %d", body, v.status)
		}
		if v := b.do(http.MethodPost, "/auth/email/verify", body); v.status >= 500 {
			t.Errorf("%q: %d", body, v.status)
		}
	})
}

// Who has several inputs to mend sees all of them at once.
func TestFormsSayEverythingThatIsWrong(t *testing.T) {
	_, b := newPages(t, pages.Config{}, setup{})
	b.open("/auth/signup").page(t, 200)
	v := b.send("/signup", "loginId", "no address@", "password", "short").page(t, 400)
	for _, name := range []string{"loginId", "password"} {
		if !strings.Contains(v.body, `id="`+name+`-error"`) {
			t.Errorf("nothing beside %s:\n%s", name, main(v.body))
		}
	}
}
