package handlers_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/store"
)

// sameAnswers fails unless all answers have the same status, headers and body.
func sameAnswers(t *testing.T, answers map[string]*Reply) {
	t.Helper()
	var firstName string
	var first *Reply
	for name, a := range answers {
		if first == nil {
			firstName, first = name, a
			continue
		}
		if a.Status != first.Status || !bytes.Equal(a.Body, first.Body) || fmt.Sprint(a.Header) != fmt.Sprint(first.Header) {
			t.Errorf("answers differ:\n%s: %d %v %s\n%s: %d %v %s", firstName, first.Status, first.Header, first.Body, name, a.Status, a.Header, a.Body)
		}
	}
}

const sameID = "same-request-id"

func TestEN01_FailedSignInsAreAlike(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{Service: func(c *usher.Config) {
			c.ConfirmFirst = true
			c.InsecureNoThrottle, c.BaseURL = true, "https://localhost"
		}})
		verified := func(id string) {
			k.Do(Post("/signup", SignUpBody(id, GoodPassword))).Want(t, 202, "")
			k.Do(Post("/email/verify", Object("token", k.MailedToken(), "password", GoodPassword))).Want(t, 200, "")
		}
		verified("wrong@example.com")
		verified("disabled@example.com")
		if err := k.Service.Operator("test").Disable(t.Context(), k.UserID("disabled@example.com")); err != nil {
			t.Fatal(err)
		}
		k.Do(Post("/signup", SignUpBody("unverified@example.com", GoodPassword))).Want(t, 202, "")
		if _, err := k.Service.Operator("test").ImportUser(t.Context(), usher.ImportUserParams{LoginIDs: []string{"nopassword@example.com"}, EmailVerified: true}); err != nil {
			t.Fatal(err)
		}
		try := func(id, pw string) *Reply { return k.Do(Post("/signin", SignUpBody(id, pw), "X-Request-Id", sameID)) }
		answers := map[string]*Reply{
			"unknown":              try("unknown@example.com", GoodPassword),
			"wrong":                try("wrong@example.com", OtherPassword),
			"unverified":           try("unverified@example.com", GoodPassword),
			"unverified and wrong": try("unverified@example.com", OtherPassword),
			"disabled":             try("disabled@example.com", OtherPassword),
			"no password":          try("nopassword@example.com", GoodPassword),
		}
		answers["unknown"].Want(t, 401, "invalid_credentials")
		sameAnswers(t, answers)

		replace := func(id, pw string) *Reply {
			return k.Do(Post("/password/replace", Object("loginId", id, "oldPassword", pw, "newPassword", ThirdPassword), "X-Request-Id", sameID))
		}
		sameAnswers(t, map[string]*Reply{
			"unknown":     replace("unknown@example.com", GoodPassword),
			"wrong":       replace("wrong@example.com", OtherPassword),
			"disabled":    replace("disabled@example.com", OtherPassword),
			"no password": replace("nopassword@example.com", GoodPassword),
		})
	})
}

func TestEN03_EN04_ResetAnswersAreAlike(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		k.SignUpVerified("known@example.com")
		k.SignUp("unverified@example.com")
		k.SignUpVerified("disabled@example.com")
		if err := k.Service.Operator("test").Disable(t.Context(), k.UserID("disabled@example.com")); err != nil {
			t.Fatal(err)
		}
		k.Do(Post("/signup", `{"loginId":"bob","password":"vast otter sings low","user":{"email":"secret@corp.test"}}`)).Want(t, 201, "")
		k.ClearRecords()
		ask := func(id string) *Reply {
			return k.Do(Post("/password/reset", Object("loginId", id), "X-Request-Id", sameID))
		}
		answers := map[string]*Reply{
			"known": ask("known@example.com"), "unknown": ask("unknown@example.com"), "unverified": ask("unverified@example.com"),
			"disabled": ask("disabled@example.com"), "name": ask("bob"), "no such name": ask("nobody"),
		}
		answers["known"].Want(t, 202, "")
		sameAnswers(t, answers)
		if got, want := k.EmailKinds(), "confirm_and_reset confirm_and_reset reset_password"; got != want {
			t.Errorf("mails are %q, want %q", got, want)
		}
	})
}

func TestEN05_UnseenSignUpsAreAlike(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{Service: func(c *usher.Config) { c.ConfirmFirst = true }})
		ask := func(id string) *Reply {
			return k.Do(Post("/signup", SignUpBody(id, GoodPassword), "X-Request-Id", sameID))
		}
		free := ask(Ann).Want(t, 202, "")
		k.Do(Post("/email/verify", Object("token", k.MailedToken(), "password", GoodPassword))).Want(t, 200, "")
		sameAnswers(t, map[string]*Reply{"free": free, "taken": ask(Ann), "unverified": ask(Bob), "unverified again": ask(Bob)})

		// Sign-ups that reveal whether an account exists are limited.
		k = NewKit(t, m, Setup{})
		for i := range 10 {
			k.Do(Post("/signup", SignUpBody(fmt.Sprintf("u%d@example.com", i), GoodPassword))).Want(t, 201, "")
		}
		k.Do(Post("/signup", SignUpBody(Ann, GoodPassword))).Want(t, 429, "too_many_requests")
	})
}

