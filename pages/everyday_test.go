package pages_test

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

// Opening the page, also by a link of another site, ends no session.
func TestHP18_SignOutEverywhereAsksFirst(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	u := k.SignIn(Ann, GoodPassword)
	b.Open("/auth/account/signout", "Sec-Fetch-Site", "cross-site").WantPage(t, 200,
		`<h1>Sign out everywhere?</h1>`, `action="/auth/signout/all"`, `href="/auth/account">Cancel`)
	b.Open("/auth/account").WantPage(t, 200)
	if !k.IsSignedIn(u) {
		t.Error("a page that was only opened has ended a session")
	}
	b.Send("/signout/all").WantRedirect(t, "/auth/signin")
	if k.IsSignedIn(u) {
		t.Error("another device is still signed in")
	}
}

// The page after a request for an email leads to the website of the mailbox. It depends
// on the typed domain alone, so it does not reveal whether there is an account.
func TestHP19_TheSentPageOpensTheMailbox(t *testing.T) {
	link := regexp.MustCompile(`<a [^>]*target="_blank"[^>]*>`)
	for _, confirmFirst := range []bool{false, true} {
		k, _ := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.ConfirmFirst = confirmFirst; Unlimited(c) }})
		k.Browser(t).Send("/signup", "loginId", "taken@gmail.com", "password", GoodPassword)
		for address, want := range map[string]string{
			"taken@gmail.com": "https://mail.google.com/", "free@GMAIL.com": "https://mail.google.com/", "x@outlook.com": "https://outlook.live.com/mail/",
			"x@yahoo.com": "https://mail.yahoo.com/", "x@icloud.com": "https://www.icloud.com/mail", "x@gmx.de": "https://www.gmx.net/",
			"x@proton.me": "https://mail.proton.me/", "x@example.com": "", "x@mail.gmail.com": "", "x@gmail.com.example": "",
		} {
			b := k.Browser(t)
			b.Send("/password/reset", "loginId", address).WantRedirect(t, "/auth/forgot?sent=1")
			pages := []View{b.Open("/auth/forgot?sent=1").WantPage(t, 200, address)}
			if confirmFirst {
				b.Send("/signup", "loginId", address, "password", GoodPassword).WantRedirect(t, "/auth/signup?sent=1")
				pages = append(pages, b.Open("/auth/signup?sent=1").WantPage(t, 200, address))
			}
			for _, v := range pages {
				switch tag := link.FindString(v.Body); {
				case want == "" && tag != "":
					t.Errorf("%s leads to %s", address, tag)
				case want != "" && (!strings.Contains(tag, `href="`+want+`"`) || !strings.Contains(tag, `rel="noopener noreferrer"`)):
					t.Errorf("%s has the link %q, want %s without a referrer", address, tag, want)
				}
			}
		}
	}
}

// The account page says what a user recognizes: the device, when it was active, and
// whether it is in the same network. The last half of an IPv6 address says nothing.
func TestHP20_SessionsAreDescribedForPeople(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	for _, from := range []struct{ address, agent string }{
		{"192.0.2.1", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
		{"2001:db8:1:2:aaaa:bbbb:cccc:dddd", "curl/8"}, {"203.0.113.7", ""}, {"", "x"},
	} {
		address, _ := netip.ParseAddr(from.address)
		if _, err := k.Service.SignIn(t.Context(), usher.SignInParams{LoginID: Ann, Password: GoodPassword}, usher.Client{Address: address, UserAgent: from.agent}); err != nil {
			t.Fatal(err)
		}
		k.Clock.Add(3 * time.Minute)
	}
	text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(b.Open("/auth/account").WantPage(t, 200).Body, "")
	for _, want := range []string{
		"This device\nActive now\n", "Firefox on Linux\nSame network as this device · Last active 12 minutes ago",
		"IP address 2001:db8:1:2:… · Last active 9 minutes ago", "IP address 203.0.113.7 · Last active 6 minutes ago", "Unknown device\nLast active 3 minutes ago",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "192.0.2.1") || strings.Contains(text, "aaaa") {
		t.Errorf("the page has more of an address than it needs:\n%s", text)
	}
}

// The address comes first, then the password; an error of the password is beside it.
func TestHP04_SignUpAsksForTheAddressFirst(t *testing.T) {
	_, b := NewPages(t, pages.Config{}, Setup{})
	v := b.Open("/auth/signup").WantPage(t, 200)
	address, password, name := strings.Index(v.Body, `name="loginId"`), strings.Index(v.Body, `name="password"`), strings.Index(v.Body, `name="name"`)
	if address < 0 || address > password || password > name {
		t.Errorf("the address is at %d, the password at %d, the name at %d", address, password, name)
	}
	v = b.Send("/signup", "loginId", Ann, "password", "short").WantPage(t, 400, `id="password-error"`)
	if strings.Contains(v.Body, `id="name-error"`) {
		t.Error("the name is blamed")
	}
}
