package handlers_test

import (
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
)

// A squatter signs up with somebody's address. Its owner follows the link, and
// confirms nothing; she asks for a password of her own, and the squatter has nothing
// left.
func TestEV03_TheLinkAloneConfirmsNothing(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		squatter := k.signUp(ann)
		link := k.mailedToken()
		k.forget()
		click := func(pw string) *reply { return k.do(post("/email/verify", object("token", link, "password", pw))) }
		noCookie(t, k, k.do(post("/email/verify", object("token", link))).want(t, 403, "password_required"))
		noCookie(t, k, click("").want(t, 403, "password_required"))
		if got := k.events.take(); got != "" {
			t.Errorf("events are %q", got)
		}
		// Her guesses count as at sign-in, on this route and that.
		for range 3 {
			click(otherPassword).want(t, 401, "invalid_credentials")
		}
		for range 2 {
			k.do(post("/signin", signUpBody(ann, otherPassword))).want(t, 401, "invalid_credentials")
		}
		if a := click(goodPassword).want(t, 429, "too_many_requests"); a.header.Get("Retry-After") != "30" {
			t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
		}
		if me := k.do(k.as(squatter, get("/me"))).json["user"].(map[string]any); me["emailVerified"] != false {
			t.Error("the squatter is confirmed")
		}

		k.do(post("/password/reset/complete", object("token", k.resetToken(ann), "newPassword", thirdPassword))).want(t, 200, "")
		if k.alive(squatter) {
			t.Error("the squatter is still signed in")
		}
		k.clock.add(time.Hour)
		k.do(post("/signin", signUpBody(ann, goodPassword))).want(t, 401, "invalid_credentials")
		click(goodPassword).want(t, 400, "invalid_token")
		k.clock.add(time.Hour) // the wait after the squatter's try
		own := k.signIn(ann, thirdPassword)
		if me := k.do(k.as(own, get("/me"))).json["user"].(map[string]any); me["emailVerified"] != true {
			t.Error("the claim does not confirm")
		}
	})
}

// What fails leaves the link good, also one to a new address.
func TestEV03_ALinkToANewAddressNeedsItsUser(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		u, other := k.signUpVerified(ann), k.signUp("carl@example.com")
		k.forget()
		k.do(k.as(u, post("/email/change", object("newEmail", bob, "currentPassword", goodPassword)))).want(t, 202, "")
		link := ""
		for _, msg := range k.inbox() {
			if msg.Kind == usher.MessageChangeEmail {
				link = linkToken(t, msg)
			}
		}
		k.forget()
		k.do(post("/email/verify", object("token", link))).want(t, 403, "password_required")
		k.do(k.as(other, post("/email/verify", object("token", link)))).want(t, 403, "password_required")
		if got := k.events.take(); got != "" {
			t.Errorf("events are %q", got)
		}
		k.do(post("/email/verify", object("token", link, "password", otherPassword))).want(t, 401, "invalid_credentials")
		if me := k.do(k.as(u, get("/me"))); me.text("user.email") != ann {
			t.Fatalf("the address is %s", me.text("user.email"))
		}
		k.events.take()
		k.do(post("/email/verify", object("token", link, "password", goodPassword))).want(t, 200, "")
		if got := k.events.take(); got != "user_email_change" {
			t.Errorf("events are %q", got)
		}
		if me := k.do(k.as(u, get("/me"))); me.text("user.email") != bob {
			t.Errorf("the address is %s", me.text("user.email"))
		}
	})
}

// A session counts while it lives, not while its token verifies.
func TestEV04_AnEndedSessionConfirmsNothing(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		for name, end := range map[string]func(k *kit, u who) error{
			"signed out": func(k *kit, u who) error { k.do(k.as(u, post("/signout", ""))); return nil },
			"ended in the store alone": func(k *kit, u who) error {
				_, err := k.store.EndUserSessions(t.Context(), k.userID(ann), store.SessionEnd{}, store.Effects{})
				return err
			},
		} {
			k := newKit(t, m, setup{})
			u := k.signUp(ann)
			link := k.mailedToken()
			if err := end(k, u); err != nil {
				t.Fatal(err)
			}
			if a := k.do(k.as(u, post("/email/verify", object("token", link)))); a.status != 403 || a.code() != "password_required" {
				t.Errorf("%s: %d %s", name, a.status, a.code())
			}
			k.do(k.as(u, post("/email/verify", object("token", link, "password", goodPassword)))).want(t, 200, "")
		}
	})
}

// Cookies are refreshed in passing; a program refreshes its bearer token itself.
func TestEV04_AnExpiredTokenOfALiveSession(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		u := k.signUp(ann)
		link := k.mailedToken()
		k.clock.add(11 * time.Minute)
		if m == inBodies {
			k.do(k.as(u, post("/email/verify", object("token", link)))).want(t, 403, "password_required")
			u = k.do(k.refresh(u)).want(t, 200, "").keep(u)
		}
		k.do(k.as(u, post("/email/verify", object("token", link)))).want(t, 200, "")
	})
}