func TestEN06_UnknownLoginIDsAreThrottledLikeKnownOnes(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	k.SignUp(Ann)
	for i := range 7 {
		known := k.Do(Post("/signin", SignUpBody(Ann, OtherPassword), "X-Request-Id", sameID))
		unknown := k.Do(Post("/signin", SignUpBody("nobody@example.com", OtherPassword), "X-Request-Id", sameID))
		sameAnswers(t, map[string]*Reply{"known": known, "unknown": unknown})
		if want := map[bool]int{true: 401, false: 429}[i < 5]; known.Status != want {
			t.Errorf("attempt %d: status is %d, want %d", i+1, known.Status, want)
		}
	}
	taken := k.Do(Post("/signup", SignUpBody(Ann, WeakPassword), "X-Request-Id", sameID)).Want(t, 400, "password_policy")
	free := k.Do(Post("/signup", SignUpBody(Bob, WeakPassword), "X-Request-Id", sameID))
	sameAnswers(t, map[string]*Reply{"taken": taken, "free": free})
}

func TestEN07_DeadLinksAreAlike(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{Service: func(c *usher.Config) { c.InsecureNoThrottle, c.BaseURL = true, "https://localhost" }})
		u := k.SignUpVerified(Ann)
		complete := func(tok string) *Reply {
			return k.Do(Post("/password/reset/complete", Object("token", tok, "newPassword", ThirdPassword), "X-Request-Id", sameID))
		}
		verify := func(tok string) *Reply {
			return k.Do(Post("/password/reset/verify", Object("token", tok), "X-Request-Id", sameID))
		}
		old := k.ResetToken(Ann)
		k.Clock.Add(10*time.Minute + time.Second)
		used, superseded := k.ResetToken(Ann), k.ResetToken(Ann)
		k.Do(Post("/password/reset/complete", Object("token", used, "newPassword", OtherPassword))).Want(t, 200, "")
		for name, try := range map[string]func(string) *Reply{"complete": complete, "verify": verify} {
			answers := map[string]*Reply{"random": try("x"), "used": try(used), "expired": try(old), "superseded": try(superseded)}
			answers["random"].Want(t, 400, "invalid_token")
			t.Run(name, func(t *testing.T) { sameAnswers(t, answers) })
		}

		u = k.SignIn(Ann, OtherPassword)
		change := func(to string) string {
			k.Do(k.As(u, Post("/email/change", Object("newEmail", to, "currentPassword", OtherPassword)))).Want(t, 202, "")
			for _, msg := range k.Inbox() {
				if msg.To == to {
					return LinkToken(t, msg)
				}
			}
			t.Fatal("no email to the new address")
			return ""
		}
		old = change("ann@old.example")
		k.Clock.Add(24*time.Hour + time.Second)
		u = k.SignIn(Ann, OtherPassword)
		superseded, used = change("ann@one.example"), change("ann@two.example")
		k.Do(k.As(u, Post("/email/verify", Object("token", used)))).Want(t, 200, "")
		confirm := func(tok string) *Reply {
			return k.Do(Post("/email/verify", Object("token", tok), "X-Request-Id", sameID))
		}
		answers := map[string]*Reply{"random": confirm("x"), "used": confirm(used), "expired": confirm(old), "superseded": confirm(superseded)}
		answers["random"].Want(t, 400, "invalid_token")
		sameAnswers(t, answers)
	})
}

func TestTV15_RefusedTokensAreAlike(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	other := NewKit(t, InBodies, Setup{Service: func(c *usher.Config) { c.BaseURL = "https://other.example" }})
	u, foreign := k.SignUp(Ann), other.SignUp(Ann)
	ended := k.SignIn(Ann, GoodPassword)
	k.Do(k.As(ended, Post("/signout", ""))).Want(t, 200, "")
	routes := []Request{
		Get("/me"), {Method: http.MethodPatch, Path: "/me", Body: `{}`}, Get("/sessions"), {Method: http.MethodDelete, Path: "/sessions/x"}, Post("/signout/all", ""),
		Post("/password/update", `{}`), Post("/email/change", `{}`), Post("/email/verify/send", ""),
	}
	signature := u.Bearer[:len(u.Bearer)-8] + "AAAAAAAA"
	for _, q := range routes {
		ask := func(bearer string) *Reply { return k.Do(q.With("Authorization", bearer, "X-Request-Id", sameID)) }
		answers := map[string]*Reply{
			"bad signature": ask("Bearer " + signature), "another issuer's": ask("Bearer " + foreign.Bearer), "rubbish": ask("Bearer x"),
			"refresh token": ask("Bearer " + u.Refresh), "ended": ask("Bearer " + ended.Bearer), "nothing": ask("Bearer "),
		}
		a := answers["rubbish"].Want(t, 401, "invalid_session")
		challenged(`Bearer realm="session", error="invalid_token"`)(t, k, a)
		sameAnswers(t, answers)
		challenged(`Bearer realm="session"`)(t, k, k.Do(q).Want(t, 401, "not_signed_in"))
	}
	k.Clock.Add(11 * time.Minute)
	expired := k.Do(k.As(u, Get("/me")).With("X-Request-Id", sameID))
	sameAnswers(t, map[string]*Reply{"expired": expired, "rubbish": k.Do(Get("/me", "Authorization", "Bearer x", "X-Request-Id", sameID))})

	// A session that has ended in the store, although its token is still valid.
	u = k.SignIn(Ann, GoodPassword)
	if _, err := k.Store.EndUserSessions(t.Context(), k.UserID(Ann), store.SessionEnd{}, store.Effects{}); err != nil {
		t.Fatal(err)
	}
	gone := k.Do(k.As(u, Get("/me")).With("X-Request-Id", sameID))
	sameAnswers(t, map[string]*Reply{"gone": gone, "expired": expired})
}

