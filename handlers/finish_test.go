package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

// addDoor adds a route of the program that signs in the user of the query.
func addDoor(k *Kit) {
	k.Server.(*http.ServeMux).HandleFunc("/door", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("CDN-Cache-Control", "max-age=60") // as a middleware of the program may
		proof := usher.Proof{Methods: []string{"otp"}, At: k.Clock.Now()}
		a, err := k.Service.StartSession(r.Context(), r.FormValue("user"), proof, k.Handlers.Client(w, r))
		if err != nil {
			k.Handlers.Fail(w, r, err)
			return
		}
		k.Handlers.Finish(w, r, a)
	})
}

func TestOP03_FinishDeliversTheTokensAsTheMountDoes(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		addDoor(k)
		before := k.SignUpVerified(Ann)
		bob := k.SignUpVerified(Bob)
		user := k.UserID(Bob)
		a := k.Do(k.As(before, Post("~/door?user="+user, "")))
		a.Want(t, 200, "")
		after := a.Keep(Tokens{})
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("CDN-Cache-Control") != "" || a.Text("user.loginId") != Bob {
			t.Errorf("the answer is %v %s", a.Header, a.Body)
		}
		if inBody := strings.Contains(string(a.Body), "Token"); inBody == (m == InCookies) {
			t.Errorf("tokens in the body: %v", inBody)
		}
		if !k.IsSignedIn(after) || k.IsSignedIn(before) || !k.IsSignedIn(bob) {
			t.Error("the new session must replace that of the request, and no other")
		}
		k.Do(Post("~/door?user=nobody", "")).Want(t, 404, "not_found")
	})
}

func TestOP03_FinishEndsTheSessionOfTheRequestByItself(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		k.Server.(*http.ServeMux).HandleFunc("/door", func(w http.ResponseWriter, r *http.Request) {
			proof := usher.Proof{Methods: []string{"otp"}, At: k.Clock.Now()}
			k.Handlers.Finish(w, r, usher.Must(k.Service.StartSession(r.Context(), r.FormValue("user"), proof, usher.Client{})))
		})
		before := k.SignUpVerified(Ann)
		after := k.Do(k.As(before, Post("~/door?user="+k.UserID(Ann), ""))).Want(t, 200, "").Keep(Tokens{})
		if k.IsSignedIn(before) || !k.IsSignedIn(after) {
			t.Error("the session of the request did not end")
		}
	})
}

func TestOP03_FinishLeadsABrowserBack(t *testing.T) {
	t.Parallel()
	k, b := NewPages(t, pages.Config{Home: "/start"}, Setup{})
	addDoor(k)
	k.SignUp(Ann)
	user := k.UserID(Ann)
	for returnTo, want := range map[string]string{"": "/start", "/orders?id=7": "/orders?id=7", "//evil.example": "/start", "https://evil.example/": "/start"} {
		b.Open("/door?"+Form("user", user, "return_to", returnTo), "Sec-Fetch-Site", "cross-site").WantRedirect(t, want)
	}
	b.Open("/auth/account").WantPage(t, 200, Ann)
	if _, known := b.Cookies["__Host-device"]; !known {
		t.Error("the browser is not known after the sign-in")
	}
	k.Browser(t).Open("/door?user=nobody").WantPage(t, 404)
}

func TestHP17_AReturnPathThatIsThereTwiceDoesNotCount(t *testing.T) {
	t.Parallel()
	k, b := NewPages(t, pages.Config{Home: "/start"}, Setup{})
	addDoor(k)
	k.SignUp(Ann)
	user := Form("user", k.UserID(Ann))
	b.Open("/door?"+user+"&return_to=/one&return_to=/two", "Sec-Fetch-Site", "cross-site").WantRedirect(t, "/start")
	b.Do(http.MethodPost, "/door?"+user+"&return_to=/one", Form("return_to", "/two")).WantRedirect(t, "/start")
	b.Do(http.MethodPost, "/door?"+user, Form("return_to", "/two")).WantRedirect(t, "/two")
}

func TestOP03_TokensTooLargeForACookieChangeNothing(t *testing.T) {
	t.Parallel()
	large := false
	k := NewKit(t, InCookies, Setup{Service: func(c *usher.Config) {
		c.Claims = func(Ctx, usher.User) (map[string]any, error) {
			if large {
				return map[string]any{"x": strings.Repeat("x", 3000)}, nil
			}
			return nil, nil
		}
	}})
	addDoor(k)
	before := k.SignUpVerified(Ann)
	large = true
	k.Do(k.As(before, Post("~/door?user="+k.UserID(Ann), ""))).Want(t, 500, "internal")
	large = false
	if !k.IsSignedIn(before) {
		t.Error("the session before ended although the new one was not delivered")
	}
}
