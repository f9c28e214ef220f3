package pages_test

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

// A forged link to a page that confirms something shows nothing. Only the browser that
// sent the form sees the confirmation.
func TestNoForgedLinkSaysThatAnAddressIsConfirmed(t *testing.T) {
	k, own := NewPages(t, pages.Config{}, Setup{})
	own.SignUp(Ann)
	link := k.EmailedLink(t, usher.MessageVerifyEmail)
	const done = "/auth/verify?done=1"

	k.Browser(t).Open(done).WantRedirect(t, "/auth/account")
	own.Open(done).WantRedirect(t, "/auth/account")
	own.Open("/auth/account").WantPage(t, 200, "Not confirmed yet")
	holder := k.Browser(t)
	_, token := holder.OpenVerifyLink(link)
	holder.Open(done).WantRedirect(t, "/auth/verify")
	holder.Open("/auth/verify").WantPage(t, 200, "Confirm your email address")
	holder.Send("/email/verify", "token", token, "password", OtherPassword).WantPage(t, 401)
	holder.Open(done).WantRedirect(t, "/auth/verify")

	holder.Send("/email/verify", "token", token, "password", GoodPassword).WantRedirect(t, done)
	for range 2 { // the page can be loaded again
		holder.Open(done).WantPage(t, 200, "Address confirmed", `href="/auth/signin"`)
	}
	own.Open(done).WantRedirect(t, "/auth/account")
	k.Browser(t).Open(done).WantRedirect(t, "/auth/account")
	k.Clock.Add(10 * time.Minute)
	holder.Open(done).WantRedirect(t, "/auth/account")
	own.Open("/auth/account").WantPage(t, 200, "Confirmed")
}

func TestNoForgedLinkSaysThatAnEmailWasSent(t *testing.T) {
	for _, test := range []struct{ form, page string }{{"/password/reset", "/auth/forgot"}, {"/signup", "/auth/signup"}} {
		k, b := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.ConfirmFirst = true }})
		sent := test.page + "?sent=1"
		b.Open(sent).WantRedirect(t, test.page)
		// A login id that was typed on another page proves nothing.
		b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantPage(t, 401)
		b.Open(sent).WantRedirect(t, test.page)
		b.Open(test.page).WantPage(t, 200, "<form")
		b.Send(test.form, "loginId", "no address@", "password", GoodPassword).WantPage(t, 400)
		b.Open(sent).WantRedirect(t, test.page)

		b.Send(test.form, "loginId", Ann, "password", GoodPassword).WantRedirect(t, sent)
		for range 2 { // the page can be loaded again
			b.Open(sent).WantPage(t, 200, "Check your email", Ann)
		}
		// The page of another form shows nothing.
		for _, other := range []string{"/auth/forgot?sent=1", "/auth/signup?sent=1", "/auth/verify?done=1"} {
			if other != sent && b.Open(other).Status != 303 {
				t.Errorf("after %s, %s says that it was successful", test.form, other)
			}
		}
		k.Browser(t).Open(sent).WantRedirect(t, test.page)
		k.Clock.Add(10 * time.Minute)
		b.Open(sent).WantRedirect(t, test.page)
	}
}

// The page names the address of the form that was sent, not one that was typed on
// another page since.
func TestNoPageSaysThatAnEmailWasSentToAnotherAddress(t *testing.T) {
	for _, test := range []struct{ form, page string }{{"/password/reset", "/auth/forgot"}, {"/signup", "/auth/signup"}} {
		_, b := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.ConfirmFirst = true }})
		sent := test.page + "?sent=1"
		b.Send(test.form, "loginId", Ann, "password", GoodPassword).WantRedirect(t, sent)
		b.Send("/signin", "loginId", Bob, "password", GoodPassword).WantPage(t, 401)
		if v := b.Open(sent).WantPage(t, 200, "Check your email"); strings.Contains(v.Body, Bob) || strings.Contains(MainElement(v.Body), "<form") {
			t.Errorf("after %s for %s: %s", test.form, Ann, MainElement(v.Body))
		}
		b.Open("/auth/signin").WantPage(t, 200, Bob)
		b.Send(test.form, "loginId", Bob, "password", GoodPassword).WantRedirect(t, sent)
		b.Open(sent).WantPage(t, 200, Bob)
	}
}

