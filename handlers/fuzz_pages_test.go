package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/pages"
)

// pageRoutes are the pages and their forms, by method.
var pageRoutes = []request{
	get("/signin"), get("/signup"), get("/forgot"), get("/reset"), get("/verify"), get("/account"), get("/account/name"), get("/account/email"),
	get("/account/password"), get("/icon.svg"), get("/nothing"),
	post("/signin", ""), post("/signup", ""), post("/password/reset", ""), post("/password/reset/complete", ""), post("/password/replace", ""),
	post("/password/update", ""), post("/email/verify", ""), post("/email/verify/send", ""), post("/email/change", ""), post("/signout", ""),
	post("/signout/all", ""), post("/account/name", ""), post("/account/email/cancel", ""), post("/account/sessions/x", ""),
}

// harmful reports whether net/http would refuse a header with that value before
// it reaches us.
func harmful(value string) bool {
	return strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// FuzzFB04_Pages sends rubbish to every page and form. Nothing may fail on our
// side, and nobody may be let in.
func FuzzFB04_Pages(f *testing.F) {
	for i := range pageRoutes {
		f.Add(byte(i), "loginId=ann%40example.com&password=vast+otter", "return_to=%2Fx", "__Host-session=x; __Host-notes=y", "de, en;q=0.5")
	}
	for _, body := range []string{
		"", "&&==;", "%", "%zz=1", "loginId=%00", "loginId=a&loginId=b", "token=AAAA&newPassword=vast+otter+sings+low", "newPassword=%ff", "name=%3Cscript%3E",
		strings.Repeat("a=1&", 3000), `{"loginId":1}`,
	} {
		f.Add(byte(11), body, "token="+body, "\xff=\xfe", "x-"+body)
		f.Add(byte(14), body, "sent=1&done=1&prompt=login", strings.Repeat("a=b; ", 100), "*")
	}
	k := newKit(f, inCookies, setup{service: unlimited, config: func(c *handlers.Config) { c.Pages = &pages.Config{} }})
	f.Fuzz(func(t *testing.T, which byte, body, query, cookie, lang string) {
		q := pageRoutes[int(which)%len(pageRoutes)]
		if q.method == http.MethodPost {
			q.body = body
			q = q.with("Content-Type", "application/x-www-form-urlencoded")
		}
		if !harmful(query) && !strings.ContainsAny(query, " #%\"<>\\^`{|}") {
			q.path += "?" + query
		}
		q = q.with("Sec-Fetch-Site", "same-origin", "Accept", "text/html")
		for name, value := range map[string]string{"Cookie": cookie, "Accept-Language": lang} {
			if value != "" && !harmful(value) {
				q = q.with(name, value)
			}
		}
		a := k.do(q)
		if a.status >= 500 || a.status < 200 {
			t.Errorf("%s %s: %d %s", q.method, q.path, a.status, a.body)
		}
		signedIn := strings.Contains(strings.Join(a.header["Set-Cookie"], " "), "__Host-session=") && !strings.Contains(strings.Join(a.header["Set-Cookie"], " "), "Max-Age=0")
		if signedIn && !strings.HasPrefix(q.path, "/signup") {
			t.Errorf("%s %s: somebody is signed in", q.method, q.path)
		}
	})
}
