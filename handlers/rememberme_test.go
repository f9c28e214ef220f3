package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
)

// wantCookies fails unless the answer sets the session cookie, and it and the device
// cookie end with the browser or do not.
func wantCookies(t *testing.T, what string, a *Reply, endWithBrowser bool) {
	t.Helper()
	found := false
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		if session := strings.HasSuffix(c.Name, "session"); c.MaxAge >= 0 && (session || strings.HasSuffix(c.Name, "device")) {
			found = found || session
			if (c.MaxAge == 0 && c.Expires.IsZero()) != endWithBrowser {
				t.Errorf("%s: the cookie is %s", what, c.Raw)
			}
		}
	}
	if !found {
		t.Errorf("%s: no session cookie: %v", what, a.Header["Set-Cookie"])
	}
}

func TestSE19_RememberMeDecidesHowLongTheCookiesLast(t *testing.T) {
	t.Parallel()
	body := func(remember string) string {
		return `{"loginId":"` + Ann + `","password":"` + GoodPassword + `"` + remember + `}`
	}
	for _, byDefault := range []bool{false, true} {
		k := NewKit(t, InCookies, Setup{Config: func(c *handlers.Config) { c.EndWithBrowser = byDefault }})
		wantCookies(t, "sign-up", k.Do(Post("/signup", SignUpBody(Ann, GoodPassword))).Want(t, 201, ""), byDefault)
		k.Do(Post("/signin", body(`,"rememberMe":"no"`))).Want(t, 400, "invalid_request")
		for remember, ends := range map[string]bool{"": byDefault, `,"rememberMe":null`: byDefault, `,"rememberMe":true`: false, `,"rememberMe":false`: true} {
			a := k.Do(Post("/signin", body(remember))).Want(t, 200, "")
			wantCookies(t, "sign-in "+remember, a, ends)
			u := a.Keep(Tokens{})
			a = k.Do(k.Refresh(u)).Want(t, 200, "")
			wantCookies(t, "refresh "+remember, a, ends)
			u = a.Keep(u)
			k.Clock.Add(11 * time.Minute)
			a = k.Do(k.As(u, Get("/me"))).Want(t, 200, "")
			wantCookies(t, "refresh in passing "+remember, a, ends)
			u = a.Keep(u)
			wantCookies(t, "confirmation "+remember, k.Do(k.As(u, Post("/session/confirm", Object("password", GoodPassword)))).Want(t, 200, ""), ends)
		}
		a := k.Do(Post("/password/replace", `{"loginId":"`+Ann+`","oldPassword":"`+GoodPassword+`","newPassword":"`+OtherPassword+`","rememberMe":false}`)).Want(t, 200, "")
		wantCookies(t, "replace", a, true)
	}
}
