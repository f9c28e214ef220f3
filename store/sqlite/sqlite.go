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

// Options are the settings of a [Store]. The zero value is ready for use.
type Options struct {
	// Hook takes part in each transaction that changes a user. Defaults to none.
	Hook sqlstore.Hook
	// Readers is the number of connections for reading. Defaults to the number of
	// CPUs, but at least 4.
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
		return nil, fmt.Errorf("sqlite: Options.Readers is %d: it must not be negative", opts.Readers)
	}
	if opts.Readers == 0 {
		opts.Readers = max(4, runtime.NumCPU())
	}
	path, err := cleanPath(path)
	if err != nil {
		return nil, err
	}
	if err := restrictFile(ctx, path); err != nil {
		return nil, err
	}

	s := &Store{}
	// Only the writer sets the journal mode, because the file stores it.
	if s.write, err = open(path, 1, "_txlock=immediate", pragma("journal_mode(WAL)"), pragma("synchronous(FULL)")); err != nil {
		return nil, err
	}
	if err := s.start(ctx, path, opts); err != nil {
		_ = s.closePools() // its checkpoint fails for the same reason
		return nil, openError(path, err)
	}
	return s, nil
}

func (s *Store) start(ctx context.Context, path string, opts Options) error {
	var mode string
	if err := s.write.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	if mode != "wal" {
		return fmt.Errorf("sqlite: %s cannot have a write-ahead log (its journal mode stays %q): is it on a network file system?", path, mode)
	}
	var err error
	if s.read, err = open(path, opts.Readers, pragma("query_only(1)")); err != nil {
		return err
	}
	s.Store, err = sqlstore.New(ctx, s.write, sqlstore.SQLite, sqlstore.Options{Hook: opts.Hook, ReadDB: s.read})
	return err
}

var errNotADatabase = errors.New("it is not a database or is damaged: restore a backup, or name another file")

// openError adds to an error of SQLite for a file that it cannot read what to do.
func openError(path string, err error) error {
	if code := errorCode(err); code == codeCorrupt || code == codeNotADatabase {
		return fmt.Errorf("sqlite: %s: %w (%w)", path, errNotADatabase, err)
	}
	return err
}

const codeCorrupt, codeNotADatabase = 11, 26 // SQLITE_CORRUPT, SQLITE_NOTADB

// errorCode returns the primary code of an error of SQLite, or 0.
func errorCode(err error) int {
	if coded, ok := errors.AsType[interface {
		error
		Code() int
	}](err); ok {
		return coded.Code() & 0xff
	}
	return 0
}

// DB returns the pool that writes, for the program's own tables in the same file. It has
// one connection: the store waits while the program holds a transaction or open rows.
// Close closes the pool.
func (s *Store) DB() *sql.DB { return s.write }

// Close moves the write-ahead log into the file and closes the file. It waits for calls
// in progress. Later calls fail.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closeErr = errors.Join(s.Store.Close(), s.closePools()) })
	return s.closeErr
}

func (s *Store) closePools() error {
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	// SQLite does this when the last connection closes, but only if no other process
	// has the file open.
	if _, err := s.write.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		errs = append(errs, fmt.Errorf("sqlite: checkpoint: %w", err))
	}
	return errors.Join(append(errs, s.write.Close())...)
}

func pragma(p string) string { return "_pragma=" + p }

// open opens a pool of conns connections.
func open(path string, conns int, params ...string) (*sql.DB, error) {
	params = append([]string{pragma("busy_timeout(5000)"), pragma("foreign_keys(1)")}, params...)
	// A URI, because a plain name ends at a question mark.
	name := (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path)}).String()
	db, err := sql.Open("sqlite", name+"?"+strings.Join(params, "&"))
	if err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// cleanPath returns the absolute path, which a URI needs.
func cleanPath(path string) (string, error) {
	if strings.TrimSpace(path) == "" {
		return "", errors.New("sqlite: the path is empty: name a file, such as /var/lib/app/usher.db")
	}
	if strings.Contains(path, ":memory:") || strings.HasPrefix(path, "file:") {
		return "", fmt.Errorf("sqlite: %q is not the path of a file: use package memory for a store in memory", path)
	}
	if scheme, _, isURL := strings.Cut(path, "://"); isURL { // without the rest, which may have a password
		return "", fmt.Errorf("sqlite: a URL with the scheme %q is not the path of a file: name a file, such as /var/lib/app/usher.db; for PostgreSQL use postgres.Open", scheme)
	}
	if strings.IndexByte(path, 0) >= 0 {
		return "", errors.New("sqlite: the path contains a zero byte")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	return abs, nil
}

// creating is held while a file is created, so that no other Open has locks on it when
// createFile closes it.
var creating sync.Mutex

// restrictFile creates the file if needed and lets only its owner open it, before SQLite
// writes to it. A file of another kind is refused and stays as it is. SQLite gives the
// files -wal and -shm the mode of the database.
//
// It opens no file that exists: if the process has the database open already, closing a
// further descriptor would remove the locks of SQLite (POSIX advisory locks). Another
// process would then delete the write-ahead log in use, and later commits would be lost.
func restrictFile(ctx context.Context, path string) error {
	if info, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("sqlite: the folder of the database: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("sqlite: %s is not a folder", filepath.Dir(path))
	}
	if err := createFile(path); err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	if err := checkHead(ctx, path); err != nil {
		return err
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if err := restrictMode(name); err != nil {
			return fmt.Errorf("sqlite: other users may read the database, and its mode cannot be changed: %w", err)
		}
	}
	return nil
}

// createFile creates an empty file if there is none.
func createFile(path string) error {
	creating.Lock()
	defer creating.Unlock()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		return f.Close()
	}
	info, statErr := os.Stat(path)
	switch {
	case statErr != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory", path)
	}
	return nil
}

// checkHead refuses a file that is not empty and no database. SQLite reads the head, without
// locks and without the files beside it. So a database may look damaged here, if a process was
// killed while it moved the write-ahead log into the file; SQLite repairs it with that log.
func checkHead(ctx context.Context, path string) error {
	db, err := open(path, 1, "mode=ro", "immutable=1")
	if err != nil {
		return err
	}
	var version int64
	err = db.QueryRowContext(ctx, "PRAGMA schema_version").Scan(&version)
	if closed := db.Close(); err == nil {
		err = closed
	}
	if errorCode(err) == codeNotADatabase || ctx.Err() != nil {
		return openError(path, err)
	}
	return nil // any other error that remains is found again when the database is opened
}

// restrictMode removes the permissions of group and others, if the file exists.
func restrictMode(name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 == 0 || runtime.GOOS == "windows" {
		return nil // Windows has no file modes
	}
	return os.Chmod(name, info.Mode().Perm()&0o700)
}
