package pages_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

func TestAccountNeedsASession(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	for _, path := range []string{"/account", "/account/name", "/account/email", "/account/password", "/account/delete", "/account/data", "/account/signout"} {
		b.Open("/auth"+path).WantRedirect(t, "/auth/signin?return_to=%2Fauth"+strings.ReplaceAll(path, "/", "%2F"))
	}
	for _, path := range []string{"/password/update", "/email/change", "/email/verify/send", "/signout/all", "/account/name", "/account/delete", "/account/email/cancel", "/account/sessions/x"} {
		b.Send(path, "x", "y").WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Faccount")
	}
	b.Send("/signout").WantRedirect(t, "/auth/signin")
	// The program's own pages redirect to the sign-in, too.
	b.Open("/protected?a=b").WantRedirect(t, "/auth/signin?return_to=%2Fprotected%3Fa%3Db")
	if a := k.Do(Get("~/protected")); a.Status != 401 {
		t.Errorf("a program gets %d", a.Status)
	}
}

func TestSE10_DevicesAreListedAndEndedOneByOne(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	other := k.Browser(t)
	other.Do("POST", "/auth/signin", Form("loginId", Ann, "password", GoodPassword),
		"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0").WantRedirect(t, "/")
	v := b.Open("/auth/account").WantPage(t, 200, "Firefox on Linux", "This device", "Active now")
	if strings.Contains(v.Body, "Gecko") {
		t.Error("the user agent is quoted")
	}
	id := regexp.MustCompile(`/auth/account/sessions/([^"]+)"><input [^>]*><button class="plain" aria-label="Sign out: Firefox on Linux"`).FindStringSubmatch(v.Body)
	if id == nil {
		t.Fatalf("no button:\n%s", MainElement(v.Body))
	}
	b.Send("/account/sessions/"+id[1]).WantRedirect(t, "/auth/account")
	v = b.Open("/auth/account").WantPage(t, 200, "The device has been signed out.")
	if strings.Contains(v.Body, "Firefox") {
		t.Error("the device is still there")
	}
	other.Open("/auth/account").WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Faccount")
	b.Send("/account/sessions/"+id[1]).WantRedirect(t, "/auth/account") // it has ended already
	b.Open("/auth/account").WantPage(t, 200)
}

// The current device comes first and has no button, and only the first devices are
// unfolded.
func TestSE10_TheCurrentDeviceComesFirst(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	rows := func(v View) []string { return strings.Split(v.Body, "<li>")[1:] }
	for n := 2; n <= 8; n++ {
		k.Clock.Add(time.Minute)
		k.Browser(t).Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
		v := b.Open("/auth/account").WantPage(t, 200)
		got := rows(v)
		if len(got) != n || !strings.Contains(got[0], "This device") || strings.Contains(got[0], "<form") {
			t.Fatalf("%d of %d devices, the first is %s", len(got), n, got[0])
		}
		for _, row := range got[1:] {
			if !strings.Contains(row, "<form") || strings.Contains(row, "This device") {
				t.Errorf("another device: %s", row)
			}
		}
		before, folded, _ := strings.Cut(v.Body, "<details>")
		if want := max(0, n-5); strings.Count(folded, "<li>") != want || strings.Count(before, "<li>") != min(n, 5) {
			t.Errorf("%d devices: %d are folded, want %d", n, strings.Count(folded, "<li>"), want)
		}
	}
	b.Open("/auth/account").WantPage(t, 200, "<summary>3 more devices</summary>")
}

func TestSE10_NobodyEndsAnothersSession(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	u := k.SignUp(Bob)
	b.Send("/account/sessions/"+u.ID).WantRedirect(t, "/auth/account")
	if !k.IsSignedIn(u) {
		t.Error("another's session has ended")
	}
}

