package handlers

import (
	"testing"

	"github.com/usherkit/usher/internal/locale"
)

// Every error has a title and a text in the catalogue. The English title is that
// of package problem, so one code has one title everywhere.
func TestEveryProblemHasItsWords(t *testing.T) {
	for _, k := range kinds {
		title := "problem." + string(k.code)
		if got := locale.Default().For("en").Text(title); got != k.code.Title() {
			t.Errorf("the title of %s is %q in the catalogue, %q in package problem", k.code, got, k.code.Title())
		}
		for _, key := range []string{title, title + ".text"} {
			if !locale.Default().For("en").Has(key) {
				t.Errorf("the catalogue lacks %s", key)
			}
		}
	}
}
