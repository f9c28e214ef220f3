package handlers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/pages"
)

// A stranger's link to a page of success says nothing: only the browser that has sent
// the form is told what it has done.
func TestNoLinkMakesAPageSayThatAnAddressIsConfirmed(t *testing.T) {
	k, own := newPages(t, pages.Config{}, setup{})
	own.signUp(ann)
	link := k.link(t, usher.MessageVerifyEmail)
	const done = "/auth/verify?done=1"

	k.browser(t).open(done).to(t, "/auth/account")
	own.open(done).to(t, "/auth/account")
	own.open("/auth/account").page(t, 200, "Not confirmed yet")
	holder := k.browser(t)
	_, token := holder.follow(link)
	holder.open(done).to(t, "/auth/verify")
	holder.open("/auth/verify").page(t, 200, "Confirm your email address")
	holder.send("/email/verify", "token", token, "password", otherPassword).page(t, 401)
	holder.open(done).to(t, "/auth/verify")

	holder.send("/email/verify", "token", token, "password", goodPassword).to(t, done)
	for range 2 { // and loaded again
		holder.open(done).page(t, 200, "Address confirmed", `href="/auth/signin"`)
	}
	own.open(done).to(t, "/auth/account")
	k.browser(t).open(done).to(t, "/auth/account")
	k.clock.add(10 * time.Minute)
	holder.open(done).to(t, "/auth/account")
	own.open("/auth/account").page(t, 200, "Confirmed")
}

func TestNoLinkMakesAPageSayThatAMailIsOnItsWay(t *testing.T) {
	for _, test := range []struct{ form, page string }{{"/password/reset", "/auth/forgot"}, {"/signup", "/auth/signup"}} {
		k, b := newPages(t, pages.Config{}, setup{service: func(c *usher.Config) { c.ConfirmFirst = true }})
		sent := test.page + "?sent=1"
		b.open(sent).to(t, test.page)
		// What was typed elsewhere is no proof of it.
		b.send("/signin", "loginId", ann, "password", goodPassword).page(t, 401)
		b.open(sent).to(t, test.page)
		b.open(test.page).page(t, 200, "<form")
		b.send(test.form, "loginId", "no address@", "password", goodPassword).page(t, 400)
		b.open(sent).to(t, test.page)

		b.send(test.form, "loginId", ann, "password", goodPassword).to(t, sent)
		for range 2 { // and loaded again
			b.open(sent).page(t, 200, "Check your email", ann)
		}
		// One form says nothing of another.
		for _, other := range []string{"/auth/forgot?sent=1", "/auth/signup?sent=1", "/auth/verify?done=1"} {
			if other != sent && b.open(other).status != 303 {
				t.Errorf("after %s, %s says that it was successful", test.form, other)
			}
		}
		k.browser(t).open(sent).to(t, test.page)
		k.clock.add(10 * time.Minute)
		b.open(sent).to(t, test.page)
	}
}

// A mail is on its way to the address of the form that was sent, and not to one that was
// typed elsewhere since.
func TestNoPageSaysThatAMailIsOnItsWayToAnotherAddress(t *testing.T) {
	for _, test := range []struct{ form, page string }{{"/password/reset", "/auth/forgot"}, {"/signup", "/auth/signup"}} {
		_, b := newPages(t, pages.Config{}, setup{service: func(c *usher.Config) { c.ConfirmFirst = true }})
		sent := test.page + "?sent=1"
		b.send(test.form, "loginId", ann, "password", goodPassword).to(t, sent)
		b.send("/signin", "loginId", bob, "password", goodPassword).page(t, 401)
		if v := b.open(sent).page(t, 200, "Check your email"); strings.Contains(v.body, bob) || strings.Contains(v.body, "<form") {
			t.Errorf("after %s for %s: %s", test.form, ann, main(v.body))
		}
		b.open("/auth/signin").page(t, 200, bob)
		b.send(test.form, "loginId", bob, "password", goodPassword).to(t, sent)
		b.open(sent).page(t, 200, bob)
	}
}

func TestNoLinkMakesAPageSayThatSomebodyIsSignedOut(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	stranger := k.browser(t)
	says := func(b *browser, path string, header ...string) bool {
		return strings.Contains(b.open(path, header...).page(t, 200).body, "You’re signed out")
	}
	for _, notice := range []string{"signed_out", "signed_out_all"} {
		path := "/auth/signin?notice=" + notice
		for _, site := range []string{"cross-site", "same-site", "none", ""} {
			if says(stranger, path, "Sec-Fetch-Site", site) {
				t.Errorf("%s from %q says so", notice, site)
			}
		}
		if !says(stranger, path) {
			t.Errorf("%s: our own redirect does not say so", notice)
		}
		if says(b, path+"&prompt=login") {
			t.Errorf("%s: the page says so to who is signed in", notice)
		}
	}
}