// A request for a reset names one login id, as one string. Any other request gets 400,
// and no email is sent.
func TestRS07_JSONNamesOneLoginID(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{Service: Unlimited})
		k.SignUpVerified(Ann)
		k.SignUpVerified(Bob)
		for name, body := range map[string]string{
			"array":                    `{"loginId":["` + Ann + `"]}`,
			"array of two":             `{"loginId":["` + Ann + `","` + Bob + `"]}`,
			"object":                   `{"loginId":{"email":"` + Ann + `"}}`,
			"member twice":             `{"loginId":"` + Ann + `","loginId":"` + Bob + `"}`,
			"member twice, other case": `{"loginId":"` + Ann + `","LOGINID":"` + Bob + `"}`,
			"member twice, escaped":    `{"loginId":"` + Ann + `","\u006cog\u0069nId":"` + Bob + `"}`,
			"other case alone":         `{"LoginId":"` + Ann + `"}`,
			"two objects":              Object("loginId", Ann) + Object("loginId", Bob),
			"array of objects":         "[" + Object("loginId", Ann) + "," + Object("loginId", Bob) + "]",
			"comma":                    Object("loginId", Ann+","+Bob),
			"semicolon":                Object("loginId", Ann+";"+Bob),
			"space":                    Object("loginId", Ann+" "+Bob),
			"line break":               Object("loginId", Ann+"\r\nBcc: "+Bob),
			"line break, escaped":      Object("loginId", Ann+"%0d%0aBcc:"+Bob),
			"NUL":                      Object("loginId", Ann+"\x00"+Bob),
			"name and address":         Object("loginId", `"Ann" <`+Ann+`>`),
			"form":                     Form("loginId", Ann),
			"none":                     "{}",
		} {
			if a := k.Do(Post("/password/reset", body)); a.Status != 400 || a.Code() != "invalid_request" {
				t.Errorf("%s: answer is %d %q, want 400", name, a.Status, a.Code())
			}
		}
		if all := k.Inbox(); len(all) > 0 {
			t.Errorf("%d emails, the first to %s", len(all), all[0].To)
		}
		if got := k.Events.Take(); got != "" {
			t.Errorf("events are %q, want none", got)
		}
	})
}

// A login id that only looks like an address sends no email to that address.
func TestRS07_LookAlikesReachNobody(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{Service: Unlimited})
	k.SignUpVerified("mike@example.org")
	for _, id := range []string{"mıke@example.org", "MI\u212AE@example.org", "ｍike@example.org", "mike@exаmple.org", "mike@example.org."} {
		k.Do(Post("/password/reset", Object("loginId", id)))
	}
	if all := k.Inbox(); len(all) > 0 {
		t.Errorf("%d emails, the first to %s", len(all), all[0].To)
	}
}

// The fourth request of an hour sends an email only because no link is open, and the
// fifth sends none. Their answers equal those before them and those for an unknown login
// id.
func TestRS13_TheFourthAnswerIsTheSame(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		k.SignUpVerified(Ann)
		answers := map[string]*Reply{}
		for i := range 5 {
			for _, id := range []string{Ann, "nobody@example.com"} {
				q := Post("/password/reset", Object("loginId", id), "X-Request-Id", sameID)
				answers[fmt.Sprint(id, " ", i+1)] = k.Do(q).Want(t, 202, "")
			}
			k.Inbox()                                 // the email is sent before its link expires
			k.Clock.Add(10*time.Minute + time.Second) // all links have expired
		}
		sameAnswers(t, answers)
		if got := k.EmailKinds(); got != strings.TrimSpace(strings.Repeat("reset_password ", 4)) {
			t.Errorf("mails are %q, want 4 about a reset", got)
		}
		// The limit of the network is visible, and is the same for unknown login ids.
		limited := map[string]*Reply{}
		for _, id := range []string{Ann, "nobody@example.com"} {
			limited[id] = k.Do(Post("/password/reset", Object("loginId", id), "X-Request-Id", sameID)).Want(t, 429, "too_many_requests")
		}
		sameAnswers(t, limited)
	})
}
