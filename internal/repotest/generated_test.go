package repotest

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// checkGenerated fails the test unless the file has the content that is generated from the
// code. With -update it writes the file.
func checkGenerated(t *testing.T, path, content string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	logRoot()
	if b, _ := os.ReadFile(path); string(b) != content {
		t.Errorf("%s does not exist or is older than the code: run go test ./internal/repotest -run CF06 -update", path)
	}
}

// packageDoc returns the documentation of the package in a folder, without its tests. The
// mode may be doc.AllDecls.
func packageDoc(t *testing.T, dir string, mode doc.Mode) *doc.Package {
	t.Helper()
	logRoot()
	files, fset := []*ast.File{}, token.NewFileSet()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s has no Go files: %v", dir, err)
	}
	for _, file := range paths {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, path.Join(module, dir), mode)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
