package texts_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher/texts"
)

func TestOf_ReturnsACopy(t *testing.T) {
	de := texts.Of("de")
	if de["signin.title"] != "Anmelden" || de["mail.reset_password.action"] != "Neues Passwort festlegen" || texts.Of("xx") != nil {
		t.Error("not the texts of the language")
	}
	de["signin.title"] = "changed"
	if texts.Of("de")["signin.title"] != "Anmelden" {
		t.Error("a caller can change the built-in texts")
	}
}

// names returns the keys of a language without plural categories.
func names(lang string) []string {
	var all []string
	for key := range texts.Of(lang) {
		name, _, _ := strings.Cut(key, "#")
		all = append(all, name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestEveryLanguageHasEveryText(t *testing.T) {
	want := names("en")
	if got := texts.Languages(); !slices.Equal(got, []string{"en", "de", "es", "fr", "he"}) {
		t.Fatalf("languages: %v", got)
	}
	for _, lang := range texts.Languages() {
		got := names(lang)
		for _, key := range want {
			if !slices.Contains(got, key) {
				t.Errorf("%s lacks %s", lang, key)
			}
		}
		for _, key := range got {
			if !slices.Contains(want, key) {
				t.Errorf("%s has %s, which English lacks", lang, key)
			}
		}
	}
}

// A translation uses the same arguments as the English text.
func TestTranslationsTakeTheSameArguments(t *testing.T) {
	verb := regexp.MustCompile(`%(\[\d\])?[sd]`)
	count := func(text string) int {
		seen := map[string]bool{}
		n := 0
		for _, v := range verb.FindAllString(text, -1) {
			if strings.Contains(v, "[") {
				seen[v] = true
			} else {
				n++
			}
		}
		return n + len(seen)
	}
	english := texts.Of("en")
	for _, lang := range texts.Languages() {
		for key, text := range texts.Of(lang) {
			name, category, isPlural := strings.Cut(key, "#")
			if isPlural && (category == "one" || category == "two") {
				continue // may spell out the number
			}
			like := key
			if isPlural {
				like = name + "#other"
			}
			if got, want := count(text), count(english[like]); got != want {
				t.Errorf("%s: %s takes %d arguments, in English %d", lang, key, got, want)
			}
		}
	}
}

// Mistakes that are easily made in a new text.
func TestSpelling(t *testing.T) {
	for lang, wrong := range map[string]*regexp.Regexp{
		"en": regexp.MustCompile(`(?i)e-mail|[a-z]'[a-z]`),
		// A narrow no-break space belongs before these, and an apostrophe is ’.
		"fr": regexp.MustCompile(`[ \x{a0}][:;?!]|\pL[?!;]|\pL'\pL|(?i)êtes (dé)?connecté\b`),
		// The reader is always addressed in the singular.
		"he": regexp.MustCompile(`שלכם|הזינו|בדקו|אשרו`),
		"de": regexp.MustCompile(`(?i)passwort setzen`),
	} {
		for key, text := range texts.Of(lang) {
			if m := wrong.FindString(text); m != "" {
				t.Errorf("%s: %s has %q: %s", lang, key, m, text)
			}
		}
	}
}