func TestNoForgedLinkSaysThatTheUserIsSignedOut(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	unknown := k.Browser(t)
	says := func(b *Browser, path string, header ...string) bool {
		return strings.Contains(b.Open(path, header...).WantPage(t, 200).Body, "You’re signed out")
	}
	for _, path := range []string{"/auth/signin?notice=signed_out", "/auth/signin?notice=signed_out_all"} {
		for _, site := range []string{"cross-site", "same-site", "same-origin", "none", ""} {
			if says(unknown, path, "Sec-Fetch-Site", site) || says(b, path+"&prompt=login", "Sec-Fetch-Site", site) {
				t.Errorf("%s from %q says so", path, site)
			}
		}
	}
	for _, form := range []string{"/signout", "/signout/all"} {
		b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
		b.Send(form).WantRedirect(t, "/auth/signin")
		if !says(b, "/auth/signin", "Sec-Fetch-Site", "") {
			t.Errorf("%s: our own redirect does not say so", form)
		}
		if says(b, "/auth/signin") {
			t.Errorf("%s: the page says so twice", form)
		}
	}
	// Nor does the page say so after the next sign-in.
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
	b.Send("/signout").WantRedirect(t, "/auth/signin")
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
	if says(b, "/auth/signin?prompt=login") {
		t.Error("the page says so although a user is signed in")
	}
}

// A login id that was typed on one page is filled in on the next one.
func TestWhatWasTypedIsKept(t *testing.T) {
	k, _ := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	filled := `name="loginId" type="text" inputmode="email" autocomplete="username" value="` + Ann + `"`

	b := k.Browser(t)
	b.Send("/signin", "loginId", Ann, "password", OtherPassword).WantPage(t, 401)
	b.Open("/auth/forgot").WantPage(t, 200, filled)
	b.Open("/auth/signin").WantPage(t, 200, filled)
	if id, _ := focus(t, b.Open("/auth/signin")); id != "password" {
		t.Errorf("the focus is on %q: what is left to type is the password", id)
	}
	b.Send("/password/reset", "loginId", Ann).WantRedirect(t, "/auth/forgot?sent=1")
	b.Open("/auth/signin").WantPage(t, 200, filled)

	reader := k.Browser(t) // opens the link on another device
	link := k.EmailedLink(t, usher.MessageResetPassword)
	reader.Open(link).WantRedirect(t, "/auth/reset")
	_, token, _ := strings.Cut(link, "token=")
	reader.Send("/password/reset/complete", "token", token, "newPassword", OtherPassword).WantRedirect(t, "/auth/signin")
	reader.Open("/auth/signin").WantPage(t, 200, filled)

	for name, c := range b.Cookies {
		if strings.Contains(c.Value, "ann") {
			t.Errorf("the cookie %s can be read", name)
		}
	}
	const note = "__Host-note__typed"
	if b.Cookies[note] == nil {
		t.Fatalf("no note: %v", b.Cookies)
	}
	b.Send("/signin", "loginId", Ann, "password", OtherPassword).WantRedirect(t, "/")
	if b.Cookies[note] != nil {
		t.Error("kept after the sign-in")
	}
	b.Do("POST", "/auth/signin", Form("loginId", strings.Repeat("a", 5000), "password", "x")).WantPage(t, 400)
	if v := b.Open("/auth/forgot"); strings.Contains(v.Body, "aaa") {
		t.Error("more is kept than a login id has")
	}
}

func TestATakenAddressLeadsOn(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUp(Ann)
	b.Send("/signup", "loginId", Ann, "password", GoodPassword, "return_to", "/in").WantPage(t, 409,
		`<a href="/auth/signin?return_to=%2Fin">Sign in</a>`, `<a href="/auth/forgot">Reset your password</a>`)
	b.Open("/auth/signin?return_to=/in").WantPage(t, 200, `value="`+Ann+`"`, `name="return_to" value="/in"`)
	b.Open("/auth/forgot").WantPage(t, 200, `value="`+Ann+`"`)
}

func TestRS03_SendAgainSends(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	k.ClearRecords()
	b.Send("/password/reset", "loginId", Ann).WantRedirect(t, "/auth/forgot?sent=1")
	v := b.Open("/auth/forgot?sent=1").WantPage(t, 200, Ann, `action="/auth/password/reset"`,
		`name="loginId" value="`+Ann+`"`, `name="again" value="1"`)
	if strings.Contains(v.Body, `class="message`) {
		t.Error("the first email is reported as another one")
	}
	b.Send("/password/reset", "loginId", Ann, "again", "1").WantRedirect(t, "/auth/forgot?sent=1")
	b.Open("/auth/forgot?sent=1").WantPage(t, 200, Ann, "If the address belongs to an account, we’ve sent another email.")
	if got := k.EmailKinds(); got != "reset_password reset_password" {
		t.Errorf("emails: %s", got)
	}
	// After a sign-in, which removes the login id, the page does not offer to send again.
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
	if v := b.Open("/auth/forgot?sent=1").WantPage(t, 200, "Check your email"); strings.Contains(MainElement(v.Body), "<form") {
		t.Errorf("the page: %s", MainElement(v.Body))
	}
}