func TestCK08_SignOutAndEverywhere(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	other := k.Browser(t)
	other.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
	device := b.Cookies["__Host-device"]
	v := b.Send("/signout").WantRedirect(t, "/auth/signin")
	if b.Cookies["__Host-session"] != nil || device == nil || b.Cookies["__Host-device"] != device || v.Header.Get("Clear-Site-Data") != "" {
		t.Errorf("CK-08: after the sign-out the browser has %v, Clear-Site-Data is %q", b.Cookies, v.Header.Get("Clear-Site-Data"))
	}
	b.Open("/auth/signin").WantPage(t, 200, "You’re signed out.")
	b.Open("/auth/account").WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Faccount")
	other.Open("/auth/account").WantPage(t, 200, `action="/auth/signout"><button>Sign out<`, `<a class="button plain danger" href="/auth/account/signout">`)
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
	other.Send("/signout/all").WantRedirect(t, "/auth/signin")
	other.Open("/auth/signin").WantPage(t, 200, "You’re signed out everywhere.")
	b.Open("/auth/account").WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Faccount")
	if strings.Contains(b.Open("/auth/signin?notice=<b>").Body, "&lt;b") {
		t.Error("any notice can be put into the page")
	}
}

// Two users share a browser. The link of one of them ends the session of the other, says
// so before and after, and asks the first one to sign in.
func TestRS17_AResetBesideTheSessionOfAnotherUser(t *testing.T) {
	for _, json := range []bool{false, true} {
		k, b := NewPages(t, pages.Config{}, Setup{})
		k.SignUpVerified(Ann)
		b.SignUp(Bob)
		b.Send("/password/reset", "loginId", Ann)
		link := k.EmailedLink(t, usher.MessageResetPassword)
		_, token, _ := strings.Cut(link, "token=")
		b.Open(link).WantRedirect(t, "/auth/reset")
		b.Open("/auth/reset").WantPage(t, 200, Ann, "You’re signed in here as "+Bob+".")
		if json {
			v := b.Do("POST", "/auth/password/reset/complete", Object("token", token, "newPassword", OtherPassword),
				"Content-Type", "application/json", "Sec-Fetch-Mode", "cors")
			if v.Status != 200 {
				t.Fatalf("%d %s", v.Status, v.Body)
			}
		} else {
			b.Send("/password/reset/complete", "token", token, "newPassword", "short").WantPage(t, 400, "You’re signed in here as "+Bob+".")
			b.Send("/password/reset/complete", "token", token, "newPassword", OtherPassword).WantRedirect(t, "/auth/signin")
			b.Open("/auth/signin").WantPage(t, 200, "Your new password is set.", "the other account", `value="`+Ann+`"`)
		}
		if b.Cookies["__Host-session"] != nil {
			t.Errorf("JSON %t: the browser keeps the cookie of the other user", json)
		}
		b.Open("/protected").WantRedirect(t, "/auth/signin?return_to=%2Fprotected")
		b.Send("/signin", "loginId", Ann, "password", OtherPassword).WantRedirect(t, "/")
		b.Open("/auth/account").WantPage(t, 200, Ann)
	}
}

// A link that confirms an address of one user in the browser of another one names the
// user who stays signed in, before and after, and leads on to the sign-in, not into the
// account of that user.
func TestEV07_ALinkBesideTheSessionOfAnotherUser(t *testing.T) {
	for _, change := range []bool{false, true} {
		k, b := NewPages(t, pages.Config{}, Setup{})
		var link string
		if change {
			_, link = k.ChangeEmail(t, Ann, "new@example.com")
		} else {
			k.SignUp(Ann)
			link = k.EmailedLink(t, usher.MessageVerifyEmail)
		}
		b.SignUp(Bob)
		v, token := b.OpenVerifyLink(link)
		v.WantPage(t, 200, "You’re signed in here as "+Bob+".")
		b.Send("/email/verify", "token", token, "password", OtherPassword).WantPage(t, 401, "You’re signed in here as "+Bob+".")
		b.Send("/email/verify", "token", token, "password", GoodPassword).WantRedirect(t, "/auth/verify?done=1")
		v = b.Open("/auth/verify?done=1").WantPage(t, 200, "Address confirmed", "You’re still signed in here as "+Bob+".",
			`href="/auth/signin?prompt=select_account"`)
		if strings.Contains(MainElement(v.Body), `href="/"`) {
			t.Errorf("the page leads into the account of the other user:\n%s", MainElement(v.Body))
		}
		v = b.Open("/auth/signin?prompt=select_account").WantPage(t, 200, "You’re signed in here as "+Bob+".")
		if strings.Contains(v.Body, "some time ago") {
			t.Error("the sign-in page says that the sign-in is too old")
		}
		b.Open("/auth/account").WantPage(t, 200, Bob)
	}
	// In the user's own browser nothing of this is said.
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	v, token := b.OpenVerifyLink(k.EmailedLink(t, usher.MessageVerifyEmail))
	b.Send("/email/verify", "token", token).WantRedirect(t, "/auth/verify?done=1")
	for _, page := range []View{v, b.Open("/auth/verify?done=1").WantPage(t, 200, `href="/"`)} {
		if strings.Contains(page.Body, "signed in here") {
			t.Errorf("the page names another user:\n%s", MainElement(page.Body))
		}
	}
}

