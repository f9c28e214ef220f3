package pages_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

func TestRS04_EV01_OpeningALinkSpendsNothing(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	link := k.EmailedLink(t, usher.MessageVerifyEmail)
	k.Browser(t).Scan(link)
	own := k.Browser(t)
	own.Open(link).WantRedirect(t, "/auth/verify")
	_, token, _ := strings.Cut(link, "token=")
	own.Open("/auth/verify").WantPage(t, 200, "To confirm that "+Ann+" is your address, enter the password")
	own.Send("/email/verify", "token", token, "password", GoodPassword).WantRedirect(t, "/auth/verify?done=1")
	own.Open("/auth/verify?done=1").WantPage(t, 200, "Address confirmed")

	k.ClearRecords()
	own.Send("/password/reset", "loginId", Ann).WantRedirect(t, "/auth/forgot?sent=1")
	own.Open("/auth/forgot?sent=1").WantPage(t, 200, "Check your email", Ann)
	link = k.EmailedLink(t, usher.MessageResetPassword)
	k.Browser(t).Scan(link)
	own.Open(link).WantRedirect(t, "/auth/reset")
	_, token, _ = strings.Cut(link, "token=")
	own.Send("/password/reset/complete", "token", token, "newPassword", WeakPassword).WantPage(t, 400, "easy to guess", token, Ann)
	own.Send("/password/reset/complete", "token", token, "newPassword", OtherPassword).WantRedirect(t, "/auth/signin")
	own.Open("/auth/signin").WantPage(t, 200, "Your new password is set.")
	k.SignIn(Ann, OtherPassword)
}

func TestRS05_TheLinkComesFromTheConfiguration(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	b.Do(http.MethodPost, "/auth/password/reset", Form("loginId", Ann),
		"X-Forwarded-Host", "evil.test", "Forwarded", "host=evil.test", "Referer", "https://evil.test/").WantRedirect(t, "/auth/forgot?sent=1")
	if link := k.EmailedLink(t, usher.MessageResetPassword); !strings.HasPrefix(link, "/auth/reset?token=") {
		t.Errorf("link %s", link)
	}
}

func TestRS07_OneLoginIDARequest(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	for _, body := range []string{
		"loginId=" + Ann + "&loginId=" + Bob, Form("loginId", Ann+","+Bob),
		Form("loginId", Ann+"\r\nBcc: "+Bob), "loginId[]=" + Ann, Form("loginId", "a\u0131nn@example.com"),
	} {
		b.Do(http.MethodPost, "/auth/password/reset", body).WantPage(t, 400)
	}
	if got := k.EmailKinds(); got != "" {
		t.Errorf("emails: %s", got)
	}
}

func TestRS08_EN03_TheSentPageRevealsNothing(t *testing.T) {
	k, _ := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	page := func(loginID string) string {
		b := k.Browser(t)
		b.Send("/password/reset", "loginId", loginID).WantRedirect(t, "/auth/forgot?sent=1")
		return strings.ReplaceAll(b.Open("/auth/forgot?sent=1").WantPage(t, 200).Body, loginID, "X")
	}
	if page(Ann) != page(Bob) {
		t.Error("the page reveals who has an account")
	}
}

// One page reports every link that does not work: random, used, expired, replaced or
// damaged.
func TestEN07_DeadLinksLookAlike(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) {
		c.Limits = usher.LimitConfig{Emails: 100, ResetEmails: 100, ResetRequests: 100}
	}})
	k.SignUpVerified(Ann)
	newLink := func() string {
		k.ClearRecords()
		b.Send("/password/reset", "loginId", Ann)
		return k.EmailedLink(t, usher.MessageResetPassword)
	}
	used, replaced := newLink(), newLink()
	_, token, _ := strings.Cut(used, "token=")
	b.Send("/password/reset/complete", "token", token, "newPassword", OtherPassword).WantRedirect(t, "/auth/signin")
	old := newLink()
	k.Clock.Add(10*time.Minute + time.Second)

	var first string
	for name, link := range map[string]string{
		"random": "/auth/reset?token=" + strings.Repeat("x", 43), "used": used, "replaced": replaced, "old": old,
		"empty": "/auth/reset?token=", "long": "/auth/reset?token=" + strings.Repeat("x", 5000),
	} {
		unknown := k.Browser(t)
		if v := unknown.Open(link); v.Status == 303 {
			link = v.Location
		}
		v := unknown.Open(link).WantPage(t, 400, "This link no longer works", "Send a new link", `action="/auth/password/reset"`)
		if first == "" {
			first = v.Body
		} else if v.Body != first {
			t.Errorf("%s differs", name)
		}
	}
	_, token, _ = strings.Cut(old, "token=")
	b.Send("/password/reset/complete", "token", token, "newPassword", ThirdPassword).WantPage(t, 400, "This link no longer works")
	b.Send("/email/verify", "token", token).WantPage(t, 400, "This link no longer works", "Sign in")
}

