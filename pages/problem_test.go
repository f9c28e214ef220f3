package pages_test

import (
	"cmp"
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
)

func TestTitlesOfProblemsAreTranslated(t *testing.T) {
	k := NewKit(t, InBodies, Setup{})
	for lang, want := range map[string]string{"": "Not signed in", "de-CH": "Nicht angemeldet", "he": "נדרשת כניסה", "ja": "Not signed in"} {
		a := k.Do(Get("/me", "Accept-Language", lang)).Want(t, 401, "not_signed_in")
		if a.Text("title") != want {
			t.Errorf("%q: %s", lang, a.Body)
		}
	}
}

// All texts of an answer are in the language that Content-Language names, also on
// mounts without pages and with texts of the program.
func TestProblemsSpeakTheLanguageTheyName(t *testing.T) {
	k := NewKit(t, InBodies, Setup{Config: func(c *handlers.Config) {
		c.Texts.Texts = map[string]map[string]string{"de": {"problem.not_signed_in.text": "Herein mit Ihnen."}}
	}})
	for _, test := range []struct {
		lang, language string
		q              Request
		want           []string
	}{
		{"", "en", Get("/me"), []string{"Not signed in", "Sign in first."}},
		{"de", "de", Get("/me"), []string{"Nicht angemeldet", "Herein mit Ihnen."}},
		{"fr", "fr", Post("/signin", SignUpBody(Ann, OtherPassword)), []string{"Identifiants incorrects", "L’adresse e-mail ou le mot de passe est incorrect."}},
		{"de", "de", Post("/signup", SignUpBody(Ann, "short")), []string{"Passwort nicht erlaubt", "Wählen Sie ein anderes Passwort.", "Verwenden Sie mindestens 15 Zeichen."}},
		{"es", "es", Post("/signup", SignUpBody(Ann, WeakPassword)), []string{"Esta contraseña es fácil de adivinar. Elija otra."}},
		{"de", "de", Post("/signup", SignUpBody("nowhere@", GoodPassword)), []string{"Ungültige Anfrage", "Geben Sie eine E-Mail-Adresse wie name@example.com ein."}},
		// Details for programmers are in English, and Content-Language names that, too.
		{"de", "de, en", Post("/signin", "{"), []string{"Ungültige Anfrage", "The body is not one JSON object."}},
		{"en", "en", Post("/signin", "{"), []string{"Invalid request", "The body is not one JSON object."}},
		{"de", "de, en", Post("/password/reset", Object("loginId", Ann, "redirectUrl", "https://evil.test/")), []string{"is not among the addresses"}},
	} {
		a := k.Do(test.q.With("Accept-Language", test.lang))
		if got := a.Header.Get("Content-Language"); got != test.language {
			t.Errorf("%s: Content-Language is %q, want %q: %s", test.q.Path, got, test.language, a.Body)
		}
		for _, text := range test.want {
			if !strings.Contains(string(a.Body), text) {
				t.Errorf("%s in %s lacks %q: %s", test.q.Path, test.lang, text, a.Body)
			}
		}
	}
}

