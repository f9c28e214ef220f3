package repotest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// maxLines is the length of the longest Go file.
const maxLines = 400

// A folder stays small enough to be read from its listing.
func TestLayoutStaysSmall(t *testing.T) {
	t.Parallel()
	sources, tests := map[string]int{}, map[string]int{}
	for _, file := range goFiles(t) {
		if n := strings.Count(readFile(t, file), "\n"); n > maxLines {
			t.Errorf("%s has %d lines, want at most %d", file, n, maxLines)
		}
		if strings.HasSuffix(file, "_test.go") {
			tests[filepath.Dir(file)]++
		} else {
			sources[filepath.Dir(file)]++
		}
	}
	// The root has one file for each rule that a reader looks for by its name: a sign-in, a
	// proof of the program, impersonation, a token that signs in. Fewer files would have two subjects each.
	for _, limit := range []struct {
		what      string
		n, atMost int
	}{
		{"sources of the root", sources["."], 38},
		{"tests of the root", tests["."], 54},
		{"sources of handlers", sources["handlers"], 9},
		{"exported methods of Service", serviceMethods(t), 61},
	} {
		if limit.n > limit.atMost || limit.n == 0 {
			t.Errorf("%s: %d, want at most %d", limit.what, limit.n, limit.atMost)
		}
	}
}

// The tests of a source of the root are beside it in a listing: those of limits.go are in
// limits_test.go and limits_*_test.go. The others are about more than one source.
func TestLayoutTestsAreBesideTheirSource(t *testing.T) {
	t.Parallel()
	about := map[string]bool{
		"example": true, "kit": true, // examples, and what the tests share
		"enumeration": true, "timing": true, "fault": true, "load": true, // what holds for every call
		"hashing": true, "keys": true, "outbox": true, // what package password, internal/keyring and internal/outbox do in a Service
	}
	for _, file := range goFiles(t) {
		if filepath.Dir(file) == "." && !strings.HasSuffix(file, "_test.go") {
			about[strings.TrimSuffix(file, ".go")] = true
		}
	}
	for _, file := range goFiles(t) {
		subject, _, _ := strings.Cut(strings.TrimSuffix(file, "_test.go"), "_")
		if filepath.Dir(file) == "." && strings.HasSuffix(file, "_test.go") && !about[subject] {
			t.Errorf("%s: begin the name with that of the source that it tests", file)
		}
	}
}

// Windows cannot check out a name that ends with a space. Such a file may come from a test
// that opens a database.
func TestLayoutHasNoNameWithABlankEnd(t *testing.T) {
	t.Parallel()
	logRoot()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); strings.TrimSpace(name) != name {
			t.Errorf("%q: the name begins or ends with a space", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Every clone gets each file for good, so a program that was built beside its source must not
// be committed.
func TestLayoutHasNoLargeFile(t *testing.T) {
	t.Parallel()
	const maxSize = 1 << 20
	ignored := strings.Fields(readFile(t, ".gitignore"))
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "out" || path != "." && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		for _, pattern := range ignored {
			name := d.Name()
			if strings.Contains(pattern, "/") {
				name = "/" + filepath.ToSlash(path)
			}
			if ok, err := filepath.Match(pattern, name); ok || err != nil {
				return err
			}
		}
		info, err := d.Info()
		if err == nil && info.Size() > maxSize {
			t.Errorf("%s has %d bytes, want at most %d", path, info.Size(), maxSize)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// serviceMethods returns the number of exported methods of usher.Service.
func serviceMethods(t *testing.T) (n int) {
	t.Helper()
	for _, file := range goFiles(t) {
		if filepath.Dir(file) != "." || strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || !f.Name.IsExported() {
				continue
			}
			if p, ok := f.Recv.List[0].Type.(*ast.StarExpr); ok {
				if name, ok := p.X.(*ast.Ident); ok && name.Name == "Service" {
					n++
				}
			}
		}
	}
	return n
}
