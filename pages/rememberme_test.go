package pages_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

const (
	box    = `<input type="checkbox" name="rememberMe" value="true"`
	setBox = box + ` checked`
)

// endsWithBrowser reports whether the answer sets a session cookie without a lifetime.
func endsWithBrowser(t *testing.T, v View) bool {
	t.Helper()
	for _, c := range (&http.Response{Header: v.Header}).Cookies() {
		if strings.HasSuffix(c.Name, "session") && c.MaxAge >= 0 {
			return c.MaxAge == 0 && c.Expires.IsZero()
		}
	}
	t.Errorf("no session cookie: %v", v.Header["Set-Cookie"])
	return false
}

func TestSE19_TheBoxOfTheSignInPage(t *testing.T) {
	t.Parallel()
	for _, byDefault := range []bool{false, true} {
		k, b := NewPages(t, pages.Config{}, Setup{Config: func(c *handlers.Config) { c.EndWithBrowser = byDefault }})
		k.SignUpVerified(Ann)
		if v := b.Open("/auth/signin").WantPage(t, 200, box, "Keep me signed in"); strings.Contains(v.Body, setBox) == byDefault {
			t.Errorf("by default %t, the box is wrong", byDefault)
		}
		for what, c := range map[string]struct {
			fields []string
			ends   bool
		}{
			"set":         {[]string{"rememberMeShown", "true", "rememberMe", "true"}, false},
			"not set":     {[]string{"rememberMeShown", "true"}, true},
			"not offered": {nil, byDefault},
		} {
			with := func(fields ...string) []string { return append(fields, c.fields...) }
			for _, pw := range []string{OtherPassword, ""} { // the box stays as it was
				v := k.Browser(t).Send("/signin", with("loginId", Ann, "password", pw)...)
				if strings.Contains(v.Body, setBox) == c.ends {
					t.Errorf("%s, by default %t: after an error the box is wrong", what, byDefault)
				}
			}
			v := k.Browser(t).Send("/signin", with("loginId", Ann, "password", GoodPassword)...).WantRedirect(t, "/")
			if got := endsWithBrowser(t, v); got != c.ends {
				t.Errorf("%s, by default %t: ends with the browser: %t", what, byDefault, got)
			}
		}
	}
}

// The page of an expired password passes the choice on.
func TestSE19_TheChoiceSurvivesAnExpiredPassword(t *testing.T) {
	t.Parallel()
	k, _ := NewPages(t, pages.Config{}, Setup{})
	k.SignUpVerified(Ann)
	if err := k.Service.Operator("test").ExpirePassword(t.Context(), k.UserID(Ann)); err != nil {
		t.Fatal(err)
	}
	b := k.Browser(t)
	b.Send("/signin", "loginId", Ann, "password", GoodPassword, "rememberMeShown", "true").WantPage(t, 403, `name="rememberMe" value="false"`)
	send := func(new string) View {
		return b.Send("/password/replace", "loginId", Ann, "oldPassword", GoodPassword, "newPassword", new, "rememberMe", "false")
	}
	send(GoodPassword).WantPage(t, 400, `name="rememberMe" value="false"`)
	if !endsWithBrowser(t, send(OtherPassword).WantRedirect(t, "/")) {
		t.Error("the session outlives the browser")
	}
}

// The sign-up page has the same box, unless a sign-up starts no session.
func TestSE19_TheBoxOfTheSignUpPage(t *testing.T) {
	t.Parallel()
	_, b := NewPages(t, pages.Config{}, Setup{})
	b.Open("/auth/signup").WantPage(t, 200, setBox)
	b.Send("/signup", "loginId", Ann, "password", WeakPassword, "rememberMeShown", "true").WantPage(t, 400, box+">")
	for fields, ends := range map[[2]string]bool{{"rememberMe", "true"}: false, {"rememberMe", ""}: true} {
		_, b := NewPages(t, pages.Config{}, Setup{})
		v := b.Send("/signup", "loginId", Ann, "password", GoodPassword, "rememberMeShown", "true", fields[0], fields[1]).WantRedirect(t, "/")
		if got := endsWithBrowser(t, v); got != ends {
			t.Errorf("%v: ends with the browser: %t", fields, got)
		}
	}
	_, b = NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.ConfirmFirst = true }})
	if v := b.Open("/auth/signup"); strings.Contains(v.Body, box) {
		t.Error("with ConfirmFirst the page has the box")
	}
}
