// Package postgres opens a [usher.Store] in a PostgreSQL database (13 or
// later), with the driver pgx:
//
//	store, err := postgres.Open(ctx, os.Getenv("DATABASE_URL"), postgres.Options{})
//
// Any number of machines may open the same database. The tables are in the
// first schema of the connection's search_path, and their names begin with
// usher_. Open makes them, or brings them up to date, under a lock.
//
// The role needs to create tables at the first start and after an update, and
// to read and write them afterwards. No extension and no setting of the server
// is needed; the default isolation, READ COMMITTED, is enough.
//
// Behind a pooler that hands out connections by transaction (PgBouncer), add
// default_query_exec_mode=exec to the URL, so that no prepared statement is
// expected on another connection.
package postgres
