package handlers_test

import "testing"

func TestTitlesOfProblemsAreTranslated(t *testing.T) {
	k := newKit(t, inBodies, setup{})
	for lang, want := range map[string]string{"": "Not signed in", "de-CH": "Nicht angemeldet", "he": "נדרשת כניסה", "ja": "Not signed in"} {
		a := k.do(get("/me", "Accept-Language", lang)).want(t, 401, "not_signed_in")
		if a.text("title") != want || a.text("detail") != "Sign in first." {
			t.Errorf("%q: %s", lang, a.body)
		}
	}
}
