package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
	"github.com/usherkit/usher/store/sqlstore"
)

// The hook writes a domain table with pgx, in the transaction of the store, however the
// store was opened.
func TestSF07_AHookWorksWithATransactionOfPgx(t *testing.T) {
	for _, opened := range []string{"a URL", "a pgx pool", "a pool of database/sql"} {
		t.Run(opened, func(t *testing.T) {
			ctx, dsn := t.Context(), pgtest.Schema(t)
			end := ""
			hook := func(ctx context.Context, tx pgx.Tx, c sqlstore.Change) error {
				var users int // the row of the user is there already
				if err := tx.QueryRow(ctx, `SELECT count(*) FROM usher_users WHERE id = $1`, c.UserID).Scan(&users); err != nil {
					return err
				}
				if users != 1 {
					t.Errorf("the hook sees %d users", users)
				}
				rows := pgx.CopyFromRows([][]any{{c.UserID, c.Fields.Text("company")}})
				if _, err := tx.CopyFrom(ctx, pgx.Identifier{"customers"}, []string{"user_id", "company"}, rows); err != nil {
					return err
				}
				switch end {
				case "refuse":
					return &store.Rejection{Code: "no"}
				case "commit":
					return tx.Commit(ctx)
				case "roll back":
					return tx.Rollback(ctx)
				case "fail":
					_, err := tx.Exec(ctx, `SELECT 1/0`)
					return err
				}
				return nil
			}
			var st *postgres.Store
			var err error
			opts := postgres.Options{PgxHook: hook}
			switch opened {
			case "a URL":
				st, err = postgres.Open(ctx, dsn, opts)
			case "a pgx pool":
				pool, poolErr := pgxpool.New(ctx, dsn)
				if poolErr != nil {
					t.Fatal(poolErr)
				}
				t.Cleanup(pool.Close)
				st, err = postgres.FromPool(ctx, pool, opts)
			default:
				db, dbErr := sql.Open("pgx", dsn)
				if dbErr != nil {
					t.Fatal(dbErr)
				}
				t.Cleanup(func() { db.Close() })
				st, err = postgres.New(ctx, db, opts)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { st.Close() })
			if _, err := st.DB().Exec(`CREATE TABLE customers (user_id TEXT REFERENCES usher_users (id), company TEXT)`); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				end    string
				user   bool // the user is created
				stored int  // rows of the hook
			}{{"", true, 1}, {"commit", true, 1}, {"roll back", true, 0}, {"refuse", false, 0}, {"fail", false, 0}} {
				end = c.end
				id := "u-" + strings.ReplaceAll(c.end, " ", "-")
				creation := userNamed(id)
				creation.Fields = store.Fields{"company": "ACME"}
				_, err := st.CreateUser(ctx, creation)
				var rejection *store.Rejection
				if (err == nil) != c.user || errors.As(err, &rejection) != (c.end == "refuse") {
					t.Errorf("%q: %v", c.end, err)
				}
				var users, stored int
				err = st.DB().QueryRow(`SELECT (SELECT count(*) FROM usher_users WHERE id = $1), (SELECT count(*) FROM customers WHERE user_id = $1 AND company = 'ACME')`, id).Scan(&users, &stored)
				if err != nil || (users == 1) != c.user || stored != c.stored {
					t.Errorf("%q: %d users, %d rows of the hook, %v", c.end, users, stored, err)
				}
			}
		})
	}
	both := postgres.Options{
		PgxHook: func(context.Context, pgx.Tx, sqlstore.Change) error { return nil },
		Hook:    func(context.Context, *sql.Tx, sqlstore.Change) error { return nil },
	}
	if _, err := postgres.Open(t.Context(), pgtest.Schema(t), both); err == nil || !strings.Contains(err.Error(), "PgxHook") {
		t.Errorf("both hooks: %v", err)
	}
}
