package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/sqlstore"
)

// Options change how a database is used. The zero value is ready for use.
type Options struct {
	// Hook takes part in each step that changes a user. Defaults to none.
	Hook sqlstore.Hook
	// MaxConns is how many connections may be open at the same time. Defaults
	// to four for each CPU.
	MaxConns int
}

// Store is a store in a PostgreSQL database.
type Store struct {
	*sqlstore.Store
	db       *sql.DB
	closing  sync.Once
	closeErr error
}

var _ usher.Store = (*Store)(nil)

// Open opens the store in the database that url names, as a URL
// ("postgres://user@host/db?sslmode=verify-full") or as keywords and values
// ("host=/run/postgresql dbname=app"), and brings its tables up to date. What
// url leaves out comes from the environment (PGHOST, PGPASSWORD, …) as with
// other clients of PostgreSQL. ctx bounds the first connection.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	if opts.MaxConns < 0 {
		return nil, fmt.Errorf("postgres: MaxConns is %d, which is less than none", opts.MaxConns)
	}
	if opts.MaxConns == 0 {
		opts.MaxConns = 4 * runtime.NumCPU()
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err) // pgx leaves the password out
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(opts.MaxConns)
	db.SetMaxIdleConns(opts.MaxConns)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("postgres: %w", err), db.Close())
	}
	store, err := sqlstore.New(db, sqlstore.Postgres, sqlstore.Options{Hook: opts.Hook})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Store{Store: store, db: db}, nil
}

// DB returns the pool of connections, for tables of the program's own in the
// same database. Close closes it.
func (s *Store) DB() *sql.DB { return s.db }

// Close closes all connections. It waits for calls that are under way; later
// ones fail.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closeErr = errors.Join(s.Store.Close(), s.db.Close()) })
	return s.closeErr
}
