package calls

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/guidetest"
)

// Guide compiles the Go code of docs/from-descope.md that uses the SDK, with the release of
// the SDK that the module of the test has.
func Guide(t *testing.T) {
	source := `package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/descope/go-sdk/descope"
	"github.com/descope/go-sdk/descope/api"
	"github.com/descope/go-sdk/descope/client"
)

var _ = []any{context.Background, errors.Is, http.StatusOK, time.Second, descope.User{}, api.CertificateVerifyAlways, client.Config{}}

func main() {}
`
	for i, b := range guidetest.Blocks(t, "docs/from-descope.md", "go sdk") {
		block := b.Text
		line := fmt.Sprintf("//line from-descope.md:%d\n", b.Line)
		if _, err := parser.ParseFile(token.NewFileSet(), "", "package main\n"+block, 0); err == nil {
			source += line + block
			continue
		}
		source += fmt.Sprintf("\nfunc snippet%d(ctx context.Context, descopeClient *client.DescopeClient, w http.ResponseWriter, r *http.Request, loginID, password, oldPassword, newPassword string) {\n%s%s\n_ = []any{%s}\n}\n",
			i, line, block, strings.Join(declared(t, block), ", "))
	}
	dir, err := os.MkdirTemp(".", "guide")
	must(t, err)
	defer os.RemoveAll(dir)
	must(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600))
	if out, err := exec.Command("go", "build", "-o", os.DevNull, "./"+dir).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// declared returns the variables that statements declare.
func declared(t *testing.T, block string) (names []string) {
	f, err := parser.ParseFile(token.NewFileSet(), "", "package main\nfunc _() {\n"+block+"}\n", parser.SkipObjectResolution)
	must(t, err)
	for _, statement := range f.Decls[0].(*ast.FuncDecl).Body.List {
		if a, ok := statement.(*ast.AssignStmt); ok && a.Tok == token.DEFINE {
			for _, left := range a.Lhs {
				names = append(names, left.(*ast.Ident).Name)
			}
		}
	}
	return names
}
