package pages

import (
	"slices"
	"testing"

	"github.com/usherkit/usher/internal/locale"
)

// There is a text for every code of a usher.FieldError and each input that can have it.
func TestEveryInputHasATextForEveryCode(t *testing.T) {
	codes := []string{"required", "invalid", "too_long", "not_allowed"}
	impossible := func(input, code string) bool {
		return code == "not_allowed" && input != "newEmail" || code == "required" && input == "name" || input == "code" && code == "too_long"
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
			page := &Page{Name: v.page, site: site, speaker: s, Policy: Policy{MaxLength: 256}}
			for _, input := range v.inputs {
				for _, code := range codes {
					if text := page.fieldErrorText(input, code); slices.Contains(general, text) && !impossible(input, code) {
						t.Errorf("%s: on %s, %s that is %s has only the text for any input: %s", lang, v.page, input, code, text)
					}
				}
			}
		}
	}
}
