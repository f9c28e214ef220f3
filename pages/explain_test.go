package pages

import (
	"slices"
	"testing"

	"github.com/usherkit/usher/internal/locale"
)

// Every code of a usher.FieldError has words for each input that it can be about, so
// that nobody is told only that something is not right.
func TestEveryInputHasWordsForEveryCode(t *testing.T) {
	codes := []string{"required", "invalid", "too_long", "not_allowed"}
	impossible := func(input, code string) bool {
		return code == "not_allowed" && input != "newEmail" || code == "required" && input == "name"
	}
	site := &Site{}
	for _, lang := range []string{"en", "de", "fr", "es", "he"} {
		s := locale.Default().For(lang)
		var general []string
		for _, code := range codes {
			general = append(general, s.Text("invalid."+code))
		}
		for _, v := range []*view{
			site.signInView(), site.signUpView(), site.forgotView(), site.resetView(), site.replaceView(), site.verifyView(),
			site.nameView(), site.emailView(), site.passwordView(),
		} {
			page := &Page{Name: v.page, speaker: s, Policy: Policy{MaxLength: 256}}
			for _, input := range v.inputs {
				for _, code := range codes {
					if text := page.unfit(input, code); slices.Contains(general, text) && !impossible(input, code) {
						t.Errorf("%s: on %s, %s that is %s has but the words for any input: %s", lang, v.page, input, code, text)
					}
				}
			}
		}
	}
}
