package handlers_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store"
)

// An attacker signs up with the address of another user. The owner follows the link,
// which confirms nothing, and then resets the password. The attacker has no access
// after that.
func TestEV03_TheLinkAloneConfirmsNothing(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		squatter := k.SignUp(Ann)
		link := k.MailedToken()
		k.ClearRecords()
		click := func(pw string) *Reply { return k.Do(Post("/email/verify", Object("token", link, "password", pw))) }
		noCookie(t, k, k.Do(Post("/email/verify", Object("token", link))).Want(t, 403, "password_required"))
		noCookie(t, k, click("").Want(t, 403, "password_required"))
		if got := k.Events.Take(); got != "" {
			t.Errorf("events are %q", got)
		}
		// Wrong passwords on this route and at sign-in count together.
		for range 3 {
			click(OtherPassword).Want(t, 401, "invalid_credentials")
		}
		for range 2 {
			k.Do(Post("/signin", SignUpBody(Ann, OtherPassword))).Want(t, 401, "invalid_credentials")
		}
		if a := click(GoodPassword).Want(t, 429, "too_many_requests"); a.Header.Get("Retry-After") != "30" {
			t.Errorf("Retry-After is %q", a.Header.Get("Retry-After"))
		}
		if me := k.Do(k.As(squatter, Get("/me"))).JSON["user"].(map[string]any); me["emailVerified"] != false {
			t.Error("the squatter is confirmed")
		}

		k.Do(Post("/password/reset/complete", Object("token", k.ResetToken(Ann), "newPassword", ThirdPassword))).Want(t, 200, "")
		if k.IsSignedIn(squatter) {
			t.Error("the squatter is still signed in")
		}
		k.Clock.Add(time.Hour)
		k.Do(Post("/signin", SignUpBody(Ann, GoodPassword))).Want(t, 401, "invalid_credentials")
		click(GoodPassword).Want(t, 400, "invalid_token")
		k.Clock.Add(time.Hour) // the wait after the attacker's attempt
		own := k.SignIn(Ann, ThirdPassword)
		if me := k.Do(k.As(own, Get("/me"))).JSON["user"].(map[string]any); me["emailVerified"] != true {
			t.Error("the claim does not confirm")
		}
	})
}

// A link stays valid after a failure, also a link to a new address.
func TestEV03_ALinkToANewAddressNeedsItsUser(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u, other := k.SignUpVerified(Ann), k.SignUp("carl@example.com")
		k.ClearRecords()
		k.Do(k.As(u, Post("/email/change", Object("newEmail", Bob, "currentPassword", GoodPassword)))).Want(t, 202, "")
		link := ""
		for _, msg := range k.Inbox() {
			if msg.Kind == usher.MessageChangeEmail {
				link = LinkToken(t, msg)
			}
		}
		k.ClearRecords()
		k.Do(Post("/email/verify", Object("token", link))).Want(t, 403, "password_required")
		k.Do(k.As(other, Post("/email/verify", Object("token", link)))).Want(t, 403, "password_required")
		if got := k.Events.Take(); got != "" {
			t.Errorf("events are %q", got)
		}
		k.Do(Post("/email/verify", Object("token", link, "password", OtherPassword))).Want(t, 401, "invalid_credentials")
		if me := k.Do(k.As(u, Get("/me"))); me.Text("user.email") != Ann {
			t.Fatalf("the address is %s", me.Text("user.email"))
		}
		k.Events.Take()
		k.Do(Post("/email/verify", Object("token", link, "password", GoodPassword))).Want(t, 200, "")
		if got := k.Events.Take(); got != "user_email_change" {
			t.Errorf("events are %q", got)
		}
		if me := k.Do(k.As(u, Get("/me"))); me.Text("user.email") != Bob {
			t.Errorf("the address is %s", me.Text("user.email"))
		}
	})
}

// A session that has ended confirms nothing, although its token is still valid.
func TestEV04_AnEndedSessionConfirmsNothing(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		for name, end := range map[string]func(k *Kit, u Tokens) error{
			"signed out": func(k *Kit, u Tokens) error { k.Do(k.As(u, Post("/signout", ""))); return nil },
			"ended in the store alone": func(k *Kit, u Tokens) error {
				_, err := k.Store.EndUserSessions(t.Context(), k.UserID(Ann), store.SessionEnd{}, store.Effects{})
				return err
			},
		} {
			k := NewKit(t, m, Setup{})
			u := k.SignUp(Ann)
			link := k.MailedToken()
			if err := end(k, u); err != nil {
				t.Fatal(err)
			}
			if a := k.Do(k.As(u, Post("/email/verify", Object("token", link)))); a.Status != 403 || a.Code() != "password_required" {
				t.Errorf("%s: %d %s", name, a.Status, a.Code())
			}
			k.Do(k.As(u, Post("/email/verify", Object("token", link, "password", GoodPassword)))).Want(t, 200, "")
		}
	})
}

