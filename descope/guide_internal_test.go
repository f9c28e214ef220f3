package descope

import (
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The guide lists every call that is served and every code of an error, with its status, and
// no others.
func TestDE31_TheGuideHasEveryCallAndCode(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/from-descope.md")
	if err != nil {
		t.Fatal(err)
	}
	guide := string(text)
	h := &Handler{cfg: Config{ProjectID: "P2shop"}}
	served := map[string]bool{}
	for _, row := range h.rows() {
		call := "`" + row.method + " " + row.path + "`"
		if served[call] = true; !strings.Contains(guide, call) {
			t.Errorf("the guide lacks %s", call)
		}
	}
	_, tables, _ := strings.Cut(guide, "\n## Every function\n")
	for _, call := range regexp.MustCompile("`[A-Z]+ /v[^`]+`").FindAllString(tables, -1) {
		if !served[call] {
			t.Errorf("the guide has %s, which is not served", call)
		}
	}
	_, errors, _ := strings.Cut(guide, "\n## Errors\n")
	errors, _, _ = strings.Cut(errors, "\n## ")
	documented := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| (E\d+) \| ([\d, ]+) \|`).FindAllStringSubmatch(errors, -1) {
		documented[m[1]] = m[2]
	}
	used := map[string]bool{}
	for _, a := range refusals {
		if used[a.code] = true; !strings.Contains(documented[a.code], strconv.Itoa(a.status)) {
			t.Errorf("the guide says %s has status %q, and the table %d", a.code, documented[a.code], a.status)
		}
		if http.StatusText(a.status) == "" {
			t.Errorf("%s has status %d", a.code, a.status)
		}
	}
	for code := range documented {
		if !used[code] {
			t.Errorf("the guide has %s, which no answer has", code)
		}
	}
}

// Calls returns the method and path of every call, for the tests outside of the package.
func Calls() (all []string) {
	for _, row := range (&Handler{cfg: Config{ProjectID: "P2shop"}}).rows() {
		all = append(all, row.method+" "+row.path)
	}
	return all
}
