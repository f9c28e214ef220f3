package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/postgres"
)

// engine is a database that is filled. The functions give SQL for what the two
// engines word differently.
type engine struct {
	name  string
	store usher.Store
	db    *sql.DB
	close func() error

	series func(from, to int) string      // a table x with the numbers i
	padded func(expression string) string // a number as 22 digits
	bytes  func(hex string) string

	beforeFill, afterFill []string
	size                  func() (int64, error) // bytes that the tables take
}

func (s *suite) sqliteEngine(name string) (*engine, error) {
	path := filepath.Join(s.dir, name+".db")
	store, err := s.openSQLite(filepath.Base(path))
	if err != nil {
		return nil, err
	}
	return &engine{
		name: "SQLite", store: store, db: store.DB(), close: store.Close,
		series: func(from, to int) string {
			return fmt.Sprintf("(WITH RECURSIVE n (i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n) AS x", from, to)
		},
		padded: func(expression string) string { return "printf('%022d', " + expression + ")" },
		bytes:  func(hex string) string { return "x'" + hex + "'" },
		// The rows of an index come in no order: with the cache of 2 MB that a
		// connection has by default, each would be a page of its own to read and write.
		beforeFill: []string{"PRAGMA cache_size = -1000000"},
		afterFill:  []string{"PRAGMA cache_size = -2000", "PRAGMA wal_checkpoint(TRUNCATE)"},
		size: func() (int64, error) {
			info, err := os.Stat(path)
			if err != nil {
				return 0, err
			}
			return info.Size(), nil
		},
	}, nil
}

func (s *suite) postgresEngine(server *pgServer, name string) (*engine, error) {
	url, err := server.database(s.ctx, name)
	if err != nil {
		return nil, err
	}
	store, err := postgres.Open(s.ctx, url, postgres.Options{})
	if err != nil {
		return nil, err
	}
	db := store.DB()
	return &engine{
		name: "Postgres", store: store, db: db, close: store.Close,
		series: func(from, to int) string {
			return fmt.Sprintf("generate_series(%d::bigint, %d) AS x (i)", from, to)
		},
		padded:    func(expression string) string { return "lpad((" + expression + ")::text, 22, '0')" },
		bytes:     func(hex string) string { return `'\x` + hex + `'::bytea` },
		afterFill: []string{"VACUUM ANALYZE", "CHECKPOINT"},
		size: func() (n int64, err error) {
			err = db.QueryRowContext(s.ctx, `SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'usher\_%'`).Scan(&n)
			return n, err
		},
	}, nil
}

// exec runs statements one after another.
func (e *engine) exec(ctx context.Context, statements ...string) error {
	for _, text := range statements {
		if _, err := e.db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return nil
}
