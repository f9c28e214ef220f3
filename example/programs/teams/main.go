// Command teams has a table of its own on Postgres. A sign-up gives the name of a team, and the
// user and the row of the team are stored in one transaction or not at all.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store/postgres"
	"github.com/usherkit/usher/store/sqlstore"
	"github.com/usherkit/usher/texts"
)

func main() {
	ctx, cfg := context.Background(), config()
	pool := usher.Must(pgxpool.New(ctx, os.Getenv("DATABASE_URL")))
	cfg.Secret, cfg.Mailer = usher.Must(usher.SecretFile("teams.secret")), mail.Dir("mail")
	service := usher.Must(usher.New(ctx, usher.Must(openStore(ctx, pool)), cfg))
	fmt.Fprintln(os.Stderr, handlers.NewServer("localhost:8080", newServer(pool)(service)).ListenAndServe())
}

func config() usher.Config {
	return usher.Config{BaseURL: "http://localhost:8080", SignUpFields: []usher.SignUpField{{Name: "team", Required: true, Autocomplete: "organization"}}}
}

// openStore returns the store of the users in the program's database.
func openStore(ctx context.Context, pool *pgxpool.Pool) (*postgres.Store, error) {
	if _, err := pool.Exec(ctx, `CREATE TABLE IF NOT EXISTS teams (owner text PRIMARY KEY, name text NOT NULL UNIQUE)`); err != nil {
		return nil, err
	}
	return postgres.FromPool(ctx, pool, postgres.Options{PgxHook: changeTeams})
}

// changeTeams runs in the transaction that changes a user.
func changeTeams(ctx context.Context, tx pgx.Tx, c sqlstore.Change) (err error) {
	switch {
	case c.Kind == sqlstore.UserCreated && c.Fields != nil:
		_, err = tx.Exec(ctx, `INSERT INTO teams (owner, name) VALUES ($1, $2)`, c.UserID, c.Fields.Text("team"))
	case c.Kind == sqlstore.UserDeleted:
		_, err = tx.Exec(ctx, `DELETE FROM teams WHERE owner = $1`, c.UserID)
	}
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && pg.Code == "23505" { // unique_violation
		return &usher.Rejection{Code: "team_taken", Field: "team", Message: "There is a team with this name."}
	}
	return err
}

// newServer returns the routes.
func newServer(pool *pgxpool.Pool) func(*usher.Service) http.Handler {
	return func(service *usher.Service) http.Handler {
		labels := texts.Catalogue{Texts: map[string]map[string]string{"en": {"own.field.team": "Team"}}}
		h := usher.Must(handlers.New(service, handlers.Config{Pages: &pages.Config{Home: "/team"}, Texts: labels}))
		mux := http.NewServeMux()
		mux.Handle("/auth/", h)
		mux.Handle("GET /team", h.RequireUser(func(w http.ResponseWriter, r *http.Request, u usher.User) {
			var name string
			if err := pool.QueryRow(r.Context(), `SELECT name FROM teams WHERE owner = $1`, u.ID).Scan(&name); err != nil && !errors.Is(err, pgx.ErrNoRows) {
				h.Fail(w, r, fmt.Errorf("%w: %w", usher.ErrUnavailable, err))
				return
			}
			fmt.Fprintln(w, "Team:", name)
		}))
		return mux
	}
}
