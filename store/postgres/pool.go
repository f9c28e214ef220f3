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

// New returns a store in a pool of the program, whose driver must be pgx (package
// stdlib). The program remains the owner of the pool: Close does not
// close it. At most one Options may be given. ctx bounds the opening, migrations
// included.
//
// Open and FromPool need fewer round trips to the server for a transaction.
//
// For another driver, use [sqlstore.New]. Revocations are then found only by polling.
func New(ctx context.Context, db *sql.DB, options ...Options) (*Store, error) {
	opts, err := onlyOptions(options)
	if err != nil {
		return nil, err
	}
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
			return fmt.Errorf("the driver of the pool is %T, not pgx: use sqlstore.New", driverConn)
		}
		config = c.Conn().Config()
		return nil
	})
	if err := errors.Join(err, conn.Close()); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	opts.warnOfTLS(config)
	return newStore(ctx, db, config, opts)
}

// FromPool returns a store in a pgxpool of the program. The program remains the
// owner of the pool: Close does not close it. At most one Options may be given. ctx
// bounds the migrations. BeforeConnect of the pool's configuration is called for the connection
// that listens, too, so a password that changes can be set there.
func FromPool(ctx context.Context, pool *pgxpool.Pool, options ...Options) (*Store, error) {
	opts, err := onlyOptions(options)
	if err != nil {
		return nil, err
	}
	if pool == nil {
		return nil, errors.New("postgres: no pool was given")
	}
	opts.warnOfTLS(pool.Config().ConnConfig)
	db := sql.OpenDB(pipelineConnector{stdlib.GetPoolConnector(pool)})
	db.SetMaxIdleConns(0) // the pool keeps them
	s, err := newStore(ctx, db, pool.Config().ConnConfig, opts)
	if err != nil {
		return nil, err
	}
	s.beforeListen = pool.Config().BeforeConnect
	return s, nil
}
