package handlers_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store/memory"
)

// FuzzRoutes sends random requests to every route. None is answered with 500 and none
// gets a session.
func FuzzRoutes(f *testing.F) {
	for _, body := range []string{
		`{"loginId":"ann@example.com","password":"x"}`, `{"user":{"name":"\ud800"}}`, `{"refreshToken":"e30.e30.AA"}`, "null", "", "[[[[", `{"a":1,"A":2}`,
		`{"token":"AAAA","newPassword":"vast otter sings low"}`, "\xff\xfe", `{"loginId":"\u0000@\u212a.example","oldPassword":"a","newPassword":"b"}`,
	} {
		for i := range 4 {
			f.Add(byte(i*5), body, "application/json", "Bearer e30.e30.AA", "__Host-session=x", "/sessions/%2e%2e")
		}
	}
	kits := map[Mode]*Kit{InCookies: NewKit(f, InCookies, Setup{Service: Unlimited}), InBodies: NewKit(f, InBodies, Setup{Service: Unlimited})}
	var routes []Request
	for _, path := range slices.Sorted(maps.Keys(table)) { // the same input must always be the same request
		for _, method := range strings.Split(table[path], ", ") {
			routes = append(routes, Request{Method: method, Path: path})
		}
	}
	f.Fuzz(func(t *testing.T, which byte, body, contentType, authorization, cookie, path string) {
		q := routes[int(which)%len(routes)]
		q.Body = body
		q = q.With("Sec-Fetch-Site", "same-origin", "X-Forwarded-For", path, "X-Request-Id", cookie)
		for name, value := range map[string]string{"Content-Type": contentType, "Authorization": authorization, "Cookie": cookie, "Origin": path} {
			// A request that net/http would refuse never arrives here.
			if value != "" && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				q = q.With(name, value)
			}
		}
		for m, k := range kits {
			a := k.Do(q)
			if a.Status >= 500 || a.Status < 200 {
				t.Errorf("%s: %s %s: %d %s", m, q.Method, q.Path, a.Status, a.Body)
			}
			open := q.Path == "/signup" || q.Path == "/signout" || q.Path == "/keys" || q.Path == "/revocations" || q.Path == "/password/policy" || q.Path == "/password/reset"
			if a.Status < 300 && !open && a.Status != http.StatusNoContent {
				t.Errorf("%s: %s %s: %d %s", m, q.Method, q.Path, a.Status, a.Body)
			}
		}
	})
}

// pageRoutes are the paths of the pages and of their forms, by method.
var pageRoutes = []Request{
	Get("/signin"), Get("/signup"), Get("/forgot"), Get("/reset"), Get("/verify"), Get("/account"), Get("/account/name"), Get("/account/email"),
	Get("/account/password"), Get("/account/signout"), Get("/icon.svg"), Get("/nothing"),
	Post("/signin", ""), Post("/signup", ""), Post("/password/reset", ""), Post("/password/reset/complete", ""), Post("/password/replace", ""),
	Post("/password/update", ""), Post("/email/verify", ""), Post("/email/verify/send", ""), Post("/email/change", ""), Post("/signout", ""),
	Post("/signout/all", ""), Post("/account/name", ""), Post("/account/email/cancel", ""), Post("/account/sessions/x", ""),
	Post("/language", ""),
}

// harmful reports whether net/http would refuse a header with that value.
func harmful(value string) bool {
	return strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// FuzzFB04_Pages sends random requests to every page and form. None is answered with
// 500 and none gets a session.
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
	k := NewKit(f, InCookies, Setup{Service: Unlimited, Config: func(c *handlers.Config) { c.Pages = &pages.Config{} }})
	f.Fuzz(func(t *testing.T, which byte, body, query, cookie, lang string) {
		q := pageRoutes[int(which)%len(pageRoutes)]
		if q.Method == http.MethodPost {
			q.Body = body
			q = q.With("Content-Type", "application/x-www-form-urlencoded")
		}
		if !harmful(query) && !strings.ContainsAny(query, " #%\"<>\\^`{|}") {
			q.Path += "?" + query
		}
		q = q.With("Sec-Fetch-Site", "same-origin", "Accept", "text/html")
		for name, value := range map[string]string{"Cookie": cookie, "Accept-Language": lang} {
			if value != "" && !harmful(value) {
				q = q.With(name, value)
			}
		}
		a := k.Do(q)
		if a.Status >= 500 || a.Status < 200 {
			t.Errorf("%s %s: %d %s", q.Method, q.Path, a.Status, a.Body)
		}
		signedIn := strings.Contains(strings.Join(a.Header["Set-Cookie"], " "), "__Host-session=") && !strings.Contains(strings.Join(a.Header["Set-Cookie"], " "), "Max-Age=0")
		if signedIn && !strings.HasPrefix(q.Path, "/signup") {
			t.Errorf("%s %s: a session was started", q.Method, q.Path)
		}
	})
}

