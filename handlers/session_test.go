package handlers_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
)

func TestRS12_ResetSessionSetsOnePasswordAndNothingElse(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		u := k.signUpVerified(ann)
		a := k.do(post("/password/reset/verify", object("token", k.resetToken(ann)))).want(t, 200, "")
		if len(a.header["Set-Cookie"]) > 0 || a.json["expiresIn"] != float64(600) {
			t.Errorf("answer is %v %s", a.header, a.body)
		}
		bearer := "Bearer " + a.text("resetToken")
		for _, q := range []request{
			get("/me"), get("/sessions"), get("~/protected"), post("/signout", ""), post("/signout/all", ""), post("/email/verify/send", ""),
			post("/email/change", object("newEmail", bob, "currentPassword", goodPassword)), {http.MethodPatch, "/me", `{"name":"x"}`, nil},
			{http.MethodDelete, "/sessions/" + u.id, "", nil},
		} {
			if a := k.do(q.with("Authorization", bearer)); a.status != 401 {
				t.Errorf("%s %s: status is %d, want 401", q.method, q.path, a.status)
			}
		}
		if m == inBodies {
			k.do(post("/session/refresh", object("refreshToken", a.text("resetToken")))).want(t, 401, "invalid_session")
		}
		weak := post("/password/update", object("newPassword", weakPassword), "Authorization", bearer)
		k.do(weak).want(t, 400, "password_policy")
		update := post("/password/update", object("newPassword", otherPassword), "Authorization", bearer)
		a = k.do(update).want(t, 200, "")
		if string(a.body) != "{}\n" || len(a.header["Set-Cookie"]) > 0 {
			t.Errorf("answer is %v %s, want {} alone", a.header, a.body)
		}
		k.do(update).want(t, 401, "invalid_session")
		if k.alive(u) {
			t.Error("the session from before lives")
		}
		k.do(post("/signin", signUpBody(ann, goodPassword))).want(t, 401, "invalid_credentials")
		k.signIn(ann, otherPassword)
	})
}

func TestRS12_ResetSessionEndsAfterTenMinutes(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	k.signUpVerified(ann)
	a := k.do(post("/password/reset/verify", object("token", k.resetToken(ann)))).want(t, 200, "")
	k.clock.add(10*time.Minute + 6*time.Second)
	k.do(post("/password/update", object("newPassword", otherPassword), "Authorization", "Bearer "+a.text("resetToken"))).want(t, 401, "invalid_session")
}

func TestUP03_NobodySetsThePasswordOfAnother(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		u := k.signUp(ann)
		k.signUp(bob)
		k.do(k.as(u, post("/password/update", object("loginId", "BOB@example.com", "newPassword", otherPassword)))).want(t, 403, "forbidden")
		k.signIn(ann, goodPassword)
		k.signIn(bob, goodPassword)
		k.do(k.as(u, post("/password/update", object("loginId", "ANN@example.com", "newPassword", otherPassword)))).want(t, 200, "")
		k.signIn(ann, otherPassword)
	})
}

func TestSU03_SignUpNeverChangesAUser(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		u := k.signUp(ann)
		k.do(post("/signup", `{"loginId":"ann@example.com","password":"calm heron reads maps","user":{"name":"Eve"}}`)).want(t, 409, "login_id_taken")
		if me := k.do(k.as(u, get("/me"))); me.text("user.name") != "" || me.text("user.email") != ann {
			t.Errorf("me is %s", me.body)
		}
		k.do(post("/signin", signUpBody(ann, otherPassword))).want(t, 401, "invalid_credentials")
		k.signIn(ann, goodPassword)
	})
}

func TestEV04_VerificationNeverTouchesASession(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		u := k.signUp(ann)
		k.forget()
		k.signUp(bob)
		token := k.mailedToken()
		k.forget()
		noCookie(t, k, k.do(k.as(u, post("/email/verify", object("token", token)))).want(t, 403, "password_required"))
		if got := k.events.take(); got != "" {
			t.Errorf("another's session gives the events %q", got)
		}
		noCookie(t, k, k.do(k.as(u, post("/email/verify", object("token", token, "password", goodPassword)))).want(t, 200, ""))
		if got := k.events.take(); got != "user_email_verify" {
			t.Errorf("the password gives the events %q", got)
		}
		if me := k.do(k.as(u, get("/me"))); me.text("user.loginId") != ann {
			t.Errorf("signed in as %s", me.text("user.loginId"))
		}
		k.do(post("/email/verify", object("token", token))).want(t, 400, "invalid_token")
	})
}