// The middleware refreshes cookies. A program refreshes its bearer token itself.
func TestEV04_AnExpiredTokenOfALiveSession(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u := k.SignUp(Ann)
		link := k.MailedToken()
		k.Clock.Add(11 * time.Minute)
		if m == InBodies {
			k.Do(k.As(u, Post("/email/verify", Object("token", link)))).Want(t, 403, "password_required")
			u = k.Do(k.Refresh(u)).Want(t, 200, "").Keep(u)
		}
		k.Do(k.As(u, Post("/email/verify", Object("token", link)))).Want(t, 200, "")
	})
}

// raw sends a request as it is written, over a connection. The client of net/http would
// not send some of them.
func raw(t *testing.T, address, target, host string, q Request) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nConnection: close\r\n", target, host, len(q.Body))
	for i := 0; i+1 < len(q.Header); i += 2 {
		text += q.Header[i] + ": " + q.Header[i+1] + "\r\n"
	}
	if _, err := fmt.Fprint(conn, text, "\r\n", q.Body); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// mailings are the requests that send an email with a link, in JSON and as forms.
var mailings = []struct {
	name string
	kind usher.MessageKind
	make func(k *Kit) Request
}{
	{"reset", usher.MessageResetPassword, func(k *Kit) Request {
		k.SignUpVerified(Ann)
		return Post("/password/reset", Object("loginId", Ann))
	}},
	{"reset of an unproven address", usher.MessageConfirmAndReset, func(k *Kit) Request {
		k.SignUp(Ann)
		return Post("/password/reset", Form("loginId", Ann))
	}},
	{"sign-up", usher.MessageVerifyEmail, func(*Kit) Request { return Post("/signup", SignUpBody(Ann, GoodPassword)) }},
	{"sign-up by form", usher.MessageVerifyEmail, func(*Kit) Request {
		return Post("/signup", Form("loginId", Ann, "password", GoodPassword))
	}},
	{"verify/send", usher.MessageVerifyEmail, func(k *Kit) Request { return Post("/email/verify/send", "", "Cookie", k.SignUp(Ann).Cookie) }},
	{"change", usher.MessageChangeEmail, func(k *Kit) Request {
		return Post("/email/change", Form("newEmail", Bob, "currentPassword", GoodPassword), "Cookie", k.SignUp(Ann).Cookie)
	}},
}

// The Host, Origin and forwarding headers of a request do not change an emailed link,
// neither that of a reset nor that of a verification.
func TestRS05_EV01_NoRequestChangesTheOriginOfALink(t *testing.T) {
	t.Parallel()
	const host, evil = "app.example", "evil.test"
	attacks := []struct {
		name, target, host string
		header             []string
		refused            bool // all others are served
	}{
		{name: "none", host: host},
		{name: "Host", host: evil},
		{name: "Host with a port", host: host + ":444"},
		{name: "Host with a user", host: host + "@" + evil, refused: true},
		{name: "absolute target", target: "http://" + evil, host: host},
		{name: "absolute target and Host", target: "https://" + evil, host: evil},
		{name: "X-Forwarded-Host", host: host, header: []string{"X-Forwarded-Host", evil}},
		{name: "X-Forwarded", host: host, header: []string{
			"X-Forwarded-Server", evil, "X-Forwarded-Proto", "http", "X-Forwarded-Port", "444", "X-Forwarded-Prefix", "/" + evil,
			"X-Original-Host", evil, "X-Host", evil, "X-HTTP-Host-Override", evil, "X-Original-URL", "//" + evil, "X-Rewrite-URL", "//" + evil,
		}},
		{name: "Forwarded", host: host, header: []string{"Forwarded", "for=192.0.2.1;host=" + evil + ";proto=http"}},
		{name: "Referer", host: host, header: []string{"Referer", "https://" + evil + "/auth/forgot"}},
		{name: "Origin", host: host, header: []string{"Origin", "https://" + evil}, refused: true},
	}
	for _, m := range mailings {
		for _, a := range attacks {
			t.Run(m.name+"/"+a.name, func(t *testing.T) {
				t.Parallel()
				k, _ := NewPages(t, pages.Config{}, Setup{Service: Unlimited})
				server := httptest.NewServer(k.Server)
				defer server.Close()
				q := m.make(k)
				k.ClearRecords()
				contentType := "application/json"
				if q.Body != "" && q.Body[0] != '{' {
					contentType = "application/x-www-form-urlencoded"
				}
				q = q.With(a.header...).With("Content-Type", contentType)
				if a.name != "Origin" { // Sec-Fetch-Site comes first
					q = q.With("Sec-Fetch-Site", "same-origin")
				}
				status := raw(t, server.Listener.Addr().String(), a.target+"/auth"+q.Path, a.host, q)
				sent := k.Inbox()
				if a.refused != (status >= 400) || a.refused && len(sent) > 0 {
					t.Fatalf("status %d and %d emails", status, len(sent))
				}
				links := 0
				for _, msg := range sent {
					if strings.Contains(fmt.Sprint(msg)+msg.Link.Reveal(), evil) {
						t.Errorf("an email %s names the attacker's host", msg.Kind)
					}
					if msg.Kind == m.kind && strings.HasPrefix(msg.Link.Reveal(), "https://app.example/auth/") {
						links++
					}
				}
				if !a.refused && links != 1 {
					t.Errorf("%d links to our site, want 1", links)
				}
			})
		}
	}
}

