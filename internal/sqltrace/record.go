// Package sqltrace records the SQL statements of one version of the stores, with their
// arguments and results, and replays them on the tables of a later version.
package sqltrace

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
)

// Step is one recorded statement.
type Step struct {
	// Query is true if the statement returned rows.
	Query bool `json:"query,omitempty"`
	// Text is the statement as the engine got it. BEGIN, COMMIT and ROLLBACK are
	// statements too.
	Text string  `json:"text"`
	Args []value `json:"args,omitempty"`
	// Rows are the rows that a query returned.
	Rows [][]value `json:"rows,omitempty"`
	// Affected is how many rows any other statement changed.
	Affected int64 `json:"affected,omitempty"`
}

// Recorder is a driver.Connector that records the statements of one connection.
type Recorder struct {
	// Connector opens the recorded connection.
	Connector driver.Connector
	// Begin is the statement that begins a transaction.
	Begin string
	steps []Step
}

// Take returns the steps since the last Take.
func (r *Recorder) Take() []Step {
	steps := r.steps
	r.steps = nil
	return steps
}

// OpenDB returns a pool of one connection, which is recorded.
func (r *Recorder) OpenDB() *sql.DB {
	db := sql.OpenDB(r)
	db.SetMaxOpenConns(1)
	return db
}

// Driver implements driver.Connector.
func (r *Recorder) Driver() driver.Driver { return r.Connector.Driver() }

// Connect implements driver.Connector.
func (r *Recorder) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &recordedConn{conn, r}, nil
}

type recordedConn struct {
	driver.Conn
	r *Recorder
}

func (c *recordedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	c.r.steps = append(c.r.steps, Step{Text: c.r.Begin})
	return recordedTx{tx, c.r}, nil
}

func (c *recordedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	res, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	return c.r.exec(query, args, res, err)
}

func (c *recordedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	return c.r.query(query, args, rows, err)
}

func (c *recordedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return recordedStmt{stmt, query, c.r}, nil
}

type recordedStmt struct {
	driver.Stmt
	text string
	r    *Recorder
}

func (s recordedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	res, err := s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	return s.r.exec(s.text, args, res, err)
}

func (s recordedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	return s.r.query(s.text, args, rows, err)
}

type recordedTx struct {
	driver.Tx
	r *Recorder
}

func (t recordedTx) Commit() error {
	t.r.steps = append(t.r.steps, Step{Text: "COMMIT"})
	return t.Tx.Commit()
}

func (t recordedTx) Rollback() error {
	t.r.steps = append(t.r.steps, Step{Text: "ROLLBACK"})
	return t.Tx.Rollback()
}

func (r *Recorder) exec(text string, args []driver.NamedValue, res driver.Result, err error) (driver.Result, error) {
	if err != nil {
		return nil, err
	}
	step := Step{Text: text, Args: values(args)}
	if step.Affected, err = res.RowsAffected(); err != nil {
		return nil, err
	}
	r.steps = append(r.steps, step)
	return res, nil
}

// query reads all rows, records them and returns them again.
func (r *Recorder) query(text string, args []driver.NamedValue, rows driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	copied := &copiedRows{columns: rows.Columns()}
	for {
		row := make([]driver.Value, len(copied.columns))
		if err := rows.Next(row); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		kept := make([]value, len(row))
		for i := range row {
			if b, ok := row[i].([]byte); ok {
				row[i] = bytes.Clone(b) // the driver may use its memory again
			}
			kept[i] = value{row[i]}
		}
		copied.rows = append(copied.rows, kept)
	}
	r.steps = append(r.steps, Step{Query: true, Text: text, Args: values(args), Rows: copied.rows})
	return copied, nil
}

func values(args []driver.NamedValue) []value {
	out := make([]value, len(args))
	for i, a := range args {
		out[i] = value{a.Value}
	}
	return out
}

// copiedRows are rows in memory.
type copiedRows struct {
	columns []string
	rows    [][]value
	next    int
}

func (c *copiedRows) Columns() []string { return c.columns }
func (c *copiedRows) Close() error      { return nil }
func (c *copiedRows) Next(row []driver.Value) error {
	if c.next == len(c.rows) {
		return io.EOF
	}
	for i, v := range c.rows[c.next] {
		row[i] = v.v
	}
	c.next++
	return nil
}
