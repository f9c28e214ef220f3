package repotest

import (
	"fmt"
	goversion "go/version"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
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

// go.mod requires releases of the dependencies without the known
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
	for name, floor := range map[string]version{
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

// go.mod asks for the release of Go that the dependencies ask for, and for no later one. So
// the program chooses its release; usher.New warns of one with known vulnerabilities.
func TestCF04_GoModAsksForNoMoreThanTheDependencies(t *testing.T) {
	t.Parallel()
	logRoot()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{if not .Main}}{{.GoVersion}}{{end}}", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	newest := "1.0"
	for _, v := range strings.Fields(string(out)) {
		if goversion.Compare("go"+v, "go"+newest) > 0 {
			newest = v
		}
	}
	if own := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(readFile(t, "go.mod")); own == nil || own[1] != newest {
		t.Errorf("go.mod asks for %v, and a dependency for %s", own, newest)
	}
}

// A program on SQLite links few modules. The README says how many.
func TestCF04_AProgramOnSQLiteLinksFewModules(t *testing.T) {
	t.Parallel()
	logRoot()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "./store/sqlite", "./handlers", "./mail").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]bool{}
	for _, path := range strings.Fields(string(out)) {
		modules[path] = true
	}
	if want := fmt.Sprintf("links %d modules", len(modules)); !strings.Contains(readFile(t, "README.md"), want) {
		t.Errorf("README.md does not say %q: %v", want, slices.Sorted(maps.Keys(modules)))
	}
}
