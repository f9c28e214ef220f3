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
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store/memory"
)

// rubbish makes texts out of good ones: it cuts, doubles, swaps and spoils.
type rubbish struct{ *rand.Rand }

func (r rubbish) of(texts ...string) string {
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

// Thousands of spoiled bodies, cookies, headers and tokens, and tokens of a real
// session among them: no answer is of a fault of ours, and when the Service is
// closed no goroutine is left over. Not parallel, since the others' goroutines
// come and go.
func TestFB04_RubbishLeavesNothingOver(t *testing.T) {
	before := goleak.IgnoreCurrent()
	r := rubbish{rand.New(rand.NewPCG(4, 1))}
	bodies := []string{
		signUpBody(ann, goodPassword), object("token", strings.Repeat("A", 43), "newPassword", goodPassword), object("refreshToken", "e30.e30.AA"),
		object("newEmail", bob, "currentPassword", "x"), `{"user":{"name":"x","roles":[1,{"a":null}]}}`, form("loginId", ann, "password", "x"), "null", "[]",
	}
	types := []string{"application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"}
	var routes []request
	for _, path := range slices.Sorted(maps.Keys(table)) {
		for method := range strings.SplitSeq(table[path], ", ") {
			routes = append(routes, request{method: method, path: path})
		}
	}
	routes = append(routes, pageRoutes...)
	for _, m := range []mode{inCookies, inBodies} {
		store := memory.New()
		k := newKit(t, m, setup{store: store, service: unlimited,
			config: func(c *handlers.Config) {
				if m == inCookies {
					c.Pages = &pages.Config{}
				}
			}})
		u := k.signUp(ann)
		a, err := k.svc.SignIn(t.Context(), usher.SignIn{LoginID: ann, Password: goodPassword}, usher.Client{})
		if err != nil {
			t.Fatal(err)
		}
		k.t = nil // what is answered is not looked at closely
		values := map[string][]string{
			"Authorization": {"Bearer " + a.Tokens.Session.Reveal(), "Bearer " + a.Tokens.Refresh.Reveal(), "Basic YTpi", "Bearer e30.e30.AA"},
			"Cookie":        {u.cookie, "__Host-session=x; __Host-device=y", "__Host-session=" + strings.Repeat("A", 5000)},
			"Origin":        {"https://app.example", "null", "https://evil.test"}, "Sec-Fetch-Site": {"same-origin", "cross-site", "none"},
			"Accept-Language": {"de-AT, en;q=0.5, *;q=0.1", "he"}, "X-Forwarded-For": {"192.0.2.7, 10.0.0.1", "[::1]:80"}, "X-Request-Id": {"abc"},
			"Accept": {"text/html,*/*;q=0.8", "application/json"}, "Content-Encoding": {"gzip"}, "X-Requested-With": {"x"},
		}
		names := slices.Sorted(maps.Keys(values))
		for range 3000 {
			q := routes[r.IntN(len(routes))]
			if q.method != http.MethodGet && q.method != http.MethodHead {
				q.body = r.of(bodies...)
			}
			q = q.with("Content-Type", types[r.IntN(len(types))])
			for _, name := range names {
				value := r.of(values[name]...)
				if r.IntN(3) == 0 && value != "" && !harmful(value) {
					q = q.with(name, value)
				}
			}
			if a := k.do(q); a.status >= 500 {
				t.Fatalf("%s %s %v: %d %s", q.method, q.path, q.header, a.status, a.body)
			}
		}
		if err := k.svc.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	goleak.VerifyNone(t, before)
}
