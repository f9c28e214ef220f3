package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	driverpkg "modernc.org/sqlite"

	"github.com/usherkit/usher/store/sqlstore"
)

// errInjected is what a statement answers that was told to fail.
var errInjected = errors.New("injected fault")

// busyError is how the driver says that the database is locked.
type busyError struct{}

func (busyError) Error() string { return "database is locked" }
func (busyError) Code() int     { return 5 }

// errTakenBack is answered by a statement after which SQLite has taken the whole
// transaction back, as it does for a full disk.
var errTakenBack = errors.New("injected fault, and the transaction is gone")

// faults stands between database/sql and the driver. It notes what passes and
// makes chosen statements fail; BEGIN and COMMIT count as statements.
type faults struct {
	mu    sync.Mutex
	n     int
	fail  func(n int) error // nil lets everything pass
	texts map[string]bool
	last  string         // the statement that passes now
	count map[string]int // how often each passed, if it is not nil
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

// arm counts from one again; fail decides about the n-th statement from now.
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
	if errors.Is(err, errTakenBack) {
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

// faultyStmt is a prepared statement. Preparing it is nothing that a step does,
// and does not count; running it does.
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

// openFaulty opens a store as Open does, with faults in between. It returns the
// pool as well, to look at the tables.
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

// dump is the content of all tables.
func dump(t *testing.T, db *sql.DB) string {
	t.Helper()
	var out strings.Builder
	for _, table := range column(t, db, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`) {
		rows, err := db.Query(`SELECT * FROM "` + table + `" ORDER BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			row := make([]any, len(columns))
			for i := range row {
				row[i] = &row[i]
			}
			if err := rows.Scan(row...); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "%s %q\n", table, row)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// column reads a list of texts.
func column(t *testing.T, db *sql.DB, query string, args ...any) (out []string) {
	t.Helper()
	rows, err := db.Query(query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