// damagedText returns changed copies of valid texts: cut, doubled, swapped and damaged.
type damagedText struct{ *rand.Rand }

func (r damagedText) of(texts ...string) string {
	b := []byte(texts[r.IntN(len(texts))])
	for range r.IntN(4) {
		if len(b) == 0 {
			return ""
		}
		i := r.IntN(len(b))
		switch r.IntN(5) {
		case 0:
			b = b[:i]
		case 1:
			b = append(b[:i:i], b...)
		case 2:
			b[i] = byte(r.IntN(256))
		case 3:
			other := texts[r.IntN(len(texts))]
			b = append(b[:i:i], other[r.IntN(len(other)+1):]...)
		case 4:
			b = append(b[:i:i], b[i+1:]...)
		}
	}
	return string(b)
}

// Thousands of requests with damaged bodies, cookies, headers and tokens, and with
// tokens of a real session: none is answered with 500, and when the Service is closed
// no goroutine is left. The test is not parallel, because it counts goroutines.
func TestFB04_DamagedRequestsLeaveNoGoroutine(t *testing.T) {
	before := goleak.IgnoreCurrent()
	r := damagedText{rand.New(rand.NewPCG(4, 1))}
	bodies := []string{
		SignUpBody(Ann, GoodPassword), Object("token", strings.Repeat("A", 43), "newPassword", GoodPassword), Object("refreshToken", "e30.e30.AA"),
		Object("newEmail", Bob, "currentPassword", "x"), `{"user":{"name":"x","roles":[1,{"a":null}]}}`, Form("loginId", Ann, "password", "x"), "null", "[]",
	}
	types := []string{"application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"}
	var routes []Request
	for _, path := range slices.Sorted(maps.Keys(table)) {
		for method := range strings.SplitSeq(table[path], ", ") {
			routes = append(routes, Request{Method: method, Path: path})
		}
	}
	routes = append(routes, pageRoutes...)
	for _, m := range []Mode{InCookies, InBodies} {
		store := memory.New()
		k := NewKit(t, m, Setup{Store: store, Service: Unlimited,
			Config: func(c *handlers.Config) {
				if m == InCookies {
					c.Pages = &pages.Config{}
				}
			}})
		u := k.SignUp(Ann)
		a, err := k.Service.SignIn(t.Context(), usher.SignInParams{LoginID: Ann, Password: GoodPassword}, usher.Client{})
		if err != nil {
			t.Fatal(err)
		}
		k.T = nil // the answers may break the checks for every answer
		values := map[string][]string{
			"Authorization": {"Bearer " + a.Authentication.Tokens.Session.Reveal(), "Bearer " + a.Authentication.Tokens.Refresh.Reveal(), "Basic YTpi", "Bearer e30.e30.AA"},
			"Cookie":        {u.Cookie, "__Host-session=x; __Host-device=y", "__Host-session=" + strings.Repeat("A", 5000)},
			"Origin":        {"https://app.example", "null", "https://evil.test"}, "Sec-Fetch-Site": {"same-origin", "cross-site", "none"},
			"Accept-Language": {"de-AT, en;q=0.5, *;q=0.1", "he"}, "X-Forwarded-For": {"192.0.2.7, 10.0.0.1", "[::1]:80"}, "X-Request-Id": {"abc"},
			"Accept": {"text/html,*/*;q=0.8", "application/json"}, "Content-Encoding": {"gzip"}, "X-Requested-With": {"x"},
		}
		names := slices.Sorted(maps.Keys(values))
		for range 3000 {
			q := routes[r.IntN(len(routes))]
			if q.Method != http.MethodGet && q.Method != http.MethodHead {
				q.Body = r.of(bodies...)
			}
			q = q.With("Content-Type", types[r.IntN(len(types))])
			for _, name := range names {
				value := r.of(values[name]...)
				if r.IntN(3) == 0 && value != "" && !harmful(value) {
					q = q.With(name, value)
				}
			}
			if a := k.Do(q); a.Status >= 500 {
				t.Fatalf("%s %s %v: %d %s", q.Method, q.Path, q.Header, a.Status, a.Body)
			}
		}
		if err := k.Service.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	goleak.VerifyNone(t, before)
}

// A session id that no store takes is one that does not exist, and no outage.
func TestFB04_NoPathIsAnOutage(t *testing.T) {
	t.Parallel()
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	u := k.SignIn(Ann, GoodPassword)
	for _, id := range []string{"%00", "a%00b", "%FF", "%C0%80", "%E2%80%AE", "x"} {
		k.Do(k.As(u, Request{Method: http.MethodDelete, Path: "/sessions/" + id})).Want(t, 404, "not_found")
		b.Send("/account/sessions/"+id).WantRedirect(t, "/auth/account")
	}
}