func TestEV05_AddressChangeWaitsForTheNewAddress(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		u := k.signUpVerified(ann)
		k.do(k.as(u, post("/email/change", object("newEmail", "new@example.com")))).want(t, 401, "recent_sign_in_required")
		k.do(k.as(u, post("/email/change", object("newEmail", "new@example.com", "currentPassword", otherPassword)))).want(t, 401, "invalid_credentials")
		k.do(post("/email/change", object("newEmail", "new@example.com", "currentPassword", goodPassword))).want(t, 401, "not_signed_in")
		k.do(k.as(u, post("/email/change", object("newEmail", "new@example.com", "currentPassword", goodPassword)))).want(t, 202, "")
		if me := k.do(k.as(u, get("/me"))); me.text("user.email") != ann {
			t.Errorf("the address is %s before it was confirmed", me.text("user.email"))
		}
		k.signIn(ann, goodPassword)
		k.do(post("/signin", signUpBody("new@example.com", goodPassword))).want(t, 401, "invalid_credentials")
		var link string
		for _, msg := range k.inbox() {
			if msg.To == "new@example.com" {
				link = linkToken(t, msg)
			}
		}
		// A reset voids it.
		k.do(post("/password/reset/complete", object("token", k.resetToken(ann), "newPassword", otherPassword))).want(t, 200, "")
		k.do(post("/email/verify", object("token", link))).want(t, 400, "invalid_token")
	})
}

func TestSE02_SignInEndsTheSessionThatCameAlong(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		for name, enter := range map[string]request{
			"sign-in": post("/signin", signUpBody(ann, goodPassword)),
			"sign-up": post("/signup", signUpBody("new@example.com", goodPassword)),
			"replace": post("/password/replace", object("loginId", ann, "oldPassword", goodPassword, "newPassword", otherPassword)),
		} {
			k := newKit(t, m, setup{})
			k.signUp(ann)
			planted := k.signUp(bob)
			q := enter.with("Authorization", "Bearer "+planted.bearer)
			if m == inCookies {
				q = enter.with("Cookie", planted.cookie) // as curl sends it
			}
			a := k.do(q)
			if a.status != 200 && a.status != 201 {
				t.Fatalf("%s: %d %s", name, a.status, a.body)
			}
			now := a.keep(planted)
			if now.id == planted.id || now.cookie == planted.cookie && m == inCookies || now.bearer == planted.bearer && m == inBodies {
				t.Errorf("%s: the session was adopted", name)
			}
			if k.alive(planted) || !k.alive(now) {
				t.Errorf("%s: planted alive %t, new alive %t", name, k.alive(planted), k.alive(now))
			}
			k.do(k.refresh(planted)).want(t, 401, "invalid_session")
		}
	})
}

func TestSE02_AnExpiredSessionTokenStillNamesItsSession(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{})
	k.signUp(ann)
	planted := k.signUp(bob)
	k.clock.add(11 * time.Minute)
	k.do(post("/signin", signUpBody(ann, goodPassword), "Cookie", planted.cookie)).want(t, 200, "")
	k.do(k.refresh(planted)).want(t, 401, "invalid_session")
}

func TestTV09_ATokenServesOnePurpose(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	u := k.signUp(ann)
	for _, q := range []request{get("/me"), get("/sessions"), get("~/protected"), post("/signout", ""), post("/signout/all", ""), post("/password/update", object("newPassword", otherPassword))} {
		if a := k.do(q.with("Authorization", "Bearer "+u.refresh)); a.status != 401 {
			t.Errorf("%s with a refresh token: %d, want 401", q.path, a.status)
		}
	}
	k.do(post("/session/refresh", object("refreshToken", u.bearer))).want(t, 401, "invalid_session")
	k.do(post("/signout", object("refreshToken", u.bearer))).want(t, 200, "")
	if !k.alive(u) {
		t.Error("a session token signed out in the place of a refresh token")
	}
	k.signIn(ann, goodPassword)
}

func TestTV13_OnePlaceForTheToken(t *testing.T) {
	t.Parallel()
	body := newKit(t, inBodies, setup{})
	u := body.signUp(ann)
	body.do(get("/me?access_token="+u.bearer+"&token="+u.bearer)).want(t, 401, "not_signed_in")
	body.do(post("/session/refresh?refreshToken="+u.refresh, "")).want(t, 401, "not_signed_in")
	body.do(post("/signin?loginId=ann@example.com&password=vast+otter+sings+low", "{}")).want(t, 400, "invalid_request")
	body.do(get("/me", "Authorization", "Bearer "+u.bearer, "Authorization", "Bearer "+u.bearer)).want(t, 401, "invalid_session")
	body.do(get("/me", "Authorization", "bearer "+u.bearer)).want(t, 200, "")

	k := newKit(t, inCookies, setup{})
	u = k.signUp(ann)
	for _, bad := range []string{"Bearer x", "Bearer", "Bearer " + body.signUp(bob).bearer} {
		for _, q := range []request{get("/me"), post("/signout", ""), post("/signout/all", ""), post("/password/update", object("newPassword", otherPassword))} {
			if a := k.do(k.as(u, q).with("Authorization", bad)); a.status != 401 || len(a.header["Set-Cookie"]) > 0 {
				t.Errorf("%s with a bad bearer token and a good cookie: %d %v, want 401 and no cookie", q.path, a.status, a.header["Set-Cookie"])
			}
		}
	}
	if !k.alive(u) {
		t.Error("a request with a bad bearer token fell back to the cookie")
	}
}

