package repotest

import (
	"fmt"
	"regexp"
	"testing"
)

// version is a release of Go or of a module: major, minor, patch.
type version [3]int

func parseVersion(t *testing.T, text string) (v version) {
	t.Helper()
	if n, err := fmt.Sscanf(text, "%d.%d.%d", &v[0], &v[1], &v[2]); err != nil || n != 3 {
		t.Fatalf("%q is not a version: %v", text, err)
	}
	return v
}

func (v version) before(w version) bool {
	for i := range v {
		if v[i] != w[i] {
			return v[i] < w[i]
		}
	}
	return false
}

// go.mod requires releases of Go and of the dependencies without the known
// vulnerabilities that affect this module.
func TestCF04_DependencyFloors(t *testing.T) {
	t.Parallel()
	b := readFile(t, "go.mod")
	line := func(name string) version {
		m := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(name) + `(\d+\.\d+\.\d+)\b`).FindStringSubmatch(b)
		if m == nil {
			t.Fatalf("go.mod has no line %s", name)
		}
		return parseVersion(t, m[1])
	}
	// Go 1.25.13 has the same fixes, but a go line names one release.
	for name, floor := range map[string]version{
		"go ":                            {1, 26, 6},
		"github.com/golang-jwt/jwt/v5 v": {5, 2, 2},  // GO-2025-3553
		"github.com/jackc/pgx/v5 v":      {5, 9, 2},  // GO-2026-5004
		"golang.org/x/text v":            {0, 39, 0}, // GO-2026-5970
		"golang.org/x/net v":             {0, 55, 0}, // GO-2026-5026
		"golang.org/x/crypto v":          {0, 52, 0}, // GO-2026-5017
	} {
		if got := line(name); got.before(floor) {
			t.Errorf("%s%v, want %v or later", name, got, floor)
		}
	}
}
