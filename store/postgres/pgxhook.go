package postgres

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/usherkit/usher/store/sqlstore"
)

// PgxHook is a [sqlstore.Hook] that works with pgx, for programs whose queries need a
// pgx.Tx, such as those that sqlc generates.
//
// tx is a savepoint in the transaction that changes the user. Rollback undoes only what
// the hook has written. Commit is optional, and the store commits the whole. A hook costs four
// further round trips.
type PgxHook func(ctx context.Context, tx pgx.Tx, change sqlstore.Change) error

// run implements sqlstore.Hook.
func (h PgxHook) run(ctx context.Context, raw *sql.Tx, change sqlstore.Change) error {
	var conn connOf
	if _, err := raw.ExecContext(ctx, "SELECT 1", &conn); err != nil {
		return err
	}
	// The outer transaction belongs to the store. This one is never ended, because its
	// Rollback would end the store's.
	outer, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: "SAVEPOINT usher_hook"})
	if err != nil {
		return err
	}
	tx, err := outer.Begin(ctx)
	if err != nil {
		return err
	}
	if err := h(ctx, tx, change); err != nil {
		return err // the store rolls back
	}
	if err := tx.Commit(ctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
		return err
	}
	return nil
}

// connOf is an argument of a query, to which pgx passes the connection that runs the query.
type connOf struct{ *pgx.Conn }

// RewriteQuery implements pgx.QueryRewriter.
func (c *connOf) RewriteQuery(_ context.Context, conn *pgx.Conn, query string, args []any) (string, []any, error) {
	c.Conn = conn
	return query, args, nil
}
