package route

import (
	"testing"

	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/problem"
)

// Every error that the routes answer has a title and a text in the catalogue. The
// English title is that of package problem, so one code has one title everywhere.
func TestEveryProblemHasItsWords(t *testing.T) {
	codes := []problem.Code{problem.InvalidRequest, problem.PasswordPolicy, problem.TooManyRequests, problem.Internal, problem.Rejected}
	for _, a := range errorCodes {
		codes = append(codes, a.code)
	}
	english := locale.Default().For("en")
	for _, code := range codes {
		title := "problem." + string(code)
		if got := english.Text(title); got != code.Title() {
			t.Errorf("the title of %s is %q in the catalogue, %q in package problem", code, got, code.Title())
		}
		for _, key := range []string{title, title + ".text"} {
			if !english.Has(key) {
				t.Errorf("the catalogue lacks %s", key)
			}
		}
	}
}
