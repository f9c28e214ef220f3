package handlers_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
)

// sameAnswers fails unless all answers have the same status, headers and body.
func sameAnswers(t *testing.T, answers map[string]*reply) {
	t.Helper()
	var firstName string
	var first *reply
	for name, a := range answers {
		if first == nil {
			firstName, first = name, a
			continue
		}
		if a.status != first.status || !bytes.Equal(a.body, first.body) || fmt.Sprint(a.header) != fmt.Sprint(first.header) {
			t.Errorf("answers differ:\n%s: %d %v %s\n%s: %d %v %s", firstName, first.status, first.header, first.body, name, a.status, a.header, a.body)
		}
	}
}

const sameID = "same-request-id"

func TestEN01_FailedSignInsAreAlike(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{service: func(c *usher.Config) { c.ConfirmFirst = true; c.InsecureNoThrottle = true }})
		verified := func(id string) {
			k.do(post("/signup", signUpBody(id, goodPassword))).want(t, 202, "")
			k.do(post("/email/verify", object("token", k.mailedToken(), "password", goodPassword))).want(t, 200, "")
		}
		verified("wrong@example.com")
		verified("disabled@example.com")
		if err := k.svc.DisableUser(t.Context(), k.userID("disabled@example.com")); err != nil {
			t.Fatal(err)
		}
		k.do(post("/signup", signUpBody("unverified@example.com", goodPassword))).want(t, 202, "")
		if _, err := k.svc.ImportUser(t.Context(), usher.UserImport{LoginIDs: []string{"nopassword@example.com"}, EmailVerified: true}); err != nil {
			t.Fatal(err)
		}
		try := func(id, pw string) *reply { return k.do(post("/signin", signUpBody(id, pw), "X-Request-Id", sameID)) }
		answers := map[string]*reply{
			"unknown":              try("unknown@example.com", goodPassword),
			"wrong":                try("wrong@example.com", otherPassword),
			"unverified":           try("unverified@example.com", goodPassword),
			"unverified and wrong": try("unverified@example.com", otherPassword),
			"disabled":             try("disabled@example.com", otherPassword),
			"no password":          try("nopassword@example.com", goodPassword),
		}
		answers["unknown"].want(t, 401, "invalid_credentials")
		sameAnswers(t, answers)

		replace := func(id, pw string) *reply {
			return k.do(post("/password/replace", object("loginId", id, "oldPassword", pw, "newPassword", thirdPassword), "X-Request-Id", sameID))
		}
		sameAnswers(t, map[string]*reply{
			"unknown":     replace("unknown@example.com", goodPassword),
			"wrong":       replace("wrong@example.com", otherPassword),
			"disabled":    replace("disabled@example.com", otherPassword),
			"no password": replace("nopassword@example.com", goodPassword),
		})
	})
}

func TestEN03_EN04_ResetAnswersAreAlike(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{})
		k.signUpVerified("known@example.com")
		k.signUp("unverified@example.com")
		k.signUpVerified("disabled@example.com")
		if err := k.svc.DisableUser(t.Context(), k.userID("disabled@example.com")); err != nil {
			t.Fatal(err)
		}
		k.do(post("/signup", `{"loginId":"bob","password":"vast otter sings low","user":{"email":"secret@corp.test"}}`)).want(t, 201, "")
		k.forget()
		ask := func(id string) *reply {
			return k.do(post("/password/reset", object("loginId", id), "X-Request-Id", sameID))
		}
		answers := map[string]*reply{
			"known": ask("known@example.com"), "unknown": ask("unknown@example.com"), "unverified": ask("unverified@example.com"),
			"disabled": ask("disabled@example.com"), "name": ask("bob"), "no such name": ask("nobody"),
		}
		answers["known"].want(t, 202, "")
		sameAnswers(t, answers)
		if got, want := k.mails(), "confirm_and_reset confirm_and_reset reset_password"; got != want {
			t.Errorf("mails are %q, want %q", got, want)
		}
	})
}

func TestEN05_UnseenSignUpsAreAlike(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{service: func(c *usher.Config) { c.ConfirmFirst = true }})
		ask := func(id string) *reply {
			return k.do(post("/signup", signUpBody(id, goodPassword), "X-Request-Id", sameID))
		}
		free := ask(ann).want(t, 202, "")
		k.do(post("/email/verify", object("token", k.mailedToken(), "password", goodPassword))).want(t, 200, "")
		sameAnswers(t, map[string]*reply{"free": free, "taken": ask(ann), "unverified": ask(bob), "unverified again": ask(bob)})

		// In the mode that tells, nobody may ask about many.
		k = newKit(t, m, setup{})
		for i := range 10 {
			k.do(post("/signup", signUpBody(fmt.Sprintf("u%d@example.com", i), goodPassword))).want(t, 201, "")
		}
		k.do(post("/signup", signUpBody(ann, goodPassword))).want(t, 429, "too_many_requests")
	})
}

