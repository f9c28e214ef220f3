package sqlstore_test

import (
	"context"
	"database/sql"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

func openDB(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func newDB(t *testing.T) *sql.DB {
	t.Helper()
	return openDB(t, filepath.Join(t.TempDir(), "test.db"))
}

func exec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatal(err)
	}
}

func TestMigrationsRunOnce(t *testing.T) {
	db := newDB(t)
	exec(t, db, `CREATE TABLE users (id TEXT)`) // the program's own, in the same database
	for range 3 {
		if _, err := sqlstore.New(t.Context(), db, sqlstore.SQLite); err != nil {
			t.Fatal(err)
		}
	}
	files, err := fs.Glob(sqlstore.Migrations(sqlstore.SQLite), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.QueryRow(`SELECT COUNT(*) FROM usher_migrations`).Scan(&n); err != nil || n != len(files) || n == 0 {
		t.Fatalf("%d migrations are noted, there are %d files (%v)", n, len(files), err)
	}
	var others int
	if err := db.QueryRow(`SELECT COUNT(*) FROM sqlite_schema WHERE type IN ('table', 'index')
		AND name NOT LIKE 'usher\_%' ESCAPE '\' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name <> 'users'`).Scan(&others); err != nil || others != 0 {
		t.Fatalf("%d names do not begin with usher_ (%v)", others, err)
	}
}

func TestMigrationsRunOnceThoughManyStartAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	exec(t, openDB(t, path), `CREATE TABLE users (id TEXT)`)
	var wg sync.WaitGroup
	for range 16 {
		db := openDB(t, path)
		wg.Go(func() {
			if _, err := sqlstore.New(t.Context(), db, sqlstore.SQLite); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestNewRefusesADatabaseItDoesNotKnow(t *testing.T) {
	for name, c := range map[string]struct{ spoil, want string }{
		"from a newer program":     {`INSERT INTO usher_migrations (version, name, checksum, applied_at) VALUES (999, '0999_later.sql', 'x', 0)`, "newer than this program"},
		"made by a changed file":   {`UPDATE usher_migrations SET checksum = 'x' WHERE version = 1`, "not the one that ran"},
		"where the tables are not": {`DELETE FROM usher_migrations`, "already exists"},
	} {
		t.Run(name, func(t *testing.T) {
			db := newDB(t)
			if _, err := sqlstore.New(t.Context(), db, sqlstore.SQLite); err != nil {
				t.Fatal(err)
			}
			exec(t, db, c.spoil)
			_, err := sqlstore.New(t.Context(), db, sqlstore.SQLite)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want it to say %q", err, c.want)
			}
			// The connection is good for something else.
			exec(t, db, `CREATE TABLE mine (id TEXT)`)
		})
	}
}

func TestMigrationsAreHandedOutForOtherTools(t *testing.T) {
	db := newDB(t)
	files := sqlstore.Migrations(sqlstore.SQLite)
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, string(text))
	}
	s, err := sqlstore.New(t.Context(), db, sqlstore.SQLite, sqlstore.Options{SkipMigrations: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateUser(context.Background(), store.UserCreation{User: store.User{ID: "u"}}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Fatal("migrations of an unknown dialect were handed out")
		}
	}()
	sqlstore.Migrations("oracle")
}

func TestBothDialectsHaveTheSameMigrations(t *testing.T) {
	var lists [2][]string
	for i, d := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.Postgres} {
		names, err := fs.Glob(sqlstore.Migrations(d), "*")
		if err != nil {
			t.Fatal(err)
		}
		lists[i] = names
	}
	if a, b := strings.Join(lists[0], " "), strings.Join(lists[1], " "); a != b || a == "" {
		t.Fatalf("SQLite has %s, Postgres has %s", a, b)
	}
}

func TestNewNeedsADatabaseAndADialect(t *testing.T) {
	if _, err := sqlstore.New(t.Context(), nil, sqlstore.SQLite); err == nil {
		t.Error("no database was enough")
	}
	if _, err := sqlstore.New(t.Context(), newDB(t), "oracle"); err == nil || !strings.Contains(err.Error(), "oracle") {
		t.Errorf("an unknown dialect: got %v", err)
	}
}

func TestPingFailsWithoutTables(t *testing.T) {
	s, err := sqlstore.New(t.Context(), newDB(t), sqlstore.SQLite, sqlstore.Options{SkipMigrations: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(context.Background()); err == nil {
		t.Fatal("a database without tables answers")
	}
}

func TestCloseLeavesTheDatabaseToItsOwner(t *testing.T) {
	db := newDB(t)
	s, err := sqlstore.New(t.Context(), db, sqlstore.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	exec(t, db, `CREATE TABLE mine (id TEXT)`)
}