func TestSignOut_EndsWhatIsGiven(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	one := k.signUp(ann)
	two := k.signIn(ann, goodPassword)
	k.events.take()
	k.do(k.as(one, post("/signout", object("refreshToken", two.refresh)))).want(t, 200, "")
	if k.alive(one) || k.alive(two) {
		t.Error("a session lives")
	}
	if got := k.events.take(); got != "authn_logout authn_logout" {
		t.Errorf("events are %q", got)
	}
	three := k.signIn(ann, goodPassword)
	k.events.take()
	k.do(k.as(three, post("/signout", object("refreshToken", three.refresh)))).want(t, 200, "")
	if got := k.events.take(); got != "authn_logout" {
		t.Errorf("events are %q, want one sign-out", got)
	}
	four := k.signIn(ann, goodPassword)
	k.do(post("/signout", object("refreshToken", four.refresh))).want(t, 200, "")
	if k.alive(four) {
		t.Error("the refresh token alone did not end the session")
	}
	five := k.signIn(ann, goodPassword)
	k.clock.add(11 * time.Minute)
	k.do(k.as(five, post("/signout", object("refreshToken", five.refresh)))).want(t, 200, "")
	k.do(k.refresh(five)).want(t, 401, "invalid_session")
	k.do(post("/signout", `{"refreshToken":"x"}`)).want(t, 200, "")
	k.do(post("/signout", `{"refreshToken":1}`)).want(t, 400, "invalid_request")
}

func TestSE06_SignedOutTokensAreDead(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		one := k.signUp(ann)
		two := k.signIn(ann, goodPassword)
		k.do(k.as(one, post("/signout", ""))).want(t, 200, "")
		if k.alive(one) || !k.alive(two) {
			t.Errorf("signed out alive %t, other alive %t", k.alive(one), k.alive(two))
		}
		k.do(k.refresh(one)).want(t, 401, "invalid_session")
		k.do(k.as(two, post("/signout/all", ""))).want(t, 200, "")
		k.do(k.refresh(two)).want(t, 401, "invalid_session")
	})
}

func TestRefreshInPassing(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{})
	u := k.signUp(ann)
	k.clock.add(11 * time.Minute)
	a := k.do(k.as(u, get("/me"))).want(t, 200, "")
	if lines := a.header["Set-Cookie"]; len(lines) != 1 || !strings.HasPrefix(lines[0], "__Host-session=") {
		t.Fatalf("Set-Cookie is %v, want the renewed session", lines)
	}
	u = a.keep(u)
	k.do(k.as(u, get("/me"))).want(t, 200, "")

	// With an update the newest tokens are the ones that stay.
	k.clock.add(11 * time.Minute)
	a = k.do(k.as(u, post("/password/update", object("newPassword", otherPassword, "currentPassword", goodPassword)))).want(t, 200, "")
	var names []string
	for _, line := range a.header["Set-Cookie"] {
		name, _, _ := strings.Cut(line, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "__Host-device __Host-session" {
		t.Errorf("cookies set are %q, want each once", got)
	}
	u = a.keep(u)
	k.do(k.refresh(u)).want(t, 200, "")
}

func TestSignInAfterExpiredPassword(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{service: func(c *usher.Config) { c.Password.Expiration = 24 * time.Hour }})
	k.signUp(ann)
	k.clock.add(25 * time.Hour)
	k.do(post("/signin", signUpBody(ann, otherPassword))).want(t, 401, "invalid_credentials")
	k.do(post("/signin", signUpBody(ann, goodPassword))).want(t, 403, "password_expired")
	k.do(post("/password/replace", object("loginId", ann, "oldPassword", goodPassword, "newPassword", goodPassword))).want(t, 400, "password_policy")
	k.do(post("/password/replace", object("loginId", ann, "oldPassword", goodPassword, "newPassword", otherPassword))).want(t, 200, "")
}
