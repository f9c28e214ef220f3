package handlers_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/pages"
)

// raw sends a request as it is written, over a connection: net/http's own client
// would not send some of them.
func raw(t *testing.T, address, target, host string, q request) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nConnection: close\r\n", target, host, len(q.body))
	for i := 0; i+1 < len(q.header); i += 2 {
		text += q.header[i] + ": " + q.header[i+1] + "\r\n"
	}
	if _, err := fmt.Fprint(conn, text, "\r\n", q.body); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// mailings are the requests by which a link is mailed, in JSON and as forms.
var mailings = []struct {
	name string
	kind usher.MessageKind
	make func(k *kit) request
}{
	{"reset", usher.MessageResetPassword, func(k *kit) request {
		k.signUpVerified(ann)
		return post("/password/reset", object("loginId", ann))
	}},
	{"reset of an unproven address", usher.MessageConfirmAndReset, func(k *kit) request {
		k.signUp(ann)
		return post("/password/reset", form("loginId", ann))
	}},
	{"sign-up", usher.MessageVerifyEmail, func(*kit) request { return post("/signup", signUpBody(ann, goodPassword)) }},
	{"sign-up by form", usher.MessageVerifyEmail, func(*kit) request {
		return post("/signup", form("loginId", ann, "password", goodPassword))
	}},
	{"verify/send", usher.MessageVerifyEmail, func(k *kit) request { return post("/email/verify/send", "", "Cookie", k.signUp(ann).cookie) }},
	{"change", usher.MessageChangeEmail, func(k *kit) request {
		return post("/email/change", form("newEmail", bob, "currentPassword", goodPassword), "Cookie", k.signUp(ann).cookie)
	}},
}

// What a request says of its host, origin or way has no part in a mailed link:
// neither in that of a reset nor in that of a verification.
func TestRS05_EV01_NoRequestChangesTheOriginOfALink(t *testing.T) {
	t.Parallel()
	const host, evil = "app.example", "evil.test"
	attacks := []struct {
		name, target, host string
		header             []string
		refused            bool // and not served, as all others are
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
				k, _ := newPages(t, pages.Config{}, setup{service: unlimited})
				server := httptest.NewServer(k.server)
				defer server.Close()
				q := m.make(k)
				k.forget()
				contentType := "application/json"
				if q.body != "" && q.body[0] != '{' {
					contentType = "application/x-www-form-urlencoded"
				}
				q = q.with(a.header...).with("Content-Type", contentType)
				if a.name != "Origin" { // the other header tells as much, and goes first
					q = q.with("Sec-Fetch-Site", "same-origin")
				}
				status := raw(t, server.Listener.Addr().String(), a.target+"/auth"+q.path, a.host, q)
				sent := k.inbox()
				if a.refused != (status >= 400) || a.refused && len(sent) > 0 {
					t.Fatalf("status %d and %d mails", status, len(sent))
				}
				links := 0
				for _, msg := range sent {
					if strings.Contains(fmt.Sprint(msg)+msg.Link.Reveal(), evil) {
						t.Errorf("a mail %s names the attacker's host", msg.Kind)
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

// RS-07 on the route that mails a link to confirm an address: whatever the
// request names, the mail goes to the address that is stored.
func TestRS07_EV01_TheLinkGoesToTheStoredAddress(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, m mode) {
		k := newKit(t, m, setup{service: unlimited})
		u := k.signUp(ann)
		for _, body := range []string{
			"", object("loginId", bob), object("email", bob), object("to", bob), `{"email":["` + ann + `","` + bob + `"]}`,
			object("email", ann+","+bob), object("email", ann+"\r\nBcc: "+bob), `{"user":{"email":"` + bob + `"}}`,
		} {
			k.clock.add(25 * time.Hour) // links that are open have died
			u = k.do(k.refresh(u)).want(t, 200, "").keep(u)
			k.forget()
			k.do(k.as(u, post("/email/verify/send", body))).want(t, 202, "")
			if all := k.inbox(); len(all) != 1 || all[0].To != ann || all[0].Kind != usher.MessageVerifyEmail {
				t.Errorf("%s: %d mails", body, len(all))
			}
		}
		k.forget()
		k.do(k.as(u, post("/email/verify/send", `{"email":"`+bob+`","email":"`+ann+`"}`))).want(t, 400, "invalid_request")
		k.do(k.as(u, post("/email/verify/send", `[]`))).want(t, 400, "invalid_request")
		if got := k.mails(); got != "" {
			t.Errorf("mails: %s", got)
		}
	})
}
