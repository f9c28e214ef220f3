package repotest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const architecture = "docs/architecture.md"

// The table of packages in docs/architecture.md says what mayImport says.
func TestArchitectureListsEveryPackage(t *testing.T) {
	t.Parallel()
	row := regexp.MustCompile(`(?m)^\| \[([^\]]+)\]\([^)]*\)[^|]* \| [^|]+ \| ([^|]+) \|$`)
	quoted := regexp.MustCompile("`([^`]+)`|any")
	table := map[string][]string{}
	_, text, _ := strings.Cut(readFile(t, architecture), "## Who may import whom")
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		imports := []string{}
		for _, i := range quoted.FindAllStringSubmatch(m[2], -1) {
			imports = append(imports, packageName(i[1]))
		}
		table[packageName(m[1])] = imports
	}
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		row, ok := table[name]
		if delete(table, name); !ok {
			t.Errorf("%s has no row for package %s", architecture, p.ImportPath)
			continue
		}
		want := slices.Sorted(slices.Values(mayImport[name]))
		if got := slices.Sorted(slices.Values(row)); !slices.Equal(got, want) {
			t.Errorf("%s: package %q may import %q, and mayImport says %q", architecture, name, got, want)
		}
	}
	for name := range maps.Keys(table) {
		t.Errorf("%s has a row for package %q, which does not exist", architecture, name)
	}
}

// packageName returns a name of the table as mayImport has it.
func packageName(name string) string {
	switch name {
	case "":
		return anyOurs
	case "usher":
		return ""
	}
	return name
}

// Each function on the way of a sign-in is declared in the file of its row.
func TestArchitectureNamesFunctionsThatExist(t *testing.T) {
	t.Parallel()
	row := regexp.MustCompile(`(?m)^\| \d+ \| \[([^\]]+)\]\([^)]*\) \| ([^|]+) \|`)
	rows := row.FindAllStringSubmatch(readFile(t, architecture), -1)
	if len(rows) < 15 {
		t.Fatalf("%s has %d steps of a sign-in", architecture, len(rows))
	}
	for _, m := range rows {
		source := readFile(t, m[1])
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[2], -1) {
			// A function, a method, or a method of an interface.
			if !regexp.MustCompile(`(?m)^(func (\([^)]+\) )?|\t)` + name[1] + `\(`).MatchString(source) {
				t.Errorf("%s: %s does not declare %s", architecture, m[1], name[1])
			}
		}
	}
}