// A user who navigates on the program's own routes gets a page, or is led to the sign-in
// and back, whatever the reason of the refusal. Programs and scripts get a problem
// document.
func TestHP14_AUserWhoNavigatesGetsAPage(t *testing.T) {
	noise, large := "", false
	for len(noise) < 4000 {
		noise += rand.Text()
	}
	faults := NewFaults()
	k, b := NewPages(t, pages.Config{Home: "/start"}, Setup{Store: faults, Service: func(c *usher.Config) {
		c.Claims = func(Ctx, usher.User) (map[string]any, error) {
			if large {
				return map[string]any{"x": noise}, nil
			}
			return nil, nil
		}
	}})
	page := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	mux := http.NewServeMux()
	mux.Handle("/auth/", k.Server)
	for path, h := range map[string]http.Handler{
		"/in": k.Handlers.Require(page), "/role": k.Handlers.RequireRole("x")(page), "/permission": k.Handlers.RequirePermission("x")(page),
		"/verified": k.Handlers.RequireVerifiedEmail(page), "/recent": k.Handlers.RequireRecent(time.Minute)(page),
	} {
		mux.Handle(path, h)
	}
	k.Server = mux
	form := []string{"Referer", "https://app.example/write?id=7"}
	multipart := append([]string{"Content-Type", "multipart/form-data; boundary=x"}, form...)

	for _, c := range []struct {
		name, path, code, text string
		status                 int
		prepare                func()
	}{
		{"not signed in", "/in", "not_signed_in", "", 401, func() {}},
		{"no role", "/role", "forbidden", "You don’t have permission to do this.", 403, func() {
			b.Send("/signup", "loginId", Ann, "password", GoodPassword).WantRedirect(t, "/start")
		}},
		{"no permission", "/permission", "forbidden", "You don’t have permission to do this.", 403, func() {}},
		{"not verified", "/verified", "email_not_verified", `href="/auth/account"`, 403, func() {}},
		{"not recent", "/recent", "recent_sign_in_required", "", 401, func() { k.Clock.Add(2 * time.Minute) }},
		{"outage", "/in", "unavailable", `href="/write?id=7"`, 503, func() {
			k.Clock.Add(11 * time.Minute)
			faults.Fail(errors.New("gone"))
		}},
		{"cookie too large", "/in", "internal", "Something went wrong on our side.", 500, func() {
			faults.Fail(nil)
			large = true
		}},
		{"session ended", "/in", "invalid_session", "", 401, func() {
			large = false
			if err := k.Service.Operator("test").SignOutUser(t.Context(), k.UserID(Ann)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		c.prepare()
		cookies := maps.Clone(b.Cookies) // refused requests must see the same ones
		for name, v := range map[string]func() View{
			"form":        func() View { return b.Do("POST", c.path, "a=b", form...) },
			"multipart":   func() View { return b.Do("POST", c.path, "--x--", multipart...) },
			"no referrer": func() View { return b.Do("POST", c.path, "a=b") },
			"open":        func() View { return b.Open(c.path) },
		} {
			b.Cookies = maps.Clone(cookies)
			got := v()
			if c.status == 401 {
				back := map[string]string{"open": c.path, "no referrer": "/start"}[name]
				to := "/auth/signin"
				if c.code == "recent_sign_in_required" {
					to = "/auth/session/confirm"
				}
				got.WantRedirect(t, to+"?return_to="+url.QueryEscape(cmp.Or(back, "/write?id=7")))
				continue
			}
			text := c.text
			if c.status == 503 && name != "form" && name != "multipart" {
				text = `href="` + map[string]string{"open": c.path, "no referrer": "/start"}[name] + `"`
			}
			got.WantPage(t, c.status, text)
			if h := got.Header; h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s, %s: headers are %v", c.name, name, h)
			}
			CheckPolicy(t, c.path, got)
		}
		for name, header := range map[string][]string{
			"script":  {"Sec-Fetch-Mode", "cors"},
			"program": {"Sec-Fetch-Mode", "", "Accept", "*/*"},
			"JSON":    {"Sec-Fetch-Mode", "", "Accept", "application/json", "Content-Type", "application/json"},
		} {
			for _, method := range []string{"GET", "POST"} {
				b.Cookies = maps.Clone(cookies)
				v := b.Do(method, c.path, "", header...)
				if v.Status != c.status || !strings.Contains(v.Body, `"code":"`+c.code+`"`) || v.Header.Get("Content-Type") != "application/problem+json; charset=utf-8" {
					t.Errorf("%s, %s %s: %d %s %s", c.name, name, method, v.Status, v.Header.Get("Content-Type"), v.Body)
				}
			}
		}
		b.Cookies = cookies
	}
}
