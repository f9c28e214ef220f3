package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/usherkit/usher/internal/pipeline"
)

// pipelineConnector opens connections that need fewer round trips for a transaction: BEGIN
// is sent with the first statement, and statements whose results are not read are sent
// with the next one or with COMMIT. The server runs all statements one after another, as
// if they had been sent so. Only their errors arrive later.
type pipelineConnector struct{ driver.Connector }

func (c pipelineConnector) Connect(ctx context.Context) (driver.Conn, error) {
	opened, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn := opened.(*stdlib.Conn)
	if err := checkAcceptsWrites(ctx, conn.Conn().PgConn()); err != nil {
		// A pool of the program must not hand it out again.
		return nil, errors.Join(err, conn.Conn().Close(ctx), conn.Close())
	}
	return &pipelineConn{Conn: conn}, nil
}

// pipelineConn is a connection of database/sql, which uses it in one goroutine at a time.
type pipelineConn struct {
	*stdlib.Conn
	inTx    bool // a pipelineTx is open
	pending []pendingStatement
}

// pendingStatement is a statement of the present transaction that was not sent yet.
type pendingStatement struct {
	text string
	args []any
}

// BeginTx implements driver.ConnBeginTx.
func (c *pipelineConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	begin := "begin"
	switch sql.IsolationLevel(opts.Isolation) {
	case sql.LevelDefault:
	case sql.LevelReadCommitted:
		begin = "begin isolation level read committed"
	default:
		return c.Conn.BeginTx(ctx, opts)
	}
	if opts.ReadOnly {
		return c.Conn.BeginTx(ctx, opts)
	}
	if c.Conn.Conn().IsClosed() {
		return nil, driver.ErrBadConn
	}
	c.inTx, c.pending = true, []pendingStatement{{text: begin}}
	return pipelineTx{c, ctx}, nil
}

// ExecContext implements driver.ExecerContext.
func (c *pipelineConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	kind := pipeline.Of(ctx)
	if c.inTx && kind == pipeline.Deferred {
		c.pending = append(c.pending, newStatement(query, args))
		return driver.RowsAffected(0), nil
	}
	if len(c.pending) == 0 || kind == pipeline.Program {
		if err := c.flush(ctx); err != nil {
			return nil, err
		}
		return c.Conn.ExecContext(ctx, query, args)
	}
	tag, err := c.send(ctx, newStatement(query, args))
	return driver.RowsAffected(tag.RowsAffected()), err
}

// QueryContext implements driver.QueryerContext.
func (c *pipelineConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(c.pending) == 0 || pipeline.Of(ctx) == pipeline.Program {
		if err := c.flush(ctx); err != nil {
			return nil, err
		}
		return c.Conn.QueryContext(ctx, query, args)
	}
	rows := &readRows{}
	_, err := c.send(ctx, newStatement(query, args), rows)
	return rows, err
}

// PrepareContext implements driver.ConnPrepareContext. The store prepares no statements,
// but a hook may.
func (c *pipelineConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if err := c.flush(ctx); err != nil {
		return nil, err
	}
	stmt, err := c.Conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return pipelineStmt{stmt.(*stdlib.Stmt), c}, nil
}

type pipelineStmt struct {
	*stdlib.Stmt
	conn *pipelineConn
}

func (s pipelineStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.conn.flush(ctx); err != nil {
		return nil, err
	}
	return s.Stmt.ExecContext(ctx, args)
}

func (s pipelineStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.conn.flush(ctx); err != nil {
		return nil, err
	}
	return s.Stmt.QueryContext(ctx, args)
}

func newStatement(query string, args []driver.NamedValue) pendingStatement {
	s := pendingStatement{text: query, args: make([]any, len(args))}
	for i, a := range args {
		s.args[i] = a.Value
	}
	return s
}

// flush sends the pending statements, if there are any.
func (c *pipelineConn) flush(ctx context.Context) error {
	if len(c.pending) == 0 {
		return nil
	}
	last := c.pending[len(c.pending)-1]
	c.pending = c.pending[:len(c.pending)-1]
	_, err := c.send(ctx, last)
	return err
}

// send sends the pending statements and another one in one round trip. It returns the
// result of the latter, and reads its rows if there is a place for them.
func (c *pipelineConn) send(ctx context.Context, last pendingStatement, rows ...*readRows) (tag pgconn.CommandTag, err error) {
	if c.Conn.Conn().IsClosed() {
		return tag, driver.ErrBadConn
	}
	batch := &pgx.Batch{}
	for _, s := range append(c.pending, last) {
		batch.Queue(s.text, s.args...)
	}
	before := len(c.pending)
	c.pending = nil
	results := c.Conn.Conn().SendBatch(ctx, batch)
	defer func() {
		if closed := results.Close(); err == nil {
			err = closed
		}
	}()
	for range before {
		if _, err := results.Exec(); err != nil {
			return tag, err
		}
	}
	if len(rows) == 0 {
		return results.Exec()
	}
	return tag, rows[0].read(results)
}

// readRows are rows that were read to their end.
type readRows struct {
	columns []string
	rows    [][]any
}

func (r *readRows) read(results pgx.BatchResults) error {
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for _, f := range rows.FieldDescriptions() {
		r.columns = append(r.columns, f.Name)
	}
	for rows.Next() {
		row, err := rows.Values()
		if err != nil {
			return err
		}
		r.rows = append(r.rows, row)
	}
	return rows.Err()
}

// Columns implements driver.Rows.
func (r *readRows) Columns() []string { return r.columns }

// Close implements driver.Rows.
func (r *readRows) Close() error { return nil }

// Next implements driver.Rows.
func (r *readRows) Next(row []driver.Value) error {
	if len(r.rows) == 0 {
		return io.EOF
	}
	for i, v := range r.rows[0] {
		row[i] = v
	}
	r.rows = r.rows[1:]
	return nil
}

// pipelineTx is a transaction whose BEGIN may not have been sent yet.
type pipelineTx struct {
	*pipelineConn
	ctx context.Context
}

// rollbackTimeout bounds a rollback, whose caller may have no time left.
const rollbackTimeout = 5 * time.Second

// Commit implements driver.Tx.
func (t pipelineTx) Commit() error {
	t.inTx = false
	if t.began() {
		tag, err := t.send(t.ctx, pendingStatement{text: "commit"})
		if err != nil {
			return errors.Join(err, t.Rollback())
		}
		if tag.String() == "ROLLBACK" {
			return pgx.ErrTxCommitRollback
		}
	}
	return nil
}

// Rollback implements driver.Tx.
func (t pipelineTx) Rollback() error {
	t.inTx, t.pending = false, nil
	conn := t.Conn.Conn()
	if conn.IsClosed() || conn.PgConn().TxStatus() == 'I' {
		return nil // nothing was sent, or the transaction has ended
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), rollbackTimeout)
	defer cancel()
	_, err := conn.Exec(ctx, "rollback")
	if err != nil {
		err = errors.Join(err, conn.Close(ctx)) // its state is not known
	}
	return err
}

// began reports whether the transaction has any statement.
func (t pipelineTx) began() bool {
	if len(t.pending) == 1 && t.Conn.Conn().PgConn().TxStatus() == 'I' {
		t.pending = nil // only BEGIN
		return false
	}
	return true
}
