package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/usherkit/usher/internal/guidetest"
)

// given is the environment variable with the URL of a database to use instead of a
// temporary server.
const given = "USHER_TEST_POSTGRES"

// shared is the server of a package's tests. The first test that needs it starts it.
var shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
	names   atomic.Int64
}

// Main runs the tests of a package, stops the server that they started, and exits.
func Main(m *testing.M) {
	code := m.Run()
	if shared.cluster != nil {
		if err := shared.cluster.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// Shared returns the server of the package's tests. If PostgreSQL is not installed, the
// test is skipped; with CI=true it fails.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		shared.cluster, shared.err = Start(ctx, Options{})
	})
	Need(t, shared.err)
	return shared.cluster
}

// Need skips the test if err is [ErrMissing], or fails it with CI=true. Any other error
// fails the test.
func Need(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrMissing):
		guidetest.Missing(t, err.Error())
	default:
		t.Fatal(err)
	}
}

// server returns the URL of a database, and whether it exists longer than the tests.
func server(t testing.TB) (base string, kept bool) {
	t.Helper()
	if base := os.Getenv(given); base != "" {
		return base, true
	}
	return Shared(t).URL("postgres"), false
}

// Schema returns the URL of a database with a schema that only this test uses.
func Schema(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("usher_test_%d_%d", os.Getpid(), shared.names.Add(1))
	base, kept := server(t)
	execute(t, base, "CREATE SCHEMA "+name)
	if kept {
		t.Cleanup(func() { execute(t, base, "DROP SCHEMA "+name+" CASCADE") })
	}
	return With(t, base, "search_path", name)
}

// Database returns the URL of an empty database that only this test uses.
func Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("usher_test_%d_%d", os.Getpid(), shared.names.Add(1))
	base, kept := server(t)
	execute(t, base, "CREATE DATABASE "+name)
	if kept {
		t.Cleanup(func() { execute(t, base, "DROP DATABASE "+name+" WITH (FORCE)") })
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// With adds a parameter to a URL.
func With(t testing.TB, base, name, value string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // pgx does not decode a plus
	return u.String()
}

func execute(t testing.TB, base, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Error(err)
	}
}
