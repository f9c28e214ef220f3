package handlers_test

import (
	"fmt"
	"net/http"
	"regexp"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/pages"
)

// A name, an address or a path with a line break or NUL is refused before
// anything is stored or mailed.
func TestML01_ControlCharactersAreRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"\r", "\n", "\x00", "\r\nBcc: eve@example.net", "\x1b[2J", "\x7f", "\u0085", "\u2028", "\u2029"} {
		k, b := newPages(t, pages.Config{}, setup{service: unlimited})
		signUp := func(member, value string) request {
			body := fmt.Sprintf(`{"loginId":%q,"password":%q,"user":%s}`, ann, goodPassword, object(member, value))
			return post("/signup", body)
		}
		for name, q := range map[string]request{
			"loginId":     post("/signup", signUpBody("ann"+bad+"@example.com", goodPassword)),
			"email":       post("/signup", `{"loginId":"ann","password":"`+goodPassword+`","user":`+object("email", "ann"+bad+"@example.com")+`}`),
			"name":        signUp("name", "Ann"+bad),
			"givenName":   signUp("givenName", bad+"Ann"),
			"middleName":  signUp("middleName", "A"+bad+"nn"),
			"familyName":  signUp("familyName", "Ann"+bad),
			"phone":       signUp("phone", "1"+bad),
			"picture":     signUp("picture", "https://app.example/"+bad),
			"reset":       post("/password/reset", object("loginId", ann+bad)),
			"redirectUrl": post("/password/reset", object("loginId", ann, "redirectUrl", "https://good.test/cb"+bad)),
		} {
			if a := k.do(q); a.status != 400 || a.code() != "invalid_request" {
				t.Errorf("%s with %q: answer is %d %q, want 400", name, bad, a.status, a.code())
			}
		}
		b.send("/signup", "loginId", ann, "password", goodPassword, "name", "Ann"+bad).page(t, 400)
		if got, events := k.mails(), k.events.take(); got != "" || events != "" {
			t.Errorf("%q: mails %q, events %q", bad, got, events)
		}
		u := k.signUp(ann)
		k.forget()
		for _, q := range []request{
			{http.MethodPatch, "/me", object("name", "Ann"+bad), nil},
			post("/email/change", object("newEmail", "new"+bad+"@example.com", "currentPassword", goodPassword)),
		} {
			if a := k.do(k.as(u, q)); a.status != 400 || a.code() != "invalid_request" {
				t.Errorf("%s with %q: answer is %d %q, want 400", q.path, bad, a.status, a.code())
			}
		}
		if got, events := k.mails(), k.events.take(); got != "" || events != "" {
			t.Errorf("%q: mails %q, events %q", bad, got, events)
		}
	}
}

// What strangers call themselves, their programs and their languages is in no
// mail of any kind.
func TestML02_WhatStrangersCallThemselvesIsInNoMail(t *testing.T) {
	t.Parallel()
	found := regexp.MustCompile(`(?i)evil|pay at|<a href=/|www\.`)
	composer := mail.Composer{From: "no-reply@example.com", Name: "Example"}
	for _, text := range []string{
		"<a href=//evil.test>", "Pay at http://evil.test", "{{.Link}} evil", "=?utf-8?q?evil?=",
	} {
		k := newKit(t, inBodies, setup{service: unlimited})
		evil := []string{"User-Agent", text, "Accept-Language", text, "X-Forwarded-For", text, "Referer", text, "X-Request-Id", text, "From", text}
		u := who{}
		do := func(status int, q request) {
			t.Helper()
			u = k.do(k.as(u, q).with(evil...)).want(t, status, "").keep(u)
		}
		do(201, post("/signup", fmt.Sprintf(`{"loginId":%q,"password":%q,"user":%s}`, ann, goodPassword,
			object("name", text, "givenName", text, "middleName", text, "familyName", text))))
		verify := k.mailedToken()
		do(202, post("/password/reset", object("loginId", ann)))
		do(200, post("/email/verify", object("token", verify)))
		do(202, post("/password/reset", object("loginId", ann)))
		do(200, request{http.MethodPatch, "/me", object("name", text+" "), nil})
		do(200, post("/password/update", object("newPassword", otherPassword, "currentPassword", goodPassword)))
		for range 5 {
			k.do(post("/signin", signUpBody(ann, thirdPassword), evil...)).want(t, 401, "invalid_credentials")
		}
		do(200, post("/signin", signUpBody(ann, otherPassword)))
		do(202, post("/email/change", object("newEmail", "new@example.com", "currentPassword", otherPassword)))
		for _, m := range k.inbox() {
			if m.Kind == usher.MessageChangeEmail {
				do(200, post("/email/verify", object("token", linkToken(t, m))))
			}
		}
		do(201, post("/signup", signUpBody(bob, goodPassword)))
		do(202, post("/email/change", object("newEmail", "new@example.com", "currentPassword", goodPassword)))

		kinds := map[usher.MessageKind]bool{}
		for _, m := range k.inbox() {
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
			t.Errorf("mails of %d kinds, want all 9: %v", len(kinds), kinds)
		}
	}
}
