package handlers

import (
	"testing"

	"github.com/usherkit/usher/internal/locale"
)

// Every error has a title and a text in the catalogue.
func TestEveryProblemHasItsWords(t *testing.T) {
	for _, k := range kinds {
		for _, key := range []string{"problem." + k.code, "problem." + k.code + ".text"} {
			if !locale.Default().For("en").Has(key) {
				t.Errorf("the catalogue lacks %s", key)
			}
		}
	}
}
