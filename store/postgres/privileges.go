package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Migrate brings the tables in the database of url up to date. It is for the role that
// owns the schema, before a new version starts under a role that does not
// ([Options.SkipMigrations]). Any number of instances may call it at once.
func Migrate(ctx context.Context, url string) error {
	s, err := Open(ctx, url, Options{MaxConns: 1})
	if err != nil {
		return err
	}
	return s.Close()
}

// tables are the tables that the serving role reads and writes.
var tables = []string{
	"usher_users", "usher_user_roles", "usher_login_ids", "usher_sessions", "usher_revocations", "usher_one_time_tokens",
	"usher_invitations", "usher_password_settings",
	"usher_limits", "usher_signing_keys", "usher_outbox", "usher_events",
}

// Grants returns the SQL statements that let a role read and write the tables in a
// schema, and nothing else. Run them as the owner, after [Migrate].
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
