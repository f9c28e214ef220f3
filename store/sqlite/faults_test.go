package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	driverpkg "modernc.org/sqlite"

	"github.com/usherkit/usher/store/sqlstore"
)

// errInjected is the error of a statement that was made to fail.
var errInjected = errors.New("injected fault")

// busyError is the driver's error for a locked database.
type busyError struct{}

func (busyError) Error() string { return "database is locked" }
func (busyError) Code() int     { return 5 }

// errRolledBack is the error of a statement after which SQLite has rolled back the whole
// transaction, as for a full disk.
var errRolledBack = errors.New("injected fault, and the transaction is gone")

// faults wraps the driver. It records the statements and makes some of them fail. BEGIN
// and COMMIT count as statements.
type faults struct {
	mu    sync.Mutex
	n     int
	fail  func(n int) error // nil: no statement fails
	texts map[string]bool
	last  string         // the present statement
	count map[string]int // runs of each statement; nil counts none
}

func (f *faults) pass(text string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.texts == nil {
		f.texts = map[string]bool{}
	}
	f.texts[text] = true
	f.last = text
	if f.count != nil {
		f.count[text]++
	}
	f.n++
	if f.fail == nil {
		return nil
	}
	return f.fail(f.n)
}

// arm restarts the count at 1. fail returns the error of the n-th statement from now.
func (f *faults) arm(fail func(n int) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n, f.fail = 0, fail
}

func failAt(at int) func(int) error {
	return func(n int) error {
		if n == at {
			return errInjected
		}
		return nil
	}
}

type faultyConnector struct {
	dsn string
	*faults
}

func (c faultyConnector) Driver() driver.Driver { return &driverpkg.Driver{} }

func (c faultyConnector) Connect(context.Context) (driver.Conn, error) {
	conn, err := (&driverpkg.Driver{}).Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: conn, faults: c.faults}, nil
}

type faultyConn struct {
	driver.Conn
	*faults
}

func (c *faultyConn) pass(text string) error {
	err := c.faults.pass(text)
	if errors.Is(err, errRolledBack) {
		_, rollback := c.Conn.(driver.ExecerContext).ExecContext(context.Background(), "ROLLBACK", nil)
		err = errors.Join(err, rollback)
	}
	return err
}

func (c *faultyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.pass("BEGIN"); err != nil {
		return nil, err
	}
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
	return faultyTx{tx, c.faults}, err
}

func (c *faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.pass(query); err != nil {
		return nil, err
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.pass(query); err != nil {
		return nil, err
	}
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *faultyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return faultyStmt{stmt, query, c}, nil
}

// faultyStmt is a prepared statement. Running it counts as a statement, preparing it does
// not.
type faultyStmt struct {
	driver.Stmt
	text string
	conn *faultyConn
}

func (s faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.conn.pass(s.text); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.conn.pass(s.text); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

type faultyTx struct {
	driver.Tx
	*faults
}

func (t faultyTx) Commit() error {
	if err := t.pass("COMMIT"); err != nil {
		return errors.Join(err, t.Rollback())
	}
	return t.Tx.Commit()
}

// openFaulty opens a store as Open does, but with faults. It also returns the pool, for
// reading the tables.
func openFaulty(t *testing.T, f *faults, hook sqlstore.Hook) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	dsn := "file:" + filepath.Join(t.TempDir(), "usher.db") +
		"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_txlock=immediate"
	write := sql.OpenDB(faultyConnector{dsn, f})
	write.SetMaxOpenConns(1)
	read := sql.OpenDB(faultyConnector{dsn, f})
	read.SetMaxOpenConns(4)
	t.Cleanup(func() { read.Close(); write.Close() })
	s, err := sqlstore.New(t.Context(), write, sqlstore.SQLite, sqlstore.Options{ReadDB: read, Hook: hook})
	if err != nil {
		t.Fatal(err)
	}
	return s, write
}