// With ConfirmFirst another email needs the password. After another sign-up the email
// would be about a new password.
func TestEV02_ConfirmFirstSendsAnotherEmail(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.ConfirmFirst = true }})
	b.Send("/signup", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/auth/signup?sent=1")
	v := b.Open("/auth/signup?sent=1").WantPage(t, 200, "sign in with the password you chose", `<a class="button" href="/auth/signin">`)
	if strings.Contains(v.Body, `action="/auth/signup"`) || strings.Contains(v.Body, `action="/auth/password/reset"`) {
		t.Error("the page sends another email")
	}
	b.Open("/auth/signin").WantPage(t, 200, `value="`+Ann+`"`)
	k.ClearRecords()
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantPage(t, 401)
	// That email is made after the answer, so that its time reveals nothing.
	for deadline := time.Now().Add(10 * time.Second); len(k.Mailbox.Messages()) == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if got := k.EmailKinds(); got != "verify_email" {
		t.Errorf("emails: %s", got)
	}
}

// The answer to each emailed link redirects to an address without the token, and no
// page sends its address to another site.
func TestHP03_NoAddressThatAPageSendsOnHasAToken(t *testing.T) {
	t.Parallel()
	for path, mail := range map[string]func(k *Kit, b *Browser) string{
		"/auth/verify": func(k *Kit, b *Browser) string { return k.EmailedLink(t, usher.MessageVerifyEmail) },
		"/auth/reset": func(k *Kit, b *Browser) string {
			b.Send("/password/reset", "loginId", Ann)
			return k.EmailedLink(t, usher.MessageConfirmAndReset)
		},
	} {
		k, b := NewPages(t, pages.Config{}, Setup{})
		b.SignUp(Ann)
		link := mail(k, b)
		_, token, _ := strings.Cut(link, "token=")
		reader := k.Browser(t)
		way := reader.Open(link).WantRedirect(t, path)
		if way.Header.Get("Referrer-Policy") != "no-referrer" || way.Body != "" {
			t.Errorf("%s: Referrer-Policy %q, body %q", path, way.Header.Get("Referrer-Policy"), way.Body)
		}
		for _, c := range reader.Cookies {
			if strings.Contains(c.Value, token) {
				t.Errorf("%s: the cookie %s can be read", path, c.Name)
			}
		}
		v := reader.Open(way.Location).WantPage(t, 200, `name="token" value="`+token+`"`)
		if v.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: Referrer-Policy %q", path, v.Header.Get("Referrer-Policy"))
		}
		// For requests that the page sends, the element replaces the header.
		metas := regexp.MustCompile(`<meta name="referrer" content="([^"]*)">`).FindAllStringSubmatch(v.Body, -1)
		if len(metas) != 1 || metas[0][1] != "same-origin" {
			t.Errorf("%s: elements for the referrer: %v", path, metas)
		}
		if n := strings.Count(v.Body, token); n != 1 {
			t.Errorf("%s: the token is %d times in the page, want once, in its form", path, n)
		}
	}
}

// The names of a program's notes are its own. The pages neither read nor change them.
func TestCK14_NotesOfTheProgramAreNotThoseOfThePages(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	const text = "mine@example.com"
	names := []string{"reset", "verify", "typed", "notice", "signedin", "redirects", "conflict", "afterforgot", "aftersignup", "afterverify"}
	w := httptest.NewRecorder()
	for _, name := range names {
		if err := k.Jar.SetNote(w, httptest.NewRequest("GET", "/", nil), name, text, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range w.Result().Cookies() {
		b.Cookies[c.Name] = c
	}
	for _, page := range []string{"/reset", "/verify"} {
		b.Open("/auth"+page).WantPage(t, 400, "Open the link in the email again")
	}
	if v := b.Open("/auth/signin").WantPage(t, 200); strings.Contains(v.Body, text) {
		t.Error("the sign-in page shows the text of a note of the program")
	}
	b.Open("/auth/forgot?sent=1").WantRedirect(t, "/auth/forgot")
	b.Send("/signin", "loginId", Ann, "password", OtherPassword).WantPage(t, 401)
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
	b.Open("/auth/signin?return_to=/x").WantRedirect(t, "/x")
	b.Send("/signout").WantRedirect(t, "/auth/signin")
	b.Open("/auth/signin").WantPage(t, 200)
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range b.Cookies {
		r.AddCookie(c)
	}
	for _, name := range names {
		if got := k.Jar.Note(r, name).Reveal(); got != text {
			t.Errorf("the note %q is %q afterwards", name, got)
		}
	}
}