// The page of a dead link can be loaded again and again, and a good link that was
// opened in the same browser is not forgotten.
func TestRS13_LoadingADeadPageAgainIsNoAttempt(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	for _, page := range []string{"/reset", "/verify"} {
		b.Open("/auth" + page + "?token=" + strings.Repeat("y", 43))
		for range 15 {
			b.Open("/auth"+page).WantPage(t, 400, "This link")
		}
	}
	b.Send("/password/reset", "loginId", Ann)
	link := k.EmailedLink(t, usher.MessageResetPassword)
	b.Open(link).WantRedirect(t, "/auth/reset")
	b.Open("/auth/reset").WantPage(t, 200)
	b.Send("/password/reset/complete", "token", strings.Repeat("y", 43), "newPassword", OtherPassword).WantPage(t, 400, "This link")
	b.Open("/auth/reset").WantPage(t, 200, Ann)
	_, token, _ := strings.Cut(link, "token=")
	b.Send("/password/reset/complete", "token", token, "newPassword", OtherPassword).WantRedirect(t, "/auth/signin")
}

// The page of a link can be loaded again as long as the link works. A browser that has
// no link, because another one opened it or because it keeps no cookies, is told to open
// the link again, in every language.
func TestEV06_RS16_ALinkThatWorksIsNotSaidToBeDead(t *testing.T) {
	for _, test := range []struct{ page, works string }{{"/auth/verify", "Confirm your email address"}, {"/auth/reset", "Set a new password"}} {
		k, b := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.ResetLifetime = 24 * time.Hour }})
		k.SignUpVerified(Bob)
		b.Send("/password/reset", "loginId", Bob)
		k.Browser(t).SignUp(Ann)
		link := k.EmailedLink(t, usher.MessageVerifyEmail)
		if test.page == "/auth/reset" {
			link = k.EmailedLink(t, usher.MessageResetPassword)
		}
		b.Open(link).WantRedirect(t, test.page)
		for _, after := range []time.Duration{0, 11 * time.Minute, 23 * time.Hour} {
			k.Clock.Add(after)
			b.Open(test.page).WantPage(t, 200, test.works)
		}
		const again = "Open the link in the email again"
		other := k.Browser(t)
		for range 2 {
			if v := other.Open(test.page).WantPage(t, 400, again, "allow cookies"); strings.Contains(v.Body, "no longer works") {
				t.Error("a page without a link says that the link does not work")
			}
		}
		for lang, text := range map[string]string{"de": "Öffnen Sie den Link", "es": "Abra otra vez el enlace", "fr": "Ouvrez à nouveau le lien", "he": "יש לפתוח שוב את הקישור"} {
			other.Lang = lang
			other.Open(test.page).WantPage(t, 400, text)
		}
		other.Lang = ""
		other.Open(link).WantRedirect(t, test.page)
		other.Open(test.page).WantPage(t, 200, test.works)

		// Once it is used, it is dead, and stays so however often the page is loaded.
		_, token, _ := strings.Cut(link, "token=")
		if test.page == "/auth/reset" {
			other.Send("/password/reset/complete", "token", token, "newPassword", OtherPassword).WantRedirect(t, "/auth/signin")
		} else {
			other.Send("/email/verify", "token", token, "password", GoodPassword).WantRedirect(t, "/auth/verify?done=1")
		}
		for range 2 {
			other.Open(test.page).WantPage(t, 400, "This link no longer works")
			b.Open(test.page).WantPage(t, 400, "This link no longer works")
		}
	}
}

// On a shared computer a link does not outlive the sign-out.
// sessionOf returns the id of the browser's session.
func sessionOf(b *Browser) string {
	v := b.Do(http.MethodGet, "/auth/me", "", "Accept", "application/json", "Sec-Fetch-Mode", "cors")
	var me struct{ Session struct{ ID string } }
	if err := json.Unmarshal([]byte(v.Body), &me); err != nil || me.Session.ID == "" {
		b.T.Fatalf("no session in %s", v.Body)
	}
	return me.Session.ID
}

