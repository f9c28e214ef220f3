package repotest

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

// anyOurs allows every package of this module.
const anyOurs = "*"

// mayImport lists the packages that each package may import: packages of this
// module by their path below the module ("" is the root), other modules by a
// prefix of the import path. Every package may import the standard library,
// except for what forbiddenStdlib lists. docs/architecture.md explains the table.
var mayImport = map[string][]string{
	// The contract of the stores, and the stores.
	"store":           {"token", "internal/logs"},
	"store/memory":    {"store", "token"},
	"store/sqlstore":  {"store", "internal/pipeline"},
	"store/sqlite":    {"store", "store/sqlstore", "modernc.org/sqlite"},
	"store/postgres":  {"store", "store/sqlstore", "internal/pipeline", "github.com/jackc/pgx"},
	"store/storetest": {"store", "token"},

	// The rules, and what they stand on.
	"": {"store", "token", "password", "internal/audit", "internal/background", "internal/clock", "internal/emailcode", "internal/ipaddr", "internal/keyring", "internal/loginid", "internal/logs",
		"internal/outbox", "internal/recent", "internal/revocation", "internal/seal", "internal/signing", "internal/strictjson", "internal/testonly", "internal/watch", "internal/weburl", "golang.org/x/text"},
	"token": {"internal/atomicfile", "internal/logs", "internal/seal", "internal/strictjson", "internal/tokencache", "github.com/golang-jwt/jwt", "github.com/MicahParks/keyfunc", "github.com/MicahParks/jwkset",
		"golang.org/x/sync/singleflight", "golang.org/x/time/rate"},
	"password": {"internal/testonly", "golang.org/x/crypto", "golang.org/x/text"},

	// HTTP.
	"problem":        {},
	"middleware":     {"token", "problem", "internal/ipaddr", "internal/logs", "internal/nostore", "internal/watch"},
	"cookies":        {"token", "internal/logs", "internal/seal", "internal/tokencache", "github.com/gorilla/sessions", "github.com/gorilla/securecookie"},
	"internal/visit": {"", "token", "middleware", "cookies", "problem"},
	"internal/route": {"", "password", "middleware", "problem", "internal/locale", "internal/logs", "internal/nostore", "internal/visit", "github.com/justinas/alice"},
	"internal/api":   {"", "token", "middleware", "problem", "internal/route", "internal/strictjson", "internal/visit"},
	"pages": {"", "token", "password", "middleware", "cookies", "problem", "internal/color", "internal/ipaddr", "internal/locale", "internal/logs", "internal/route",
		"internal/useragent", "internal/visit"},
	"handlers": {"", "token", "middleware", "cookies", "pages", "problem", "texts", "internal/api", "internal/locale", "internal/logs", "internal/nostore", "internal/route",
		"internal/visit", "internal/weburl"},
	"descope": {"", "token", "password", "cookies", "middleware", "problem", "internal/logs", "internal/route", "internal/strictjson", "internal/visit", "golang.org/x/net/publicsuffix"},

	// Emails and texts.
	"mail":  {"", "texts", "internal/atomicfile", "internal/color", "internal/ipaddr", "internal/locale", "internal/loginid", "internal/useragent", "internal/weburl", "github.com/wneessen/go-mail", "golang.org/x/net/idna", "golang.org/x/text"},
	"texts": {},

	// Mechanisms know no Service.
	"internal/atomicfile": {},
	"internal/audit":      {"store", "internal/background", "internal/logs"},
	"internal/background": {},
	"internal/testonly":   {},
	"internal/keyring":    {"store", "token", "internal/audit", "internal/seal", "internal/signing"},
	"internal/loginid":    {"golang.org/x/net/idna", "golang.org/x/text"},
	"internal/outbox":     {"store", "internal/audit", "internal/background"},
	"internal/revocation": {"store", "token", "internal/background"},
	"internal/signing":    {"token", "internal/strictjson", "github.com/golang-jwt/jwt"},
	"internal/strictjson": {},
	"internal/watch":      {},
	"internal/weburl":     {},
	"internal/color":      {},
	"internal/locale":     {"texts", "golang.org/x/text"},
	"internal/clock":      {},
	"internal/ipaddr":     {},
	"internal/logs":       {"internal/ipaddr"},
	"internal/nostore":    {},
	"internal/emailcode":  {},
	"internal/recent":     {},
	"internal/seal":       {},
	"internal/tokencache": {},
	"internal/useragent":  {},

	// Tests, and programs.
	"ushertest":          {anyOurs},
	"example":            {anyOurs},
	"proof/drills":       {anyOurs, "github.com/jackc/pgx"},
	"proof/attacks":      {anyOurs},
	"proof/browser":      {anyOurs},
	"internal/pgtest":    {"github.com/jackc/pgx", "internal/guidetest"},
	"internal/pipeline":  {},
	"internal/deadconn":  {},
	"internal/sqltrace":  {"", "internal/testhash", "store", "store/sqlstore"},
	"internal/testhash":  {"password", "internal/testonly"},
	"internal/webtest":   {anyOurs},
	"internal/repotest":  {"internal/guidetest"},
	"internal/guidetest": {},
}

// beforeTheMove allows what the packages import as long as some of them are
// still in their former place. It goes when every package is in mayImport.
var beforeTheMove = map[string][]string{
	"": {"internal/seal"},
}

// forbiddenStdlib lists the standard packages that a package must not import.
var forbiddenStdlib = map[string][]string{
	"":         {"net/http", "database/sql", "html/template"},
	"store":    {"net/http", "database/sql"},
	"token":    {"database/sql"},
	"password": {"database/sql"},
}

// listed is a package in the output of go list.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		allowed, known := mayImport[name]
		before, moving := beforeTheMove[name]
		if !known && !moving {
			t.Errorf("package %s is not in mayImport: add it there and to docs/architecture.md", p.ImportPath)
			continue
		}
		allowed = slices.Concat(allowed, before)
		for _, i := range p.Imports {
			if !importAllowed(name, i, allowed) {
				t.Errorf("%s imports %s, which mayImport does not list", p.ImportPath, i)
			}
		}
	}
}

// importAllowed reports whether the package may import the path.
func importAllowed(name, path string, allowed []string) bool {
	if ours, ok := strings.CutPrefix(path, module); ok {
		return slices.Contains(allowed, anyOurs) || slices.Contains(allowed, strings.TrimPrefix(ours, "/"))
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return !slices.Contains(forbiddenStdlib[name], path)
	}
	return slices.ContainsFunc(allowed, func(a string) bool {
		return strings.Contains(a, ".") && (path == a || strings.HasPrefix(path, a+"/"))
	})
}

// A program that only validates sessions links neither SQL nor gorilla nor the rules.
func TestMiddlewareAloneLinksNoDatabase(t *testing.T) {
	for _, p := range list(t, "-deps", "./middleware") {
		for _, no := range []string{"database/sql", "github.com/gorilla", "modernc.org", "github.com/jackc", module + "/store", module + "/sqlstore"} {
			if p.ImportPath == no || strings.HasPrefix(p.ImportPath, no+"/") {
				t.Errorf("middleware links %s", p.ImportPath)
			}
		}
		if p.ImportPath == module {
			t.Error("middleware links the root package")
		}
	}
}

// list returns what go list reports for its arguments.
func list(t *testing.T, args ...string) []listed {
	t.Helper()
	goFiles(t) // so that a cached result does not outlive a change of a file
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
