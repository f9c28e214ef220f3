package usher_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/usherkit/usher"

// mayImport says which package may import which: ours by their path below the
// module, others by the beginning of theirs. The standard library is open to
// all but where noStdlib says otherwise.
var mayImport = map[string][]string{
	"":                {"token", "password", "internal/logs", "internal/seal", "golang.org/x/net/idna", "golang.org/x/text"},
	"token":           {"internal/logs", "internal/seen", "github.com/golang-jwt/jwt", "github.com/MicahParks/keyfunc", "github.com/MicahParks/jwkset"},
	"password":        {"golang.org/x/crypto", "golang.org/x/text"},
	"middleware":      {"token", "internal/logs"},
	"cookies":         {"token", "internal/logs", "internal/seal", "internal/seen", "github.com/gorilla/sessions", "github.com/gorilla/securecookie"},
	"handlers":        {"", "middleware", "token", "password", "texts", "internal/colour", "internal/device", "internal/locale", "internal/logs", "github.com/justinas/alice"},
	"sqlstore":        {"", "token"},
	"sqlite":          {"", "sqlstore", "modernc.org/sqlite"},
	"postgres":        {"", "sqlstore", "github.com/jackc/pgx"},
	"mail":            {"", "texts", "internal/colour", "internal/device", "internal/locale", "github.com/wneessen/go-mail", "golang.org/x/net/idna", "golang.org/x/text"},
	"storetest":       {"", "token"},
	"texts":           {"internal/locale"},
	"internal/logs":   {},
	"internal/seal":   {},
	"internal/seen":   {},
	"internal/pgtest": {"github.com/jackc/pgx"},
	"internal/locale": {"golang.org/x/text"},
	"internal/device": {},
	"internal/colour": {},
	"browsertest":     {},
	"drills": {"", "cookies", "handlers", "internal/pgtest", "middleware", "password", "postgres", "sqlite", "sqlstore", "token",
		"github.com/jackc/pgx"},
	"example": {"", "cookies", "handlers", "mail", "middleware", "password", "postgres", "sqlite", "token"},
}

// noStdlib are standard packages that rules must not know.
var noStdlib = map[string][]string{
	"":         {"net/http", "database/sql", "html/template"},
	"token":    {"database/sql"},
	"password": {"database/sql"},
}

type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("package %s is not in the list of who may import whom", p.ImportPath)
			continue
		}
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, module); ok {
				if !slices.Contains(allowed, strings.TrimPrefix(ours, "/")) {
					t.Errorf("%s imports %s", p.ImportPath, i)
				}
				continue
			}
			if !strings.Contains(strings.Split(i, "/")[0], ".") {
				if slices.Contains(noStdlib[name], i) {
					t.Errorf("%s imports %s", p.ImportPath, i)
				}
				continue
			}
			if !slices.ContainsFunc(allowed, func(a string) bool {
				return strings.Contains(a, ".") && (i == a || strings.HasPrefix(i, a+"/"))
			}) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}

// A program that holds no users links neither SQL nor gorilla.
func TestMiddlewareAloneLinksNoDatabase(t *testing.T) {
	for _, p := range list(t, "-deps", "./middleware") {
		for _, no := range []string{"database/sql", "github.com/gorilla", "modernc.org", "github.com/jackc", module + "/sqlstore"} {
			if p.ImportPath == no || strings.HasPrefix(p.ImportPath, no+"/") {
				t.Errorf("middleware links %s", p.ImportPath)
			}
		}
		if p.ImportPath == module {
			t.Error("middleware links the rules")
		}
	}
}

func list(t *testing.T, args ...string) []listed {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports"}, args...)...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []listed
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
