package repotest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const security = "docs/security.md"

// sources calls each for the Go files of the kit, without tests and the packages that
// only tests and proofs use.
func sources(t *testing.T, each func(dir string, f *ast.File)) {
	t.Helper()
	others := []string{
		"example", "proof", "ushertest", "store/storetest", "internal/repotest", "internal/webtest", "internal/pgtest", "internal/sqltrace",
	}
	for _, file := range goFiles(t) {
		dir := filepath.ToSlash(filepath.Dir(file))
		if strings.HasSuffix(file, "_test.go") || slices.ContainsFunc(others, func(o string) bool { return dir == o || strings.HasPrefix(dir, o+"/") }) {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if dir == "." {
			dir = "usher"
		}
		each(dir, f)
	}
}

// firstCells returns the texts in backticks that are alone in the first cell of a row,
// in the part of docs/security.md below a heading.
func firstCells(t *testing.T, heading string) map[string]bool {
	t.Helper()
	_, part, ok := strings.Cut(readFile(t, security), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", security, heading)
	}
	if i := regexp.MustCompile(`(?m)^##+ `).FindStringIndex(part); i != nil {
		part = part[:i[0]]
	}
	cells := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(part, -1) {
		cells[m[1]] = true
	}
	if len(cells) == 0 {
		t.Fatalf("%s: no table below %q", security, heading)
	}
	return cells
}

// wantRows fails the test unless the table below a heading has exactly these rows.
func wantRows(t *testing.T, heading string, want map[string]bool) {
	t.Helper()
	rows := firstCells(t, heading)
	for name := range want {
		if !rows[name] {
			t.Errorf("%s, %q: no row for `%s`", security, heading, name)
		}
	}
	for name := range rows {
		if !want[name] {
			t.Errorf("%s, %q: a row for `%s`, which the code does not have", security, heading, name)
		}
	}
}

// literal returns the value of a string literal.
func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(l.Value)
	return s, err == nil
}

// Every key is derived by package seal, with a label that is written out where it is
// used, and the table has exactly these labels.
func TestCF06_EachLabelOfADerivedKeyIsDocumented(t *testing.T) {
	t.Parallel()
	labels, prefix := map[string]bool{}, ""
	sources(t, func(dir string, f *ast.File) {
		for _, i := range f.Imports {
			if i.Path.Value == `"crypto/hkdf"` && dir != "internal/seal" {
				t.Errorf("package %s derives keys by itself", dir)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.BasicLit); ok && dir == "internal/seal" {
				if text, ok := literal(s); ok && strings.HasPrefix(text, "usher/") {
					prefix = text
				}
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"DeriveKeys", "NewBox", "NewMAC"}, f.Sel.Name) {
				return true
			}
			if p, ok := f.X.(*ast.Ident); !ok || p.Name != "seal" {
				return true
			}
			label, ok := literal(call.Args[1])
			switch {
			case !ok:
				t.Errorf("package %s: the label of seal.%s is not a literal", dir, f.Sel.Name)
			case labels[label]:
				t.Errorf("package %s: the label %q is used twice", dir, label)
			}
			labels[label] = true
			return true
		})
	})
	want := map[string]bool{}
	for label := range labels {
		want[prefix+label] = true
	}
	wantRows(t, "### Key hierarchy", want)
}

// The table of cryptography has every package that imports some.
func TestCF06_EachPackageWithCryptographyIsDocumented(t *testing.T) {
	t.Parallel()
	cryptography := regexp.MustCompile(`^"(crypto(/.*)?|golang\.org/x/crypto/.*|github\.com/golang-jwt/.*|github\.com/gorilla/securecookie)"$`)
	packages := map[string]bool{}
	sources(t, func(dir string, f *ast.File) {
		for _, i := range f.Imports {
			if cryptography.MatchString(i.Path.Value) {
				packages[dir] = true
			}
		}
	})
	wantRows(t, "### Cryptography in the code", packages)
}

// The table of cookies has every name of packages cookies, pages and visit. A test of package
// pages compares the table with what the handlers set.
func TestCF06_EachCookieNameIsDocumented(t *testing.T) {
	t.Parallel()
	names := map[string]bool{"__Host-session": true, "DS": true, "DSR": true} // defaults of cookies.Config
	sources(t, func(dir string, f *ast.File) {
		if !slices.Contains([]string{"cookies", "pages", "internal/visit"}, dir) {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != len(v.Names) {
				return true
			}
			for i, name := range v.Names {
				text, _ := literal(v.Values[i])
				switch {
				case dir == "cookies" && slices.Contains([]string{"deviceName", "flashName", "endedName"}, name.Name):
					names["__Host-"+text] = true
				case dir == "cookies" && name.Name == "impersonationSuffix":
					names["__Host-session"+text], names["DS"+text] = true, true
				case name.Name == "noteConfirmation":
					for _, page := range []string{"forgot", "signup", "verify"} {
						names["__Host-note_"+text+page] = true
					}
				case regexp.MustCompile(`^[nN]ote[A-Z]`).MatchString(name.Name) && name.Name != "notePrefix" && text != "":
					names["__Host-note_"+text] = true
				}
			}
			return true
		})
	})
	wantRows(t, "## Cookies", names)
}

// The page names requirements that exist.
func TestCF06_EachRequirementOnTheSecurityPageExists(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, r := range requirements(t) {
		known[r.id] = true
	}
	named := regexp.MustCompile(`\b[A-Z]{2}-\d\d\b`).FindAllString(readFile(t, security), -1)
	for _, id := range named {
		if !known[id] {
			t.Errorf("%s names %s, which is not in %s", security, id, catalogue)
		}
	}
	if len(named) < 100 {
		t.Errorf("%s names %d requirements", security, len(named))
	}
}

// The table of the ways to authenticate names every method of Service and Operator that
// returns tokens.
func TestCF06_EachWayToASessionIsDocumented(t *testing.T) {
	t.Parallel()
	_, table, ok := strings.Cut(readFile(t, security), "\n## Ways to authenticate\n")
	if !ok {
		t.Fatalf("%s does not list the ways to authenticate", security)
	}
	table, _, _ = strings.Cut(table, "\n## ")
	tokens := []string{"Authentication", "Result", "ResetSession", "Pair", "Secret"}
	n := 0
	sources(t, func(dir string, f *ast.File) {
		for _, d := range f.Decls {
			f, ok := d.(*ast.FuncDecl)
			if dir != "usher" || !ok || f.Recv == nil || !f.Name.IsExported() || f.Type.Results == nil {
				continue
			}
			if of := typeName(f.Recv.List[0].Type); of != "Service" && of != "Operator" {
				continue
			}
			if !slices.ContainsFunc(f.Type.Results.List, func(r *ast.Field) bool { return slices.Contains(tokens, typeName(r.Type)) }) {
				continue
			}
			if n++; !strings.Contains(table, "`"+f.Name.Name+"`") {
				t.Errorf("%s: the ways to authenticate lack `%s`, which returns tokens", security, f.Name.Name)
			}
		}
	})
	if n < 5 {
		t.Errorf("found %d methods that return tokens", n)
	}
}

// typeName returns the name of a type, without a star and a package.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return ""
}
