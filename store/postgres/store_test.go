package postgres_test

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
	"github.com/usherkit/usher/store/storetest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func open(t testing.TB, dsn string) *postgres.Store {
	t.Helper()
	// More connections than CPUs, so that callers are concurrent in the server.
	s, err := postgres.Open(context.Background(), dsn, postgres.Options{MaxConns: 32})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// The contract holds whatever isolation level the database gives to transactions by
// default. The other tests run at its own default, read committed.
func TestST04_PostgresKeepsTheContract(t *testing.T) {
	levels := []string{"repeatable read", "serializable"}
	if raceDetector {
		// Go runs the same code at both levels, and retries more at the last.
		levels = levels[1:]
	}
	for _, level := range levels {
		t.Run(level, func(whole *testing.T) {
			dsn := pgtest.With(whole, pgtest.Schema(whole), "default_transaction_isolation", level)
			s := open(whole, dsn)
			storetest.Run(whole, func(t *testing.T) store.Store {
				if s.DB().Ping() != nil { // a case has closed it
					s = open(whole, dsn)
				}
				empty(t, s.DB())
				return s
			})
		})
	}
}

// empty removes all rows of the store, so that its tables serve the next case.
func empty(t *testing.T, db *sql.DB) {
	t.Helper()
	var statements string
	if err := db.QueryRow(`SELECT string_agg(format('DELETE FROM %I;', tablename), '')
		FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'usher_migrations'`).Scan(&statements); err != nil {
		t.Fatal(err)
	}
	// As a replica, the server does not check foreign keys.
	if _, err := db.Exec("BEGIN; SET LOCAL session_replication_role = replica; " + statements + " COMMIT"); err != nil {
		t.Fatal(err)
	}
}

func TestManyInstancesMayStartAtOnce(t *testing.T) {
	dsn := pgtest.Schema(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := postgres.Open(context.Background(), dsn, postgres.Options{MaxConns: 2})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.Ping(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	for name, c := range map[string]struct {
		url  string
		opts postgres.Options
	}{
		"not a URL":        {url: "postgres://user:s3cret@host:port/db"},
		"nobody there":     {url: "host=/nonexistent user=u password=s3cret dbname=d"},
		"negative setting": {url: "host=/nonexistent", opts: postgres.Options{MaxConns: -1}},
	} {
		s, err := postgres.Open(context.Background(), c.url, c.opts)
		if err == nil {
			s.Close()
			t.Errorf("%s: was opened", name)
			continue
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error has the password: %v", name, err)
		}
	}
}
