package pages_test

import (
	"strings"
	"testing"

	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
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
