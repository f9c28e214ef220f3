package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Migrate brings the tables in the database that url names up to date, and is
// done: for a role that owns the schema, before a version starts that serves
// under a role that does not (Options.SkipMigrations). Any number of machines
// may call it at once.
func Migrate(ctx context.Context, url string) error {
	s, err := Open(ctx, url, Options{MaxConns: 1})
	if err != nil {
		return err
	}
	return s.Close()
}

// tables are all that the serving role works with.
var tables = []string{
	"usher_users", "usher_login_ids", "usher_sessions", "usher_revocations", "usher_one_time_tokens",
	"usher_limits", "usher_signing_keys", "usher_outbox", "usher_events",
}

// Grants returns the statements that let a role serve from the tables in a
// schema, and do nothing else there. Run them as the owner, after [Migrate].
func Grants(schema, role string) string {
	in := pgx.Identifier{schema}.Sanitize()
	to := pgx.Identifier{role}.Sanitize()
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = in + "." + t
	}
	return fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;\nGRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s;\n",
		in, to, strings.Join(names, ", "), to)
}