func TestEV06_SignOutRemovesAnOpenedLink(t *testing.T) {
	scriptSends := func(b *Browser, method, path string) {
		b.Do(method, "/auth"+path, "", "Content-Type", "", "Accept", "application/json", "Sec-Fetch-Mode", "cors")
	}
	for name, signOut := range map[string]func(b *Browser){
		"the form":                    func(b *Browser) { b.Send("/signout") },
		"the form, everywhere":        func(b *Browser) { b.Send("/signout/all") },
		"a script":                    func(b *Browser) { scriptSends(b, http.MethodPost, "/signout") },
		"a script, everywhere":        func(b *Browser) { scriptSends(b, http.MethodPost, "/signout/all") },
		"a script, by the session id": func(b *Browser) { scriptSends(b, http.MethodDelete, "/sessions/"+sessionOf(b)) },
	} {
		t.Run(name, func(t *testing.T) {
			k, b := NewPages(t, pages.Config{}, Setup{})
			b.T = t
			b.SignUp(Ann)
			b.Open(k.EmailedLink(t, usher.MessageVerifyEmail)).WantRedirect(t, "/auth/verify")
			signOut(b)
			if b.Cookies["__Host-session"] != nil {
				t.Fatal("the browser is still signed in")
			}
			b.Open("/auth/verify").WantPage(t, 400, "Open the link in the email again")
		})
	}
}

func TestRS14_TheOwnerIsNotified(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	k.ClearRecords()
	b.Send("/password/update", "currentPassword", GoodPassword, "newPassword", OtherPassword).WantRedirect(t, "/auth/account")
	if got := k.EmailKinds(); got != "password_changed" {
		t.Errorf("emails: %s", got)
	}
}

func TestEV03_TheOwnerOfTheMailboxTakesOver(t *testing.T) {
	k, squatter := NewPages(t, pages.Config{}, Setup{})
	squatter.SignUp(Ann)
	owner := k.Browser(t)
	k.ClearRecords()
	owner.Send("/password/reset", "loginId", Ann)
	link := k.EmailedLink(t, usher.MessageConfirmAndReset)
	owner.Open(link).WantRedirect(t, "/auth/reset")
	_, token, _ := strings.Cut(link, "token=")
	owner.Send("/password/reset/complete", "token", token, "newPassword", OtherPassword).WantRedirect(t, "/auth/signin")
	squatter.Open("/auth/account").WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Faccount")
	squatter.Send("/signin", "loginId", Ann, "password", GoodPassword).WantPage(t, 401)
	owner.Send("/signin", "loginId", Ann, "password", OtherPassword).WantRedirect(t, "/")
	owner.Open("/auth/account").WantPage(t, 200, "Confirmed")
}

func TestEV04_AVerificationLinkChangesNoSession(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Bob)
	link := k.EmailedLink(t, usher.MessageVerifyEmail)
	_, token, _ := strings.Cut(link, "token=")
	a := k.Browser(t)
	a.SignUp(Ann)
	before := a.Cookies["__Host-session"].Value
	a.Open(link).WantRedirect(t, "/auth/verify")
	a.Send("/email/verify", "token", token).WantPage(t, 403, Bob, "Enter your password.")
	a.Send("/email/verify", "token", token, "password", GoodPassword).WantRedirect(t, "/auth/verify?done=1")
	if a.Cookies["__Host-session"].Value != before {
		t.Error("another's link has changed the session")
	}
	a.Open("/auth/account").WantPage(t, 200, Ann, "Not confirmed yet")

	k.ClearRecords()
	a.Send("/email/verify/send").WantRedirect(t, "/auth/account")
	_, token, _ = strings.Cut(k.EmailedLink(t, usher.MessageVerifyEmail), "token=")
	unknown := k.Browser(t)
	unknown.Send("/email/verify", "token", token, "password", GoodPassword).WantRedirect(t, "/auth/verify?done=1")
	if unknown.Cookies["__Host-session"] != nil {
		t.Error("a session has begun")
	}
}

