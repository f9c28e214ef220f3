package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// New returns a store in the program's own pool, whose driver must be pgx
// (package stdlib). The pool stays the program's: Close does not close it. ctx
// bounds the first connection.
//
// A pool by another driver works with sqlstore.New; revocations are then found
// by the poll alone.
func New(ctx context.Context, db *sql.DB, opts Options) (*Store, error) {
	if db == nil {
		return nil, errors.New("postgres: no database was given")
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	var config *pgx.ConnConfig
	err = conn.Raw(func(driverConn any) error {
		c, ok := driverConn.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("the driver of the pool is not pgx but %T: use sqlstore.New", driverConn)
		}
		config = c.Conn().Config()
		return nil
	})
	if err := errors.Join(err, conn.Close()); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return newStore(db, config, opts)
}

// FromPool returns a store in the program's own pgxpool. The pool stays the
// program's: Close does not close it.
func FromPool(pool *pgxpool.Pool, opts Options) (*Store, error) {
	if pool == nil {
		return nil, errors.New("postgres: no pool was given")
	}
	return newStore(stdlib.OpenDBFromPool(pool), pool.Config().ConnConfig, opts)
}
