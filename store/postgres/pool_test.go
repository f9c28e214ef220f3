package postgres_test

import (
	"context"
	"database/sql"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
)

// works signs up through a store, which proves that it reads and writes.
func works(t *testing.T, store store.Store) {
	t.Helper()
	f := &fleet{t: t, mail: &mailbox{sent: map[string]usher.Message{}}}
	s, err := usher.New(context.Background(), store, usher.Config{Secret: secret, BaseURL: "https://app.example", Mailer: f.mail, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if _, err := s.SignUp(t.Context(), usher.SignUpParams{LoginID: "ann@example.com", Password: goodPassword}, f.client()); err != nil {
		t.Fatal(err)
	}
}

func TestAStoreInAPoolOfOnesOwn(t *testing.T) {
	t.Run("database/sql", func(t *testing.T) {
		db, err := sql.Open("pgx", pgtest.Schema(t))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		store, err := postgres.New(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		works(t, store)
		heard(t, store)
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if err := db.Ping(); err != nil {
			t.Fatalf("Close closed a pool that is not the store's: %v", err)
		}
	})
	t.Run("pgxpool", func(t *testing.T) {
		pool, err := pgxpool.New(t.Context(), pgtest.Schema(t))
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		store, err := postgres.FromPool(t.Context(), pool)
		if err != nil {
			t.Fatal(err)
		}
		works(t, store)
		heard(t, store)
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if err := pool.Ping(t.Context()); err != nil {
			t.Fatalf("Close closed a pool that is not the store's: %v", err)
		}
	})
}

// heard ends a session and fails unless the store notifies of it.
func heard(t *testing.T, st *postgres.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	woken := make(chan struct{}, 10)
	go st.NotifyRevocations(ctx, func() { woken <- struct{}{} })
	a, err := st.AccountByLoginID(ctx, "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	<-woken // the connection listens
	if _, err := st.EndUserSessions(ctx, a.User.ID, store.SessionEnd{RevokedUntil: time.Now().Add(time.Minute)}, store.Effects{}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-woken:
	case <-ctx.Done():
		t.Fatal("there was no notification")
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	db, err := sql.Open("pgx", pgtest.Schema(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, open := range map[string]func() (*postgres.Store, error){
		"no database": func() (*postgres.Store, error) { return postgres.New(t.Context(), nil) },
		"no pool":     func() (*postgres.Store, error) { return postgres.FromPool(t.Context(), nil) },
		"MaxConns":    func() (*postgres.Store, error) { return postgres.New(t.Context(), db, postgres.Options{MaxConns: 3}) },
		"ListenURL": func() (*postgres.Store, error) {
			return postgres.New(t.Context(), db, postgres.Options{ListenURL: "host=x port=y"})
		},
	} {
		if s, err := open(); err == nil {
			s.Close()
			t.Errorf("%s: was opened", name)
		}
	}
}

// The role that serves owns nothing and may create nothing.
func TestARoleThatOwnsNothingServes(t *testing.T) {
	owner := pgtest.Database(t)
	if err := postgres.Migrate(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", owner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	const role = "usher test: serving" // a name that must be quoted
	run := func(statement string) {
		t.Helper()
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	run(`DROP ROLE IF EXISTS "` + role + `"`)
	run(`REVOKE ALL ON SCHEMA public FROM PUBLIC; CREATE ROLE "` + role + `" LOGIN`)
	run(postgres.Grants("public", role))
	t.Cleanup(func() { run(`DROP OWNED BY "` + role + `"; DROP ROLE "` + role + `"`) })

	serving := pgtest.With(t, owner, "user", role)
	if s, err := postgres.Open(t.Context(), serving); err == nil {
		s.Close()
		t.Fatal("the role may create tables")
	}
	expired := store.Expiry{Now: time.Now().Add(400 * 24 * time.Hour), EventsBefore: time.Now().Add(time.Hour), Max: 1000}
	store, err := postgres.Open(t.Context(), serving, postgres.Options{SkipMigrations: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	works(t, store)
	heard(t, store)
	if n, err := store.DeleteExpired(t.Context(), expired); err != nil || n == 0 {
		t.Fatalf("%d expired rows went (%v)", n, err)
	}
	for _, forbidden := range []string{
		"CREATE TABLE mine (x int)", "DROP TABLE usher_users", "ALTER TABLE usher_users ADD mine int",
		"TRUNCATE usher_sessions", "SELECT * FROM usher_migrations",
	} {
		if _, err := store.DB().Exec(forbidden); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v", forbidden, err)
		}
	}
}

// A migration adds a table that the grants forget: this fails then.
func TestGrantsNameEveryTable(t *testing.T) {
	store := open(t, pgtest.Schema(t))
	grants := postgres.Grants("s", "r")
	for _, table := range lines(t, store.DB(), `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()`) {
		if table != "usher_migrations" && !strings.Contains(grants, `"s"."`+table+`"`) && !strings.Contains(grants, `"s".`+table) {
			t.Errorf("the grants do not name %s", table)
		}
	}
}

func TestOpenRepeatsNoPassword(t *testing.T) {
	u, err := url.Parse(pgtest.Schema(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/there-is-none"
	q := u.Query()
	q.Set("password", "s3cret")
	u.RawQuery = q.Encode()
	s, err := postgres.Open(t.Context(), u.String())
	if err == nil {
		s.Close()
		t.Fatal("a database that does not exist was opened")
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error has the password: %v", err)
	}
}