func TestEN06_UnknownLoginIDsAreThrottledLikeKnownOnes(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{})
	k.signUp(ann)
	for i := range 7 {
		known := k.do(post("/signin", signUpBody(ann, otherPassword), "X-Request-Id", sameID))
		unknown := k.do(post("/signin", signUpBody("nobody@example.com", otherPassword), "X-Request-Id", sameID))
		sameAnswers(t, map[string]*reply{"known": known, "unknown": unknown})
		if want := map[bool]int{true: 401, false: 429}[i < 5]; known.status != want {
			t.Errorf("try %d: status is %d, want %d", i+1, known.status, want)
		}
	}
	taken := k.do(post("/signup", signUpBody(ann, weakPassword), "X-Request-Id", sameID)).want(t, 400, "password_policy")
	free := k.do(post("/signup", signUpBody(bob, weakPassword), "X-Request-Id", sameID))
	sameAnswers(t, map[string]*reply{"taken": taken, "free": free})
}

func TestEN07_DeadLinksAreAlike(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{service: func(c *usher.Config) { c.InsecureNoThrottle = true }})
		u := k.signUpVerified(ann)
		complete := func(tok string) *reply {
			return k.do(post("/password/reset/complete", object("token", tok, "newPassword", thirdPassword), "X-Request-Id", sameID))
		}
		verify := func(tok string) *reply {
			return k.do(post("/password/reset/verify", object("token", tok), "X-Request-Id", sameID))
		}
		old := k.resetToken(ann)
		k.clock.add(10*time.Minute + time.Second)
		used, superseded := k.resetToken(ann), k.resetToken(ann)
		k.do(post("/password/reset/complete", object("token", used, "newPassword", otherPassword))).want(t, 200, "")
		for name, try := range map[string]func(string) *reply{"complete": complete, "verify": verify} {
			answers := map[string]*reply{"random": try("x"), "used": try(used), "expired": try(old), "superseded": try(superseded)}
			answers["random"].want(t, 400, "invalid_token")
			t.Run(name, func(t *testing.T) { sameAnswers(t, answers) })
		}

		u = k.signIn(ann, otherPassword)
		change := func(to string) string {
			k.do(k.as(u, post("/email/change", object("newEmail", to, "currentPassword", otherPassword)))).want(t, 202, "")
			for _, msg := range k.inbox() {
				if msg.To == to {
					return linkToken(t, msg)
				}
			}
			t.Fatal("no mail to the new address")
			return ""
		}
		old = change("ann@old.example")
		k.clock.add(24*time.Hour + time.Second)
		u = k.signIn(ann, otherPassword)
		superseded, used = change("ann@one.example"), change("ann@two.example")
		k.do(k.as(u, post("/email/verify", object("token", used)))).want(t, 200, "")
		confirm := func(tok string) *reply {
			return k.do(post("/email/verify", object("token", tok), "X-Request-Id", sameID))
		}
		answers := map[string]*reply{"random": confirm("x"), "used": confirm(used), "expired": confirm(old), "superseded": confirm(superseded)}
		answers["random"].want(t, 400, "invalid_token")
		sameAnswers(t, answers)
	})
}

func TestTV15_RefusedTokensAreAlike(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	other := newKit(t, inBodies, setup{service: func(c *usher.Config) { c.BaseURL = "https://other.example" }})
	u, foreign := k.signUp(ann), other.signUp(ann)
	ended := k.signIn(ann, goodPassword)
	k.do(k.as(ended, post("/signout", ""))).want(t, 200, "")
	routes := []request{
		get("/me"), {http.MethodPatch, "/me", `{}`, nil}, get("/sessions"), {http.MethodDelete, "/sessions/x", "", nil}, post("/signout/all", ""),
		post("/password/update", `{}`), post("/email/change", `{}`), post("/email/verify/send", ""),
	}
	signature := u.bearer[:len(u.bearer)-8] + "AAAAAAAA"
	for _, q := range routes {
		ask := func(bearer string) *reply { return k.do(q.with("Authorization", bearer, "X-Request-Id", sameID)) }
		answers := map[string]*reply{
			"bad signature": ask("Bearer " + signature), "another issuer's": ask("Bearer " + foreign.bearer), "rubbish": ask("Bearer x"),
			"refresh token": ask("Bearer " + u.refresh), "ended": ask("Bearer " + ended.bearer), "nothing": ask("Bearer "),
		}
		a := answers["rubbish"].want(t, 401, "invalid_session")
		challenged(`Bearer realm="session", error="invalid_token"`)(t, k, a)
		sameAnswers(t, answers)
		challenged(`Bearer realm="session"`)(t, k, k.do(q).want(t, 401, "not_signed_in"))
	}
	k.clock.add(11 * time.Minute)
	expired := k.do(k.as(u, get("/me")).with("X-Request-Id", sameID))
	sameAnswers(t, map[string]*reply{"expired": expired, "rubbish": k.do(get("/me", "Authorization", "Bearer x", "X-Request-Id", sameID))})

	// A session that ended in the store while its token still verifies.
	u = k.signIn(ann, goodPassword)
	if _, err := k.store.EndUserSessions(t.Context(), k.userID(ann), store.SessionEnd{}, store.Effects{}); err != nil {
		t.Fatal(err)
	}
	gone := k.do(k.as(u, get("/me")).with("X-Request-Id", sameID))
	sameAnswers(t, map[string]*reply{"gone": gone, "expired": expired})
}
