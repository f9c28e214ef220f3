package postgres

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// OpenConnector opens a store on one connection with these options of the driver.
func OpenConnector(ctx context.Context, config *pgx.ConnConfig, options ...stdlib.OptionOpenDB) (*Store, error) {
	db := sql.OpenDB(pipelineConnector{stdlib.GetConnector(*config, options...)})
	db.SetMaxOpenConns(1)
	s, err := newStore(ctx, db, config, Options{})
	if err != nil {
		return nil, err
	}
	s.ownsDB = true
	return s, nil
}
