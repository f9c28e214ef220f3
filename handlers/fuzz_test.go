package handlers_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// FuzzRoutes sends rubbish to every route. Nothing may fail on our side, and
// nobody may be let in.
func FuzzRoutes(f *testing.F) {
	for _, body := range []string{
		`{"loginId":"ann@example.com","password":"x"}`, `{"user":{"name":"\ud800"}}`, `{"refreshToken":"e30.e30.AA"}`, "null", "", "[[[[", `{"a":1,"A":2}`,
		`{"token":"AAAA","newPassword":"vast otter sings low"}`, "\xff\xfe", `{"loginId":"\u0000@\u212a.example","oldPassword":"a","newPassword":"b"}`,
	} {
		for i := range 4 {
			f.Add(byte(i*5), body, "application/json", "Bearer e30.e30.AA", "__Host-session=x", "/sessions/%2e%2e")
		}
	}
	kits := map[mode]*kit{inCookies: newKit(f, inCookies, setup{service: unlimited}), inBodies: newKit(f, inBodies, setup{service: unlimited})}
	var routes []request
	for _, path := range slices.Sorted(maps.Keys(table)) { // each run must see the same input as the same request
		for _, method := range strings.Split(table[path], ", ") {
			routes = append(routes, request{method: method, path: path})
		}
	}
	f.Fuzz(func(t *testing.T, which byte, body, contentType, authorization, cookie, path string) {
		q := routes[int(which)%len(routes)]
		q.body = body
		q = q.with("Sec-Fetch-Site", "same-origin", "X-Forwarded-For", path, "X-Request-Id", cookie)
		for name, value := range map[string]string{"Content-Type": contentType, "Authorization": authorization, "Cookie": cookie, "Origin": path} {
			// What net/http would refuse never arrives here.
			if value != "" && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				q = q.with(name, value)
			}
		}
		for m, k := range kits {
			a := k.do(q)
			if a.status >= 500 || a.status < 200 {
				t.Errorf("%s: %s %s: %d %s", m, q.method, q.path, a.status, a.body)
			}
			open := q.path == "/signup" || q.path == "/signout" || q.path == "/keys" || q.path == "/revocations" || q.path == "/password/policy" || q.path == "/password/reset"
			if a.status < 300 && !open && a.status != http.StatusNoContent {
				t.Errorf("%s: %s %s: %d %s", m, q.method, q.path, a.status, a.body)
			}
		}
	})
}