// After each kind of sign-out the browser goes where the program wants it to, if that is
// a path of this site.
func TestHP06_SignOutFollowsTheReturnPath(t *testing.T) {
	k, b := NewPages(t, pages.Config{Home: "/start"}, Setup{})
	b.Send("/signup", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/start")
	for _, path := range []string{"/signout", "/signout/all", "/account/sessions/"} {
		for to, want := range map[string]string{
			"/bye?a=b": "/bye?a=b", "": "/auth/signin", "//evil.test": "/auth/signin", "https://evil.test/": "/auth/signin",
		} {
			b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/start")
			own := path
			if path == "/account/sessions/" {
				list, err := k.Store.UserSessions(t.Context(), k.UserID(Ann), k.Clock.Now())
				if err != nil || len(list) != 1 {
					t.Fatalf("%d sessions, %v", len(list), err)
				}
				own += list[0].ID
			}
			b.Send(own, "return_to", to).WantRedirect(t, want)
			b.Open("/protected").WantRedirect(t, "/auth/signin?return_to=%2Fprotected")
		}
	}
	b.Send("/signout", "return_to", "/bye").WantRedirect(t, "/bye") // the session has ended already
}

// A message that the program keeps for its own next page is neither shown nor used up
// by the pages.
func TestHP11_TheFlashMessageOfTheProgramIsLeftAlone(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	mux := http.NewServeMux()
	mux.Handle("/", k.Server)
	mux.HandleFunc("/save", func(w http.ResponseWriter, r *http.Request) {
		if err := k.Jar.SetFlash(w, r, "signed_out"); err != nil {
			t.Error(err)
		}
	})
	var got string
	mux.HandleFunc("/next", func(w http.ResponseWriter, r *http.Request) { got = k.Jar.Flash(w, r) })
	k.Server = mux
	b.Open("/save")
	for _, path := range []string{"/auth/signin", "/auth/signup", "/auth/forgot"} {
		if v := b.Open(path).WantPage(t, 200); strings.Contains(v.Body, `id="notice"`) {
			t.Errorf("%s shows a message of the program:\n%s", path, MainElement(v.Body))
		}
	}
	b.SignUp(Ann)
	b.Open("/auth/account").WantPage(t, 200)
	b.Send("/account/name", "name", "Ann Lindqvist").WantRedirect(t, "/auth/account")
	b.Open("/auth/account").WantPage(t, 200, "Your name has been saved.")
	b.Send("/signout").WantRedirect(t, "/auth/signin")
	b.Open("/auth/signin").WantPage(t, 200, "You’re signed out.")
	if b.Open("/next"); got != "signed_out" {
		t.Errorf("the program reads %q, want its own message", got)
	}
}

func TestUP01_ChangeOfPasswordAsksForTheCurrentOne(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	b.Send("/password/update", "newPassword", OtherPassword).WantPage(t, 400, "Enter your current password.")
	b.Send("/password/update", "currentPassword", ThirdPassword, "newPassword", OtherPassword).WantPage(t, 401, "This is not your current password.")
	b.Send("/password/update", "currentPassword", GoodPassword, "newPassword", "short").WantPage(t, 400, "Use at least 15 characters.", `value="`+Ann+`"`)
	k.SignIn(Ann, GoodPassword)
	b.Send("/password/update", "currentPassword", GoodPassword, "newPassword", OtherPassword).WantRedirect(t, "/auth/account")
	b.Open("/auth/account").WantPage(t, 200, "Your password has been changed.")
	b.Open("/auth/account").WantPage(t, 200) // the message is shown once
	k.SignIn(Ann, OtherPassword)
}

func TestSE02_SignInEndsTheSessionBefore(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	planted := k.Browser(t)
	planted.Cookies["__Host-session"] = b.Cookies["__Host-session"]
	k.SignUp(Bob)
	b.Send("/signin", "loginId", Bob, "password", GoodPassword).WantRedirect(t, "/")
	planted.Open("/auth/account").WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Faccount")
}

func TestRS12_AResetSignsNobodyIn(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/")
	b.Send("/password/reset", "loginId", Ann)
	link := k.EmailedLink(t, usher.MessageResetPassword)
	_, token, _ := strings.Cut(link, "token=")
	b.Open(link).WantRedirect(t, "/auth/reset")
	b.Open("/auth/reset").WantPage(t, 200) // it works in a browser that is signed in
	b.Send("/password/reset/complete", "token", token, "newPassword", OtherPassword).WantRedirect(t, "/auth/signin")
	b.Open("/auth/signin").WantPage(t, 200, "Your new password is set.")
	b.Open("/auth/account").WantRedirect(t, "/auth/signin?return_to=%2Fauth%2Faccount")
}

// Two tabs, two accounts: a page of the first user is sent after the second has signed in.
func TestHP26_AFormOfTheAccountActsForTheUserWhoSawIt(t *testing.T) {
	shown := regexp.MustCompile(`<form [^>]*action="/auth(/[^"]+)"[^>]*>(?:\s*<input type="hidden" name="user" value="([^"]*)">)?`)
	k, b := NewPages(t, pages.Config{}, Setup{Service: Unlimited})
	k.Browser(t).SignUp(Bob)
	bob := k.SignIn(Bob, GoodPassword)
	b.SignUp(Ann)
	k.SignIn(Ann, GoodPassword) // a second device
	b.Send("/email/change", "newEmail", "new@example.com", "currentPassword", GoodPassword).WantRedirect(t, "/auth/account")
	// What each form of the account has, and where its page is.
	type form struct{ page, action string }
	var forms []form
	for _, page := range []string{"/account", "/account/name", "/account/email", "/account/password", "/account/delete", "/account/signout", "/session/confirm"} {
		for _, f := range shown.FindAllStringSubmatch(b.Open("/auth"+page).WantPage(t, 200).Body, -1) {
			switch f[1] {
			case "/signout", "/language", "/email/verify": // the first two harm no user, and a code is one user's
				continue
			}
			if f[2] != k.UserID(Ann) {
				t.Errorf("%s: the form to %s names the user %q", page, f[1], f[2])
			}
			forms = append(forms, form{page, f[1]})
		}
	}
	if len(forms) != 9 {
		t.Errorf("the pages have %d forms: %v", len(forms), forms)
	}
	b.Send("/signin", "loginId", Bob, "password", GoodPassword).WantRedirect(t, "/")
	both := []string{"name", "Ann", "newEmail", "ann2@example.com", "currentPassword", GoodPassword, "newPassword", OtherPassword, "password", GoodPassword}
	for _, f := range forms {
		b.Send(f.action, append(both, "user", k.UserID(Ann))...).WantRedirect(t, "/auth"+f.page)
		b.Open("/auth"+f.page).WantPage(t, 200, "Another account is signed in by now, so nothing was changed.")
	}
	b.Send("/session/confirm", "password", GoodPassword, "user", k.UserID(Ann), "return_to", "/x").WantRedirect(t, "/auth/session/confirm?return_to=%2Fx")
	u, err := k.Service.Operator("test").UserByLoginID(t.Context(), Bob)
	if err != nil || u.Name != "Ann" || !k.IsSignedIn(bob) {
		t.Fatalf("the other user is %+v, %v", u, err)
	}
	if pending, err := k.Service.PendingEmail(t.Context(), u.ID); err != nil || pending.Address != "" {
		t.Errorf("the address of the other user is to become %q, %v", pending.Address, err)
	}
	b.Send("/account/name", "name", "Bob", "user", u.ID).WantRedirect(t, "/auth/account")
	b.Send("/account/delete", "currentPassword", GoodPassword).WantRedirect(t, "/auth/signin") // of a template of the program
}
