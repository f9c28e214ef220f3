package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

// Options change how a database is used. The zero value is ready for use.
type Options struct {
	// Hook takes part in each step that changes a user. Defaults to none.
	Hook sqlstore.Hook
	// MaxConns is how many connections may be open at the same time, beside the
	// one that listens. It is for Open alone: a pool that is passed in has its
	// own. Defaults to four for each CPU.
	MaxConns int
	// ListenURL is where revocations are listened for: the server itself, where
	// the pool is behind a pooler that hands out connections by transaction.
	// Defaults to where the pool leads.
	ListenURL string
	// SkipMigrations leaves the tables to [Migrate] or a tool of the program's
	// own, for a role that may not create any. Defaults to false: the tables
	// are brought up to date.
	SkipMigrations bool
}

// Store is a store in a PostgreSQL database.
type Store struct {
	*sqlstore.Store
	db       *sql.DB
	listen   *pgx.ConnConfig
	ours     bool // db is closed by Close
	closing  sync.Once
	closeErr error
}

var _ store.Store = (*Store)(nil)

// connLife is how long a connection is used: after a failover by name all of
// them lead to the new server at last, whatever became of the old one.
const connLife = 30 * time.Minute

// Open opens the store in the database that url names, as a URL
// ("postgres://user@host/db?sslmode=verify-full") or as keywords and values
// ("host=/run/postgresql dbname=app"), and brings its tables up to date. What
// url leaves out comes from the environment (PGHOST, PGPASSWORD, …) as with
// other clients of PostgreSQL. At most one Options may be given. ctx bounds the
// opening, migrations included, and the Store does not keep it.
func Open(ctx context.Context, url string, options ...Options) (*Store, error) {
	opts, err := single(options)
	if err != nil {
		return nil, err
	}
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
	pooled, err := behindPooler(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if pooled && !strings.Contains(url, "default_query_exec_mode") {
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	// What another client of a pooler listened for may end up here.
	config.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	db := stdlib.OpenDB(*config, stdlib.OptionResetSession(stillPrimary))
	db.SetMaxOpenConns(opts.MaxConns)
	db.SetMaxIdleConns(opts.MaxConns)
	db.SetConnMaxLifetime(connLife)
	opts.MaxConns = 0
	store, err := newStore(ctx, db, config, opts)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	store.ours = true
	return store, nil
}

// single returns the only Options of a constructor, or the zero value.
func single(options []Options) (Options, error) {
	switch len(options) {
	case 0:
		return Options{}, nil
	case 1:
		return options[0], nil
	default:
		return Options{}, errors.New("postgres: at most one Options may be given")
	}
}

// newStore is the store in a pool whose connections were made by config.
func newStore(ctx context.Context, db *sql.DB, config *pgx.ConnConfig, opts Options) (*Store, error) {
	if opts.MaxConns != 0 {
		return nil, errors.New("postgres: MaxConns is for Open: a pool of the program's own has its own limit")
	}
	s := &Store{db: db, listen: config.Copy()}
	if opts.ListenURL != "" {
		var err error
		if s.listen, err = pgx.ParseConfig(opts.ListenURL); err != nil {
			return nil, fmt.Errorf("postgres: ListenURL: %w", err)
		}
	}
	var err error
	s.Store, err = sqlstore.New(ctx, db, sqlstore.Postgres, sqlstore.Options{Hook: opts.Hook, SkipMigrations: opts.SkipMigrations})
	return s, err
}

// DB returns the pool of connections, for tables of the program's own in the
// same database.
func (s *Store) DB() *sql.DB { return s.db }

// Close closes all connections that Open made. It waits for calls that are under
// way; later ones fail. A pool that was passed in is the caller's to close.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.closeErr = s.Store.Close()
		if s.ours {
			s.closeErr = errors.Join(s.closeErr, s.db.Close())
		}
	})
	return s.closeErr
}
