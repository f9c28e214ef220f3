package sqltrace

import (
	"context"
	"database/sql"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

// FillUsers adds users to empty tables by SQL: "a1@example.test" to those with the number
// n, each a second younger. Their login ids and addresses begin with each letter in turn.
// One of 1,000 is disabled, every second one has the role "member", and the first three
// have the role "admin", too.
func FillUsers(ctx context.Context, db *sql.DB, n int, dialect sqlstore.Dialect) error {
	number := "?"
	if dialect == sqlstore.Postgres {
		number = "$1::bigint"
	}
	for _, query := range []string{`
		WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ` + number + `)
		INSERT INTO usher_users (id, login_ids, email, email_verified, name, given_name, middle_name, family_name, phone, picture,
			language, roles, permissions, tenants, attributes, status, created_at, updated_at,
			password_hash, password_state, password_version, password_changed_at, password_earlier)
		SELECT 'u' || i, '["' || a || '"]', a, CAST(1 AS ` + map[bool]string{true: "INTEGER)::boolean", false: "INTEGER)"}[dialect == sqlstore.Postgres] + `,
			'Name ' || i, '', '', '', '', '', '',
			CASE WHEN i <= 3 THEN '["admin","member"]' WHEN i % 2 = 0 THEN '["member"]' ELSE 'null' END, 'null', 'null', 'null',
			CASE WHEN i % 1000 = 0 THEN 'disabled' ELSE 'enabled' END, 1700000000000000 + CAST(i AS BIGINT) * 1000000, 0, '', 'none', 1, 0, 'null'
		FROM (SELECT i, substr('abcdefghijklmnopqrstuvwxyz', CAST(1 + (i - 1) % 26 AS INTEGER), 1) || i || '@example.test' AS a FROM numbers) named`,
		`INSERT INTO usher_login_ids (canonical, user_id, position) SELECT email, id, 0 FROM usher_users WHERE CAST(substr(id, 2) AS BIGINT) <= ` + number,
	} {
		if _, err := db.ExecContext(ctx, query, n); err != nil {
			return err
		}
	}
	_, err := db.ExecContext(ctx, "ANALYZE")
	return err
}

// UserQueries are queries with every combination of conditions.
func UserQueries() (all []store.UserQuery) {
	for _, search := range []string{"", "a", "a1@example.test", "name"} {
		for _, status := range []store.Status{"", store.StatusDisabled} {
			for _, role := range []string{"", "member", "admin"} {
				for _, since := range []time.Time{{}, time.UnixMicro(1700000000000000)} {
					all = append(all, store.UserQuery{Search: search, Status: status, Role: role, CreatedSince: since, Limit: 10})
				}
			}
		}
	}
	return all
}

// slowPlan are the steps of a plan that read a whole table, or an index from its start, or
// sort 1,000 rows or more. PostgreSQL sorts the last rows of an index if that reads fewer
// blocks.
var slowPlan = regexp.MustCompile(`Seq Scan on usher|\(<expr><\?\)|Sort .* rows=\d{4}|SCAN usher|SCAN u\b|TEMP B-TREE FOR ORDER`)

// TestUserPlans fails the test if a page of users reads a whole table, or sorts more than
// a page examines, with 20,000 users.
func TestUserPlans(t *testing.T, e Engine) {
	r := &Recorder{Connector: e.Empty(t), Begin: e.Begin}
	db := r.OpenDB()
	st := e.open(t, db)
	if err := FillUsers(t.Context(), db, 20_000, e.Dialect); err != nil {
		t.Fatal(err)
	}
	explain := map[sqlstore.Dialect]string{sqlstore.SQLite: "EXPLAIN QUERY PLAN ", sqlstore.Postgres: "EXPLAIN "}[e.Dialect]
	for _, q := range UserQueries() {
		r.Take()
		page, err := st.Users(t.Context(), q)
		if err == nil && page.Next != nil {
			q.After = page.Next
			_, err = st.Users(t.Context(), q)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range r.Take() {
			var args []any
			for _, a := range step.Args {
				args = append(args, a.v)
			}
			if plan := plan(t, db, explain+step.Text, args); slowPlan.MatchString(plan) {
				t.Errorf("%+v:\n%s\n%s", q, step.Text, plan)
			}
		}
	}
}

// plan returns what the engine says about a query, a line for each step.
func plan(t *testing.T, db *sql.DB, query string, args []any) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for rows.Next() {
		dest, line := make([]any, len(columns)), ""
		for i := range dest {
			dest[i] = new(any)
		}
		dest[len(dest)-1] = &line
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		out.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