// RequireVerifiedEmail accepts a user who has just confirmed the address in the same
// browser at once, not only after the next refresh.
func TestEV02_TheSessionIsVerifiedAtOnce(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	mux := http.NewServeMux()
	mux.Handle("/", k.Server)
	mux.Handle("/verified", k.Handlers.RequireVerifiedEmail(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {})))
	k.Server = mux
	b.SignUp(Ann)
	if v := b.Open("/verified"); v.Status != 403 {
		t.Fatalf("before: %d", v.Status)
	}
	_, token, _ := strings.Cut(k.EmailedLink(t, usher.MessageVerifyEmail), "token=")
	k.Clock.Add(11 * time.Minute) // the middleware refreshes the tokens, and the page does so again
	v := b.Send("/email/verify", "token", token).WantRedirect(t, "/auth/verify?done=1")
	n := 0
	for _, line := range v.Header["Set-Cookie"] {
		if strings.HasPrefix(line, "__Host-session=") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the session cookie is set %d times", n)
	}
	if v := b.Open("/verified"); v.Status != 200 {
		t.Errorf("after: %d", v.Status)
	}
}

func TestEV05_ChangeOfAddress(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	k.ClearRecords()
	b.Send("/email/change", "newEmail", Bob, "currentPassword", OtherPassword).WantPage(t, 401, "This is not your current password.", `value="`+Bob+`"`)
	b.Send("/email/change", "newEmail", Bob).WantPage(t, 400, "Enter your current password.")
	if got := k.EmailKinds(); got != "" {
		t.Fatalf("emails: %s", got)
	}
	b.Send("/email/change", "newEmail", Bob, "currentPassword", GoodPassword).WantRedirect(t, "/auth/account")
	b.Open("/auth/account").WantPage(t, 200, Ann, "sent an email to the new address")
	if got := k.EmailKinds(); got != "change_email email_changing" {
		t.Errorf("emails: %s", got)
	}
	link := k.EmailedLink(t, usher.MessageChangeEmail)
	b.Open(link).WantRedirect(t, "/auth/verify")
	b.Open("/auth/verify").WantPage(t, 200, "Confirm your new email address", "Confirm that "+Bob+" is the new address")
	_, token, _ := strings.Cut(link, "token=")
	b.Send("/email/verify", "token", token).WantRedirect(t, "/auth/verify?done=1")
	b.Open("/auth/account").WantPage(t, 200, Bob, "Confirmed")
}

func TestEN05_ConfirmFirst(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.ConfirmFirst = true }})
	page := func(loginID string) string {
		b := k.Browser(t)
		b.Send("/signup", "loginId", loginID, "password", GoodPassword).WantRedirect(t, "/auth/signup?sent=1")
		return strings.ReplaceAll(b.Open("/auth/signup?sent=1").WantPage(t, 200, "Check your email").Body, loginID, "X")
	}
	if free, taken, other := page(Ann), page(Ann), page(Bob); free != taken || free != other {
		t.Error("the page reveals who has an account")
	}
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantPage(t, 401, "or the address isn’t confirmed yet")
	link := k.EmailedLink(t, usher.MessageVerifyEmail, Ann)
	b.Open(link).WantRedirect(t, "/auth/verify")
	b.Open("/auth/verify").WantPage(t, 200, "enter the password you chose")
	_, token, _ := strings.Cut(link, "token=")
	b.Send("/email/verify", "token", token, "password", GoodPassword).WantRedirect(t, "/auth/verify?done=1")
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
}

// Another site may link to any address of this one. A link that does not work does not take
// the place of the one that the user has opened.
func TestEV06_RS16_ALinkOfAnotherSiteRemovesNoOpenedLink(t *testing.T) {
	for page, kind := range map[string]usher.MessageKind{"/auth/reset": usher.MessageResetPassword, "/auth/verify": usher.MessageVerifyEmail} {
		k, b := NewPages(t, pages.Config{}, Setup{})
		k.SignUpVerified(Bob)
		b.Send("/password/reset", "loginId", Bob)
		k.Browser(t).SignUp(Ann)
		b.Open(k.EmailedLink(t, kind)).WantRedirect(t, page)
		for _, query := range []string{"token=", "token=x", "token=" + strings.Repeat("x", 43), "token=" + strings.Repeat("x", 5000), "token=a&token=b"} {
			v := b.Open(page+"?"+query, "Sec-Fetch-Site", "cross-site")
			if v.Status == http.StatusSeeOther {
				v = b.Open(v.Location)
			}
			v.WantPage(t, 400, "This link no longer works")
			b.Open(page).WantPage(t, 200)
		}
	}
}
