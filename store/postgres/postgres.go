package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
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

// Options are the settings of a [Store]. The zero value is ready for use.
type Options struct {
	// Hook takes part in each transaction that changes a user. Defaults to none.
	Hook sqlstore.Hook
	// PgxHook is Hook with a transaction of pgx. Only one of the two may be set. Defaults to
	// none.
	PgxHook PgxHook
	// MaxConns is the maximum number of open connections, without the one that
	// listens. It is for Open only: a pool of the program has its own limit. Defaults
	// to four for each CPU.
	MaxConns int
	// ListenURL is the server to listen to for revocations. Set it if a pooler hands
	// out connections by transaction. Defaults to the server of the pool.
	ListenURL string
	// Logger gets a warning about a connection to another computer that verified TLS does
	// not protect. Defaults to slog.Default().
	Logger *slog.Logger
	// SkipMigrations is for a role that may not create tables: [Migrate], or the
	// program's own tool, creates them. Defaults to false: the tables are brought up
	// to date.
	SkipMigrations bool
}

// Store is a store in a PostgreSQL database.
type Store struct {
	*sqlstore.Store
	db     *sql.DB
	listen *pgx.ConnConfig
	// beforeListen is BeforeConnect of the program's pool, or nil.
	beforeListen func(context.Context, *pgx.ConnConfig) error
	ownsDB       bool // Close closes db
	closing      sync.Once
	closeErr     error
}

var _ store.Store = (*Store)(nil)

// connLifetime bounds the use of a connection, so that after a failover by DNS all
// connections reach the new server.
const connLifetime = 30 * time.Minute

// Open opens the store in the database that url names, as a URL
// ("postgres://user@host/db?sslmode=verify-full") or as keywords and values
// ("host=/run/postgresql dbname=app"), and brings its tables up to date. The database must
// have the encoding UTF8. A connection to another computer without verified TLS
// (sslmode=verify-full) logs a warning. What url leaves out comes from the environment
// (PGHOST, PGPASSWORD, …) as with other clients of PostgreSQL. At most one Options may be
// given. ctx bounds the opening, migrations included, and the Store does not keep it.
func Open(ctx context.Context, url string, options ...Options) (*Store, error) {
	opts, err := onlyOptions(options)
	if err != nil {
		return nil, err
	}
	if opts.MaxConns < 0 {
		return nil, fmt.Errorf("postgres: Options.MaxConns is %d: it must not be negative", opts.MaxConns)
	}
	if opts.MaxConns == 0 {
		opts.MaxConns = 4 * runtime.NumCPU()
	}
	config, err := parseURL(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	opts.warnOfTLS(config)
	if config.ValidateConnect == nil { // no target_session_attrs
		config.ValidateConnect = checkAcceptsWrites
	}
	pooled, err := behindPooler(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if pooled && !strings.Contains(url, "default_query_exec_mode") {
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	// A pooler may deliver notifications that another client listens for.
	config.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	db := sql.OpenDB(pipelineConnector{stdlib.GetConnector(*config, stdlib.OptionResetSession(rejectReadOnly))})
	db.SetMaxOpenConns(opts.MaxConns)
	db.SetMaxIdleConns(opts.MaxConns)
	db.SetConnMaxLifetime(connLifetime)
	opts.MaxConns = 0
	store, err := newStore(ctx, db, config, opts)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	store.ownsDB = true
	return store, nil
}

// onlyOptions returns the only Options of a constructor, or the zero value.
func onlyOptions(options []Options) (Options, error) {
	switch len(options) {
	case 0:
		return Options{}, nil
	case 1:
		if u := options[0].ListenURL; u != "" {
			config, err := parseURL(u)
			if err != nil {
				return Options{}, fmt.Errorf("postgres: Options.ListenURL: %w", err)
			}
			options[0].warnOfTLS(config)
		}
		return options[0], nil
	default:
		return Options{}, errors.New("postgres: at most one Options may be given")
	}
}

// newStore returns a store in a pool whose connections use config.
func newStore(ctx context.Context, db *sql.DB, config *pgx.ConnConfig, opts Options) (*Store, error) {
	if opts.MaxConns != 0 {
		return nil, errors.New("postgres: Options.MaxConns is for Open only: set the limit of the pool instead")
	}
	switch {
	case opts.PgxHook != nil && opts.Hook != nil:
		return nil, errors.New("postgres: Options.Hook and Options.PgxHook are both set: set one")
	case opts.PgxHook != nil:
		opts.Hook = opts.PgxHook.run
	}
	s := &Store{db: db, listen: config.Copy()}
	if opts.ListenURL != "" {
		var err error
		if s.listen, err = parseURL(opts.ListenURL); err != nil {
			return nil, fmt.Errorf("postgres: Options.ListenURL: %w", err)
		}
	}
	var err error
	s.Store, err = sqlstore.New(ctx, db, sqlstore.Postgres, sqlstore.Options{Hook: opts.Hook, SkipMigrations: opts.SkipMigrations})
	return s, err
}

// DB returns the pool, for the program's own tables in the same database. With
// [sql.Conn.Raw], a connection of Open and FromPool has the method Conn() *pgx.Conn.
func (s *Store) DB() *sql.DB { return s.db }

// Close closes the pool, if Open created it. It waits for calls in progress. Later calls
// fail.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.closeErr = s.Store.Close()
		if s.ownsDB {
			s.closeErr = errors.Join(s.closeErr, s.db.Close())
		}
	})
	return s.closeErr
}
