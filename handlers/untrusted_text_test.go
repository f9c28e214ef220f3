package handlers_test

import (
	"fmt"
	"net/http"
	"regexp"
	"testing"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/pages"
)

// A name, an address or a path with a line break or NUL is refused before
// anything is stored or sent.
func TestML01_ControlCharactersAreRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"\r", "\n", "\x00", "\r\nBcc: eve@example.net", "\x1b[2J", "\x7f", "\u0085", "\u2028", "\u2029"} {
		k, b := NewPages(t, pages.Config{}, Setup{Service: Unlimited})
		signUp := func(member, value string) Request {
			body := fmt.Sprintf(`{"loginId":%q,"password":%q,"user":%s}`, Ann, GoodPassword, Object(member, value))
			return Post("/signup", body)
		}
		for name, q := range map[string]Request{
			"loginId":     Post("/signup", SignUpBody("ann"+bad+"@example.com", GoodPassword)),
			"email":       Post("/signup", `{"loginId":"ann","password":"`+GoodPassword+`","user":`+Object("email", "ann"+bad+"@example.com")+`}`),
			"name":        signUp("name", "Ann"+bad),
			"givenName":   signUp("givenName", bad+"Ann"),
			"middleName":  signUp("middleName", "A"+bad+"nn"),
			"familyName":  signUp("familyName", "Ann"+bad),
			"phone":       signUp("phone", "1"+bad),
			"picture":     signUp("picture", "https://app.example/"+bad),
			"reset":       Post("/password/reset", Object("loginId", Ann+bad)),
			"redirectUrl": Post("/password/reset", Object("loginId", Ann, "redirectUrl", "https://good.test/cb"+bad)),
		} {
			if a := k.Do(q); a.Status != 400 || a.Code() != "invalid_request" {
				t.Errorf("%s with %q: answer is %d %q, want 400", name, bad, a.Status, a.Code())
			}
		}
		b.Send("/signup", "loginId", Ann, "password", GoodPassword, "name", "Ann"+bad).WantPage(t, 400)
		if got, events := k.EmailKinds(), k.Events.Take(); got != "" || events != "" {
			t.Errorf("%q: mails %q, events %q", bad, got, events)
		}
		u := k.SignUp(Ann)
		k.ClearRecords()
		for _, q := range []Request{
			{Method: http.MethodPatch, Path: "/me", Body: Object("name", "Ann"+bad)},
			Post("/email/change", Object("newEmail", "new"+bad+"@example.com", "currentPassword", GoodPassword)),
		} {
			if a := k.Do(k.As(u, q)); a.Status != 400 || a.Code() != "invalid_request" {
				t.Errorf("%s with %q: answer is %d %q, want 400", q.Path, bad, a.Status, a.Code())
			}
		}
		if got, events := k.EmailKinds(), k.Events.Take(); got != "" || events != "" {
			t.Errorf("%q: mails %q, events %q", bad, got, events)
		}
	}
}

// No email of any kind contains a name, a user agent or a language that an untrusted
// client sent.
func TestML02_UntrustedTextIsInNoEmail(t *testing.T) {
	t.Parallel()
	found := regexp.MustCompile(`(?i)evil|pay at|<a href=/|www\.`)
	composer := mail.Composer{From: "no-reply@example.com", Name: "Example"}
	for _, text := range []string{
		"<a href=//evil.test>", "Pay at http://evil.test", "{{.Link}} evil", "=?utf-8?q?evil?=",
	} {
		k := NewKit(t, InBodies, Setup{Service: Unlimited})
		evil := []string{"User-Agent", text, "Accept-Language", text, "X-Forwarded-For", text, "Referer", text, "X-Request-Id", text, "From", text}
		u := Tokens{}
		do := func(status int, q Request) {
			t.Helper()
			u = k.Do(k.As(u, q).With(evil...)).Want(t, status, "").Keep(u)
		}
		do(201, Post("/signup", fmt.Sprintf(`{"loginId":%q,"password":%q,"user":%s}`, Ann, GoodPassword,
			Object("name", text, "givenName", text, "middleName", text, "familyName", text))))
		verify := k.MailedToken()
		do(202, Post("/password/reset", Object("loginId", Ann)))
		do(200, Post("/email/verify", Object("token", verify)))
		do(202, Post("/password/reset", Object("loginId", Ann)))
		do(200, Request{Method: http.MethodPatch, Path: "/me", Body: Object("name", text+" ")})
		do(200, Post("/password/update", Object("newPassword", OtherPassword, "currentPassword", GoodPassword)))
		for range 5 {
			k.Do(Post("/signin", SignUpBody(Ann, ThirdPassword), evil...)).Want(t, 401, "invalid_credentials")
		}
		do(200, Post("/signin", SignUpBody(Ann, OtherPassword)))
		do(202, Post("/email/change", Object("newEmail", "new@example.com", "currentPassword", OtherPassword)))
		for _, m := range k.Inbox() {
			if m.Kind == usher.MessageChangeEmail {
				do(200, Post("/email/verify", Object("token", LinkToken(t, m))))
			}
		}
		do(201, Post("/signup", SignUpBody(Bob, GoodPassword)))
		do(202, Post("/email/change", Object("newEmail", "new@example.com", "currentPassword", GoodPassword)))

		kinds := map[usher.MessageKind]bool{}
		for _, m := range k.Inbox() {
			kinds[m.Kind] = true
			subject, plain, html, err := composer.Render(m)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range []string{subject, plain, html} {
				if what := found.FindString(part); what != "" {
					t.Errorf("%s: %q brought %q into:\n%s", m.Kind, text, what, part)
				}
			}
		}
		if len(kinds) != 9 {
			t.Errorf("emails of %d kinds, want all 9: %v", len(kinds), kinds)
		}
	}
}
