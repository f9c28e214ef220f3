package handlers_test

import (
	"strings"
	"testing"

	"github.com/usherkit/usher/handlers"
)

func TestTitlesOfProblemsAreTranslated(t *testing.T) {
	k := newKit(t, inBodies, setup{})
	for lang, want := range map[string]string{"": "Not signed in", "de-CH": "Nicht angemeldet", "he": "נדרשת כניסה", "ja": "Not signed in"} {
		a := k.do(get("/me", "Accept-Language", lang)).want(t, 401, "not_signed_in")
		if a.text("title") != want {
			t.Errorf("%q: %s", lang, a.body)
		}
	}
}

// All that is said is in the language that Content-Language names, on mounts
// without pages too, and by the program's own catalogue.
func TestProblemsSpeakTheLanguageTheyName(t *testing.T) {
	k := newKit(t, inBodies, setup{config: func(c *handlers.Config) {
		c.Texts.Texts = map[string]map[string]string{"de": {"problem.not_signed_in.text": "Herein mit Ihnen."}}
	}})
	for _, test := range []struct {
		lang, language string
		q              request
		want           []string
	}{
		{"", "en", get("/me"), []string{"Not signed in", "Sign in first."}},
		{"de", "de", get("/me"), []string{"Nicht angemeldet", "Herein mit Ihnen."}},
		{"fr", "fr", post("/signin", signUpBody(ann, otherPassword)), []string{"Identifiants incorrects", "L’adresse e-mail ou le mot de passe est incorrect."}},
		{"de", "de", post("/signup", signUpBody(ann, "short")), []string{"Passwort nicht erlaubt", "Wählen Sie ein anderes Passwort.", "Verwenden Sie mindestens 15 Zeichen."}},
		{"es", "es", post("/signup", signUpBody(ann, weakPassword)), []string{"Esta contraseña es fácil de adivinar. Elija otra."}},
		{"de", "de", post("/signup", signUpBody("nowhere@", goodPassword)), []string{"Ungültige Anfrage", "Geben Sie eine E-Mail-Adresse wie name@example.com ein."}},
		// What programmers alone need stays in English, and is named.
		{"de", "de, en", post("/signin", "{"), []string{"Ungültige Anfrage", "The body is not one JSON object."}},
		{"en", "en", post("/signin", "{"), []string{"Invalid request", "The body is not one JSON object."}},
		{"de", "de, en", post("/password/reset", object("loginId", ann, "redirectUrl", "https://evil.test/")), []string{"is not among the addresses"}},
	} {
		a := k.do(test.q.with("Accept-Language", test.lang))
		if got := a.header.Get("Content-Language"); got != test.language {
			t.Errorf("%s: Content-Language is %q, want %q: %s", test.q.path, got, test.language, a.body)
		}
		for _, text := range test.want {
			if !strings.Contains(string(a.body), text) {
				t.Errorf("%s in %s lacks %q: %s", test.q.path, test.lang, text, a.body)
			}
		}
	}
}
