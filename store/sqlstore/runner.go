package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/usherkit/usher/internal/pipeline"
	"github.com/usherkit/usher/store"
)

// runner runs statements, written in the form common to the engines, on a pool or in
// a transaction.
type runner struct {
	conn interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
	dialect  Dialect
	prepared *statements // nil: every statement is sent as text
	tx       *sql.Tx     // nil outside a transaction
	// uncancelable lets each statement run to its end although the caller's context
	// ends: SQLite rolls back a whole transaction when one statement is canceled,
	// and other steps may share it.
	uncancelable bool
}

// prepare returns a prepared statement, or nil if there is none. The caller must call
// the returned function when the statement has run.
func (r runner) prepare(ctx context.Context, query string) (*sql.Stmt, func()) {
	none := func() {}
	if r.prepared == nil {
		return nil, none
	}
	stmt := r.prepared.acquire(query)
	if stmt == nil {
		r.prepared.request(query)
		if r.tx == nil {
			r.prepared.prepareRequested(ctx)
			stmt = r.prepared.acquire(query)
		}
	}
	if stmt == nil {
		return nil, none
	}
	if r.tx != nil {
		stmt = r.tx.StmtContext(ctx, stmt)
	}
	return stmt, r.prepared.release
}

// statementContext returns the context for one statement.
func (r runner) statementContext(ctx context.Context) context.Context {
	if r.uncancelable {
		ctx = context.WithoutCancel(ctx)
	}
	if r.dialect == Postgres && pipeline.Of(ctx) == pipeline.Program {
		ctx = pipeline.Mark(ctx, pipeline.Own)
	}
	return ctx
}

// exec runs a statement and returns how many rows it changed.
func (r runner) exec(ctx context.Context, query string, args ...any) (int64, error) {
	bound, err := bind(args)
	if err != nil {
		return 0, err
	}
	ctx = r.statementContext(ctx)
	stmt, done := r.prepare(ctx, query)
	defer done()
	var res sql.Result
	if stmt != nil {
		res, err = stmt.ExecContext(ctx, bound...)
	} else {
		res, err = r.conn.ExecContext(ctx, r.dialect.sql(query), bound...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// query calls scan for each row, after the statement has run to its end.
func (r runner) query(ctx context.Context, scan func(row scanner) error, query string, args ...any) error {
	bound, err := bind(args)
	if err != nil {
		return err
	}
	ctx = r.statementContext(ctx)
	stmt, done := r.prepare(ctx, query)
	defer done()
	var rows *sql.Rows
	if stmt != nil {
		rows, err = stmt.QueryContext(ctx, bound...)
	} else {
		rows, err = r.conn.QueryContext(ctx, r.dialect.sql(query), bound...)
	}
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

type scanner interface{ Scan(dest ...any) error }

// get reads one row. It returns store.ErrNotFound if there is none, or if an argument
// is text that cannot be stored.
func (r runner) get(ctx context.Context, dest []any, query string, args ...any) error {
	found := false
	err := r.query(ctx, func(row scanner) error {
		found = true
		return row.Scan(dest...)
	}, query, args...)
	if errors.Is(err, errInvalidText) || err == nil && !found {
		return store.ErrNotFound
	}
	return err
}

// readColumn reads one column of all rows.
func readColumn[T any](ctx context.Context, r runner, query string, args ...any) (out []T, err error) {
	err = r.query(ctx, func(row scanner) error {
		var v T
		if err := row.Scan(&v); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	}, query, args...)
	return out, err
}
