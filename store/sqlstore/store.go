package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/usherkit/usher/store"
)

// Options are the settings of a [Store]. The zero value is ready for use.
type Options struct {
	// Hook takes part in each transaction that changes a user. Defaults to none.
	Hook Hook
	// ReadDB runs reads that need no transaction, for example a pool of read-only
	// connections beside SQLite's only writer. It must see commits of the other pool
	// at once, which a replica does not. Defaults to the database given to New.
	ReadDB *sql.DB
	// SkipMigrations is for programs whose own tool runs the files of [Migrations].
	// Defaults to false: New brings the tables up to date.
	SkipMigrations bool
}

// Store is a [store.Store] in an SQL database.
type Store struct {
	writeDB, readDB *sql.DB
	dialect         Dialect
	hook            Hook
	closed          atomic.Bool
	refusedAt       atomic.Int64 // when a limit last refused, in microseconds since 1970 (UTC)
	// For SQLite only; nil for PostgreSQL, which has many writers and whose driver
	// prepares statements.
	queue                           *commitQueue
	writeStatements, readStatements *statements
}

var _ store.Store = (*Store)(nil)

var errClosed = errors.New("the store is closed")

// migrateTimeout bounds the migrations, and the wait for those of another process.
const migrateTimeout = 10 * time.Minute

// New returns a store in the given database and brings its tables up to date. At
// most one Options may be given. ctx bounds the migrations, which may wait for those
// of another process, but at most 10 minutes. New fails if the database cannot be
// reached, if its tables are of a newer version that this one cannot run on (see
// [Migrations]), or if a migration was changed after it had run.
//
// The caller remains the owner of the database: Close does not close it.
func New(ctx context.Context, db *sql.DB, d Dialect, options ...Options) (*Store, error) {
	var opts Options
	switch len(options) {
	case 0:
	case 1:
		opts = options[0]
	default:
		return nil, errors.New("sqlstore: New takes at most one Options")
	}
	if db == nil {
		return nil, errors.New("sqlstore: no database was given")
	}
	if !d.known() {
		return nil, fmt.Errorf("sqlstore: unknown dialect %q; there are %q and %q", d, SQLite, Postgres)
	}
	s := &Store{writeDB: db, readDB: cmp.Or(opts.ReadDB, db), dialect: d, hook: opts.Hook}
	if d == SQLite {
		s.queue, s.writeStatements, s.readStatements = &commitQueue{}, newStatements(s.writeDB), newStatements(s.readDB)
	}
	if err := checkEncoding(ctx, db, d); err != nil {
		return nil, err
	}
	if opts.SkipMigrations {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	if err := migrate(ctx, db, d); err != nil {
		return nil, fmt.Errorf("sqlstore: migrate: %w", err)
	}
	return s, nil
}

// checkEncoding refuses a database or a connection that cannot hold every character, or
// that does not order texts by the bytes of UTF-8, and a connection that cannot return bytes.
// Otherwise the first name with such a character, or the first token, would be an outage.
func checkEncoding(ctx context.Context, db *sql.DB, d Dialect) error {
	if d == SQLite {
		var encoding string
		if err := db.QueryRowContext(ctx, `PRAGMA encoding`).Scan(&encoding); err != nil {
			return fmt.Errorf("sqlstore: the encoding of the database: %w", err)
		}
		if encoding != "UTF-8" {
			return fmt.Errorf("sqlstore: the database has the encoding %s, must have UTF-8: the order of texts would differ, and lists of users would miss some; name another file", encoding)
		}
		return nil
	}
	var server, client, name string
	err := db.QueryRowContext(ctx, `SELECT current_setting('server_encoding'), current_setting('client_encoding'), current_database()`).
		Scan(&server, &client, &name)
	switch {
	case err != nil:
		return fmt.Errorf("sqlstore: the encoding of the database: %w", err)
	case server != "UTF8":
		return fmt.Errorf("sqlstore: the database %s has the encoding %s, must have UTF8: create another one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and move the data with pg_dump", name, server)
	case client != "UTF8":
		return fmt.Errorf("sqlstore: the connections to the database %s have the client_encoding %s, must have UTF8: remove client_encoding from the URL, from PGCLIENTENCODING and from the settings of the role", name, client)
	}
	// In a query mode with results as text, as behind a pooler, pgx reads only this form.
	var got []byte
	want := []byte{0, 0xff, '\''}
	err = db.QueryRowContext(ctx, `SELECT decode('00ff27', 'hex')`).Scan(&got)
	if err == nil && !bytes.Equal(got, want) {
		err = errors.New("other bytes were returned")
	}
	if err != nil {
		return fmt.Errorf("sqlstore: the connections to the database %s cannot return bytes: set bytea_output to hex, its default, for the database and the role: %w", name, err)
	}
	return nil
}

// Ping reports whether the tables can be read.
func (s *Store) Ping(ctx context.Context) error {
	return s.read(ctx, "ping", func(r runner) error {
		_, err := readColumn[int64](ctx, r, `SELECT version FROM usher_signing_keys`)
		return err
	})
}

// Close makes all later calls fail. It does not close the database.
func (s *Store) Close() error {
	if s.closed.Swap(true) || s.queue == nil {
		return nil
	}
	s.writeStatements.close()
	s.readStatements.close()
	return nil
}
