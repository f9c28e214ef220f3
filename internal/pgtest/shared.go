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
)

// given is the URL of a database to use instead of a server of our own.
const given = "USHER_TEST_POSTGRES"

// shared is the server of a package's tests, started by the first that asks.
var shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
	names   atomic.Int64
}

// Main runs the tests of a package and stops the server that they started. It
// does not return.
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

// Shared returns the server of the package's tests. The test is skipped where
// there can be none, and fails with CI=true.
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

// Need ends a test for which something is missing on this machine: it is
// skipped, but fails with CI=true. Other errors fail it. Nil is no error.
func Need(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrMissing) && os.Getenv("CI") != "true":
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}

// server returns the database to work in, and whether it outlives the tests.
func server(t testing.TB) (base string, kept bool) {
	t.Helper()
	if base := os.Getenv(given); base != "" {
		return base, true
	}
	return Shared(t).URL("postgres"), false
}

// Schema returns the URL of a database in which the tables are this test's own.
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

// Database returns the URL of an empty database that is this test's own.
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
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // a plus is a plus to pgx
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
