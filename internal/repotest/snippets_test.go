package repotest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/guidetest"
)

// variables are those that a snippet may use without declaring them.
var variables = map[string]string{
	"ctx":       "context.Context",
	"dashboard": "http.Handler",
	"db":        "*sql.DB",
	"h":         "*handlers.Handlers",
	"jar":       "*cookies.Jar",
	"mux":       "*http.ServeMux",
	"newServer": "func(*usher.Service) http.Handler",
	"ownerURL":  "string",
	"r":         "*http.Request",
	"service":   "*usher.Service",
	"w":         "http.ResponseWriter",
}

// standard are the standard packages that a snippet may use.
var standard = []string{
	"context", "crypto/tls", "database/sql", "embed", "encoding/json", "errors", "fmt", "html/template", "io/fs", "log", "log/slog", "net/http",
	"net/http/httptest", "net/netip", "os", "path/filepath", "strings", "sync/atomic", "testing", "time",
}

// snippet is a Go block of a page.
type snippet struct {
	page string
	line int // the line of the page where the text begins
	text string
}

// Every Go block in the documentation compiles: a program as it is, other
// blocks with the imports and variables that they use.
func TestSnippetsCompile(t *testing.T) {
	t.Parallel()
	dir := newModule(t)
	packages := importPaths(t)
	n := 0
	for _, page := range pages(t) {
		for _, s := range snippets(t, page) {
			n++
			source, err := s.source(packages)
			if err != nil {
				t.Errorf("%s:%d: %v", s.page, s.line, err)
				continue
			}
			write(t, filepath.Join(dir, fmt.Sprint("snippet", n), "main.go"), source)
		}
	}
	if n == 0 {
		t.Fatal("no snippets")
	}
	// Unlike "go build", this compiles every program without linking it.
	build := exec.Command("go", "list", "-mod=mod", "-export", "-f", "{{with .Error}}{{.}}{{end}}", "./...")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("go list -export: %v\n%s", err, out)
	}
}

// snippets returns the Go blocks of a page. A block after a comment with the name of a file,
// such as <!-- example/main.go -->, is a quotation of that file: it need not compile alone.
func snippets(t *testing.T, page string) (all []snippet) {
	t.Helper()
	logRoot()
	for _, b := range guidetest.All(t, page) {
		if b.Info != "go" {
			continue
		}
		if b.File == "" {
			all = append(all, snippet{page, b.Line, b.Text})
		} else if !strings.Contains(withoutIndents(readFile(t, b.File)), withoutIndents(b.Text)) {
			t.Errorf("%s:%d: %s does not have these lines", page, b.Line, b.File)
		}
	}
	return all
}

// withoutIndents removes the indents of all lines.
func withoutIndents(text string) string {
	return regexp.MustCompile(`(?m)^[ \t]+`).ReplaceAllString(text, "")
}

// source returns a file that compiles if and only if the snippet does. Errors of
// the compiler name the line of the page.
func (s snippet) source(packages map[string]string) (string, error) {
	position := fmt.Sprintf("//line %s:%d\n", s.page, s.line)
	text := regexp.MustCompile(`(?m)^\s*…$`).ReplaceAllString(s.text, "")
	if strings.HasPrefix(text, "package ") {
		return position + text, nil
	}
	body := position + text
	f, err := parser.ParseFile(token.NewFileSet(), "", "package main\n"+body, 0)
	if err == nil { // declarations
		body += "\nfunc main() {}\n"
	} else if f, err = parser.ParseFile(token.NewFileSet(), "", "package main\nfunc _() {\n"+body+"}\n", 0); err == nil {
		used := strings.Join(declared(f.Decls[0].(*ast.FuncDecl)), ", ")
		body = "func main() {\n" + body + "_ = []any{" + used + "}\n}\n"
	} else {
		return "", err
	}
	imports, globals := map[string]bool{}, map[string]bool{}
	for _, name := range f.Unresolved {
		if typ, ok := variables[name.Name]; ok {
			globals["var "+name.Name+" "+typ+"\n"] = true
			for _, m := range regexp.MustCompile(`(\w+)\.`).FindAllStringSubmatch(typ, -1) {
				imports[packages[m[1]]] = true
			}
		} else if p, ok := packages[name.Name]; ok {
			imports[p] = true
		}
	}
	var b strings.Builder
	b.WriteString("package main\n\n")
	for _, p := range slices.Sorted(maps.Keys(imports)) {
		fmt.Fprintf(&b, "import %q\n", p)
	}
	for _, p := range slices.Sorted(maps.Keys(globals)) {
		b.WriteString(p)
	}
	b.WriteString(body)
	return b.String(), nil
}

// declared returns the variables that the statements of f declare.
func declared(f *ast.FuncDecl) (names []string) {
	for _, statement := range f.Body.List {
		if a, ok := statement.(*ast.AssignStmt); ok && a.Tok == token.DEFINE {
			for _, left := range a.Lhs {
				if name, ok := left.(*ast.Ident); ok && name.Name != "_" && !slices.Contains(names, name.Name) {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// importPaths returns the import paths of the packages that snippets may use,
// by name.
func importPaths(t *testing.T) map[string]string {
	t.Helper()
	paths := map[string]string{}
	for _, p := range standard {
		paths[path.Base(p)] = p
	}
	for _, p := range list(t, "./...") {
		if !strings.Contains(p.ImportPath, "/internal/") {
			paths[path.Base(p.ImportPath)] = p.ImportPath
		}
	}
	return paths
}

// pages returns the pages of the documentation: every Markdown file of the repository.
func pages(t *testing.T) (all []string) {
	t.Helper()
	logRoot()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || path != "." && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".md") {
			all = append(all, filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil || len(all) == 0 {
		t.Fatal("no pages: ", err)
	}
	return all
}
