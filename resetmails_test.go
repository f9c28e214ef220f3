package usher_test

import (
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
)

// Strangers use up their own mails, not those of the owner's browser.
func TestRS13_StrangersDoNotUseUpTheOwnersMails(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ResetLife = 2 * time.Minute })
	owner := from("203.0.113.9")
	owner.Device = k.signUpVerified(ann).Device
	k.clock.add(time.Hour)
	ask := func(c usher.Client, want string) {
		t.Helper()
		k.events.reset()
		k.forget(ann, c)
		k.wantMail(want)
		k.clock.add(time.Minute)
	}
	for i := range 3 {
		ask(nth(i), "reset_password")
	}
	ask(nth(4), "")
	// A browser that was known to somebody else is a stranger.
	k.clock.add(-time.Minute)
	eve := nth(5)
	eve.Device = k.signUp("eve@example.com").Device
	k.wantMail("verify_email")
	ask(eve, "")
	for range 3 {
		ask(owner, "reset_password")
	}
	ask(owner, "")
	if got := k.events.take(); !strings.HasSuffix(got, "authn_password_reset_request:too_many_mails") {
		t.Errorf("events are %q", got)
	}
	k.clock.add(time.Hour)
	ask(nth(6), "reset_password")
}

// A request that finds three links open costs the owner no mail.
func TestRS13_OpenLinksUseUpNoMails(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	owner := from("203.0.113.9")
	owner.Device = k.signUpVerified(ann).Device
	for i := range 3 {
		k.forget(ann, nth(i))
	}
	k.wantMail("reset_password reset_password reset_password")
	k.events.reset()
	for range 5 { // they are in the owner's mailbox, and serve
		k.forget(ann, owner)
	}
	if n := strings.Count(k.events.take(), "too_many_links"); n != 5 {
		t.Errorf("%d requests found the links open, want 5", n)
	}
	k.clock.add(10 * time.Minute)
	k.forget(ann, owner)
	k.wantMail("reset_password")
}
