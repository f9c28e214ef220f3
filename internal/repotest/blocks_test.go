package repotest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/guidetest"
)

// checkedElsewhere are the blocks that no test takes by guidetest.Blocks, with the test that
// checks them in another way. The page is a pattern.
var checkedElsewhere = []struct{ page, info, test string }{
	{"docs/errors/*.md", "http", "TestCF06_EachErrorCodeHasAPage"},          // generated from the table of codes
	{"docs/security.md", "", "TestCF06_EachLabelOfADerivedKeyIsDocumented"}, // the tree of derived keys
	{"docs/architecture.md", "", "TestArchitectureListsEveryPackage"},       // a figure, whose packages are those of the table
}

// Every block of the documentation has a test: Go is compiled or quotes a file, another block is
// taken by a test through guidetest.Blocks, or stands in the table of this file.
func TestCF07_EachBlockHasATest(t *testing.T) {
	t.Parallel()
	taken, tests := takenBlocks(t)
	used := map[int]bool{}
	for _, page := range pages(t) {
		for _, b := range guidetest.All(t, page) {
			switch {
			case b.Info == "go": // TestSnippetsCompile
				if b.File == "" && strings.Contains(b.Text, "func Test") {
					t.Errorf("%s:%d: a test that does not run: quote a file", page, b.Line)
				}
			case b.File != "":
				t.Errorf("%s:%d: a block that quotes %s is one of Go", page, b.Line, b.File)
			case taken[page+" "+b.Info]:
			default:
				found := false
				for i, c := range checkedElsewhere {
					if ok, _ := path.Match(c.page, page); ok && c.info == b.Info {
						found, used[i] = true, true
					}
				}
				if !found {
					t.Errorf("%s:%d: no test takes blocks %q of this page: guidetest.Blocks", page, b.Line, b.Info)
				}
			}
		}
	}
	for i, c := range checkedElsewhere {
		if !used[i] || !tests[c.test] {
			t.Errorf("%s %q: there is no such block, or no test %s", c.page, c.info, c.test)
		}
	}
}

// A block without a fence has no language, so no test would find it.
func TestCF07_EachBlockHasAFence(t *testing.T) {
	t.Parallel()
	fence := regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$|^[ \t]*~~~.*?^[ \t]*~~~[ \t]*$")
	for _, page := range pages(t) {
		text := fence.ReplaceAllStringFunc(readFile(t, page), func(block string) string {
			if strings.HasPrefix(strings.TrimSpace(block), "~") {
				t.Errorf("%s: the fence of a block is ```, not ~~~", page)
			}
			return strings.Repeat("\n", strings.Count(block, "\n"))
		})
		before := ""
		for i, line := range strings.Split(text, "\n") {
			if before == "" && strings.TrimSpace(line) != "" && (strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t")) {
				t.Errorf("%s:%d: a block without a fence", page, i+1)
			}
			before = strings.TrimSpace(line)
		}
		if strings.Contains(text, "```") {
			t.Errorf("%s: a fence without its end", page)
		}
	}
}

// takenBlocks returns the blocks that tests take by guidetest.Blocks, as "page info", and the
// names of all tests.
func takenBlocks(t *testing.T) (taken, tests map[string]bool) {
	t.Helper()
	taken, tests = map[string]bool{}, map[string]bool{}
	for _, file := range goFiles(t) {
		text := readFile(t, file)
		if !strings.HasSuffix(file, "_test.go") && !strings.Contains(text, "guidetest.Blocks") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if f, ok := n.(*ast.FuncDecl); ok {
				tests[f.Name.Name] = true
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "Blocks" || fmt.Sprint(f.X) != "guidetest" {
				return true
			}
			var args []string
			for _, a := range call.Args[1:] {
				literal, ok := a.(*ast.BasicLit)
				if !ok {
					t.Errorf("%s: an argument of guidetest.Blocks is not a literal", file)
					return true
				}
				value, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				args = append(args, value)
			}
			for _, info := range args[1:] {
				taken[args[0]+" "+info] = true
			}
			return true
		})
	}
	return taken, tests
}
