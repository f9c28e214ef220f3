package repotest

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite what is generated in docs")

const catalogue = "docs/requirements.md"

// requirement is an entry of the catalogue.
type requirement struct {
	id      string // such as "PW-08"
	sources string // what the sentence cites
	proof   string // the line below the sentence
	tests   []string
	reason  string // why there is no test
}

var (
	sentenceLine = regexp.MustCompile(`(?m)^- \*\*([A-Z]{2}-\d\d)\*\* .+\. \[(.+)\]\\\n  (.*)$`)
	reasonLine   = regexp.MustCompile(`^(?:Does not apply|Not built yet): .+\.$`)
	testName     = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
)

// requirements returns the entries of the catalogue.
func requirements(t *testing.T) (all []requirement) {
	t.Helper()
	for _, m := range sentenceLine.FindAllStringSubmatch(readFile(t, catalogue), -1) {
		r := requirement{id: m[1], sources: m[2], proof: m[3]}
		if strings.HasPrefix(r.proof, "Tests: ") {
			for _, name := range testName.FindAllStringSubmatch(r.proof, -1) {
				r.tests = append(r.tests, name[1])
			}
		} else {
			r.reason = reasonLine.FindString(r.proof)
		}
		all = append(all, r)
	}
	return all
}

func TestEachRequirementHasATest(t *testing.T) {
	t.Parallel()
	tests, _ := moduleTests(t)
	seen := map[string]bool{}
	all := requirements(t)
	for _, r := range all {
		if seen[r.id] {
			t.Errorf("%s is listed twice", r.id)
		}
		seen[r.id] = true
		if len(r.tests) == 0 && r.reason == "" {
			t.Errorf("%s names neither a test nor a reason: %q", r.id, r.proof)
		}
		for _, name := range r.tests {
			if tests[name] == nil {
				t.Errorf("%s names %s, which does not exist", r.id, name)
			}
		}
	}
	if n := strings.Count(readFile(t, catalogue), "\n- **"); n != len(all) || n == 0 {
		t.Errorf("%s has %d entries, of which %d have the expected form", catalogue, n, len(all))
	}
	if *update {
		updatePackages(t, all, tests)
	}
}

func TestEachCodeInATestIsARequirement(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, r := range requirements(t) {
		known[r.id] = true
	}
	_, codes := moduleTests(t)
	for id, test := range codes {
		if !known[id] {
			t.Errorf("%s in %s is not in %s", id, test, catalogue)
		}
	}
}

// moduleTests parses all test files. It returns the packages that declare each
// test function, and one test for each requirement id that a name or the
// beginning of a string (a subtest or a message) contains.
func moduleTests(t *testing.T) (packages map[string][]string, codes map[string]string) {
	t.Helper()
	packages, codes = map[string][]string{}, map[string]string{}
	part := regexp.MustCompile(`^([A-Z]{2}\d\d)+$`)
	code := regexp.MustCompile(`([A-Z]{2})(\d\d)`)
	text := regexp.MustCompile(`^([A-Z]{2})-?(\d\d)\b`)
	for _, file := range goFiles(t) {
		if !strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.ToSlash(filepath.Dir(file))
		if dir == "." {
			dir = "usher"
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				name := n.Name.Name
				if n.Recv != nil || !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") {
					break
				}
				packages[name] = append(packages[name], dir)
				for p := range strings.SplitSeq(name[len("Test"):], "_") {
					if part.MatchString(p) {
						for _, m := range code.FindAllStringSubmatch(p, -1) {
							codes[m[1]+"-"+m[2]] = dir + ": " + name
						}
					}
				}
			case *ast.BasicLit:
				if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					if m := text.FindStringSubmatch(s); m != nil {
						codes[m[1]+"-"+m[2]] = fmt.Sprintf("%s: %q", file, s)
					}
				}
			}
			return true
		})
	}
	return packages, codes
}

// goFiles returns the Go files of the repository, other modules included.
func goFiles(t *testing.T) (files []string) {
	t.Helper()
	logRoot()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || path != "." && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil || len(files) == 0 {
		t.Fatal("no Go files: ", err)
	}
	return files
}

// updatePackages writes the packages that declare the tests into the catalogue.
// A test that several packages declare stays with those that the line names, or
// gets all of them if the line names none.
func updatePackages(t *testing.T, all []requirement, tests map[string][]string) {
	t.Helper()
	page := readFile(t, catalogue)
	for _, r := range all {
		if r.tests == nil {
			continue
		}
		named := map[string]bool{} // "package: test"
		for _, group := range strings.Split(strings.TrimPrefix(r.proof, "Tests: "), "; ") {
			dir, names, _ := strings.Cut(group, ": ")
			for _, m := range testName.FindAllStringSubmatch(names, -1) {
				named[dir+": "+m[1]] = true
			}
		}
		var dirs []string
		in := map[string][]string{}
		for _, name := range r.tests {
			places := slices.DeleteFunc(slices.Clone(tests[name]), func(dir string) bool { return !named[dir+": "+name] })
			if len(places) == 0 {
				places = tests[name]
			}
			for _, dir := range places {
				if !slices.Contains(dirs, dir) {
					dirs = append(dirs, dir)
				}
				if !slices.Contains(in[dir], "`"+name+"`") {
					in[dir] = append(in[dir], "`"+name+"`")
				}
			}
		}
		var groups []string
		for _, dir := range dirs {
			groups = append(groups, dir+": "+strings.Join(in[dir], ", "))
		}
		page = strings.Replace(page, r.proof+"\n", "Tests: "+strings.Join(groups, "; ")+".\n", 1)
	}
	if err := os.WriteFile(catalogue, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}