// RS-07 on the route that sends a link to confirm an address: the email goes to the
// stored address, whatever the request contains.
func TestRS07_EV01_TheLinkGoesToTheStoredAddress(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{Service: Unlimited})
		u := k.SignUp(Ann)
		for _, body := range []string{
			"", Object("loginId", Bob), Object("email", Bob), Object("to", Bob), `{"email":["` + Ann + `","` + Bob + `"]}`,
			Object("email", Ann+","+Bob), Object("email", Ann+"\r\nBcc: "+Bob), `{"user":{"email":"` + Bob + `"}}`,
		} {
			k.Clock.Add(25 * time.Hour) // earlier links have expired
			u = k.Do(k.Refresh(u)).Want(t, 200, "").Keep(u)
			k.ClearRecords()
			k.Do(k.As(u, Post("/email/verify/send", body))).Want(t, 202, "")
			if all := k.Inbox(); len(all) != 1 || all[0].To != Ann || all[0].Kind != usher.MessageVerifyEmail {
				t.Errorf("%s: %d emails", body, len(all))
			}
		}
		k.ClearRecords()
		k.Do(k.As(u, Post("/email/verify/send", `{"email":"`+Bob+`","email":"`+Ann+`"}`))).Want(t, 400, "invalid_request")
		k.Do(k.As(u, Post("/email/verify/send", `[]`))).Want(t, 400, "invalid_request")
		if got := k.EmailKinds(); got != "" {
			t.Errorf("mails: %s", got)
		}
	})
}

// A program whose emailed links lead to pages that no mount has gets a warning when it
// starts.
func TestRS15_LinksToMissingPagesAreAWarning(t *testing.T) {
	t.Parallel()
	const message = "handlers: emailed links lead to a page that the program does not have"
	for _, test := range []struct {
		name  string
		links usher.Links
		pages bool
		want  int
	}{
		{"neither", usher.Links{}, false, 2},
		{"pages", usher.Links{}, true, 0},
		{"links", usher.Links{ResetPassword: "myapp://reset", VerifyEmail: "https://spa.example/verify"}, false, 0},
		{"one link", usher.Links{ResetPassword: "myapp://reset"}, false, 1},
	} {
		k := NewKit(t, Mode(test.pages), Setup{
			Service: func(c *usher.Config) { c.Links = test.links },
			Config: func(c *handlers.Config) {
				if test.pages {
					c.Pages = &pages.Config{}
				}
			},
		})
		if got := strings.Count(k.Logs.String(), message); got != test.want {
			t.Errorf("%s: %d warnings, want %d:\n%s", test.name, got, test.want, k.Logs)
		}
		if !test.pages {
			continue
		}
		// A second mount of the same program needs no pages.
		if _, err := handlers.New(k.Service, handlers.Config{Logger: slog.New(slog.NewTextHandler(k.Logs, nil))}); err != nil || strings.Contains(k.Logs.String(), message) {
			t.Errorf("beside a mount with pages: %v\n%s", err, k.Logs)
		}
	}
}

// A session token that was stolen within five minutes of the sign-in sets a password, and
// with it no other address.
func TestUP07_APasswordSetByASessionIsNotEnough(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u := k.SignUpVerified(Ann)
		a := k.Do(k.As(u, Post("/password/update", Object("newPassword", OtherPassword)))).Want(t, 200, "")
		thief := a.Keep(u)
		change := Post("/email/change", Object("newEmail", Bob, "currentPassword", OtherPassword))
		k.Do(k.As(thief, change)).Want(t, 403, "email_proof_required")
		if !k.IsSignedIn(thief) {
			t.Error("the refusal ended the session")
		}
		k.Do(Post("/password/reset/complete", Object("token", k.ResetToken(Ann), "newPassword", GoodPassword))).Want(t, 200, "")
		k.Do(k.As(k.SignIn(Ann, GoodPassword), Post("/email/change", Object("newEmail", Bob, "currentPassword", GoodPassword)))).Want(t, 202, "")
	})
}
