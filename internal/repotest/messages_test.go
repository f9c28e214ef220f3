package repotest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Each message in the table of log messages is in a string literal of the code. An
// ellipsis in a message stands for any text.
func TestLogMessagesExist(t *testing.T) {
	t.Parallel()
	const page = "docs/operating.md"
	_, table, ok := strings.Cut(readFile(t, page), "\n| message or event |")
	if !ok {
		t.Fatalf("%s has no table of log messages", page)
	}
	literals := strings.Join(stringLiterals(t), "\n")
	n := 0
	for row := range strings.Lines(table) {
		cell, _, ok := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		if !ok {
			break
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			n++
			message := strings.ReplaceAll(regexp.QuoteMeta(m[1]), "…", ".*")
			if !regexp.MustCompile(message).MatchString(literals) {
				t.Errorf("%s: no string literal of the code contains %q", page, m[1])
			}
		}
	}
	if n == 0 {
		t.Errorf("%s names no log message", page)
	}
}

// stringLiterals returns the string literals of the module, without its tests.
func stringLiterals(t *testing.T) (all []string) {
	t.Helper()
	logRoot()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "proof") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil {
					all = append(all, text)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
