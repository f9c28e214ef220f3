// Package programs counts the lines of the programs.
package programs

import (
	"os"
	"strings"
	"testing"
)

// Each program is as short as its guide says: lines of code after the imports.
func TestTheProgramsAreShort(t *testing.T) {
	for file, most := range map[string]int{
		"mobile/main.go": 60, "shop/main.go": 60, "spa/main.go": 40, "services/main.go": 40,
		"teams/main.go": 60, "admin/main.go": 60, "openid/program.go": 60,
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, code, found := strings.Cut(string(text), "\n)\n")
		if !found {
			t.Fatalf("%s has no imports", file)
		}
		lines := 0
		for line := range strings.Lines(code) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
				lines++
			}
		}
		if lines > most {
			t.Errorf("%s has %d lines of code, want at most %d", file, lines, most)
		}
	}
}
