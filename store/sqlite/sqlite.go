package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

// Options change how a file is used. The zero value is ready for use.
type Options struct {
	// Hook takes part in each step that changes a user. Defaults to none.
	Hook sqlstore.Hook
	// Readers is how many connections read at the same time. Defaults to the
	// number of CPUs, and at least 4.
	Readers int
}

// Store is a store in a file.
type Store struct {
	*sqlstore.Store
	write, read *sql.DB
	closing     sync.Once
	closeErr    error
}

var _ store.Store = (*Store)(nil)

// Open opens the store in the file at path and brings its tables up to date. It
// creates the file if there is none; the folder must exist. At most one Options may
// be given. ctx bounds the opening, and the Store does not keep it.
//
// SQLite's ":memory:" is refused: tests use package memory, or a file in a temporary
// folder.
func Open(ctx context.Context, path string, options ...Options) (*Store, error) {
	var opts Options
	switch len(options) {
	case 0:
	case 1:
		opts = options[0]
	default:
		return nil, errors.New("sqlite: Open takes at most one Options")
	}
	if opts.Readers < 0 {
		return nil, fmt.Errorf("sqlite: Readers is %d, which is less than none", opts.Readers)
	}
	if opts.Readers == 0 {
		opts.Readers = max(4, runtime.NumCPU())
	}
	path, err := cleanPath(path)
	if err != nil {
		return nil, err
	}
	if err := claimFile(path); err != nil {
		return nil, err
	}

	s := &Store{}
	// Only the writer sets the journal mode, which is kept in the file.
	if s.write, err = open(path, 1, "_txlock=immediate", pragma("journal_mode(WAL)"), pragma("synchronous(FULL)")); err != nil {
		return nil, err
	}
	if err := s.start(ctx, path, opts); err != nil {
		return nil, errors.Join(err, s.closePools())
	}
	return s, nil
}

func (s *Store) start(ctx context.Context, path string, opts Options) error {
	var mode string
	if err := s.write.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	if mode != "wal" {
		return fmt.Errorf("sqlite: %s cannot be used with a write-ahead log (its journal mode stays %q); is it on a network file system?", path, mode)
	}
	var err error
	if s.read, err = open(path, opts.Readers, pragma("query_only(1)")); err != nil {
		return err
	}
	s.Store, err = sqlstore.New(ctx, s.write, sqlstore.SQLite, sqlstore.Options{Hook: opts.Hook, ReadDB: s.read})
	return err
}

// DB returns the pool with the connection that writes, for tables of the
// program's own in the same file. It has one connection: whoever holds a
// transaction of it, or rows that are not closed, makes the store wait. Close
// closes it.
func (s *Store) DB() *sql.DB { return s.write }

// Close moves what is in the write-ahead log into the file and closes it. It
// waits for calls that are under way; later ones fail.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closeErr = errors.Join(s.Store.Close(), s.closePools()) })
	return s.closeErr
}

func (s *Store) closePools() error {
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	// SQLite folds the log into the file when its last connection goes, but
	// only if no other process has the file open. This asks in any case.
	if _, err := s.write.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		errs = append(errs, fmt.Errorf("sqlite: checkpoint: %w", err))
	}
	return errors.Join(append(errs, s.write.Close())...)
}

func pragma(p string) string { return "_pragma=" + p }

// open opens a pool of so many connections, which are kept.
func open(path string, conns int, params ...string) (*sql.DB, error) {
	params = append([]string{pragma("busy_timeout(5000)"), pragma("foreign_keys(1)")}, params...)
	// A URI, because a plain name would end at a question mark.
	name := (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path)}).String()
	db, err := sql.Open("sqlite", name+"?"+strings.Join(params, "&"))
	if err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// cleanPath makes a file's path absolute: the name of a URI has to be.
func cleanPath(path string) (string, error) {
	if path == "" {
		return "", errors.New("sqlite: no path was given")
	}
	if strings.Contains(path, ":memory:") || strings.HasPrefix(path, "file:") {
		return "", fmt.Errorf("sqlite: %q is not the path of a file", path)
	}
	if strings.IndexByte(path, 0) >= 0 {
		return "", errors.New("sqlite: the path holds a zero byte")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	return abs, nil
}

// claimFile makes sure that the database is a file which only its owner can
// open, before SQLite puts anything into it. SQLite gives -wal and -shm the
// mode of the database.
func claimFile(path string) error {
	if info, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("sqlite: the folder of the database: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("sqlite: %s is not a folder", filepath.Dir(path))
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if err := tighten(name); err != nil {
			return fmt.Errorf("sqlite: others may read the database, and that cannot be changed: %w", err)
		}
	}
	return nil
}

// tighten takes a file away from everyone but its owner, if it exists.
func tighten(name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 == 0 || runtime.GOOS == "windows" {
		return nil // Windows has no such modes
	}
	return os.Chmod(name, info.Mode().Perm()&0o700)
}
