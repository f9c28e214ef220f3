package postgres_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/store/postgres"
)

// A database or a connection that cannot hold every character is refused at the start,
// with its encoding and what to do.
func TestST08_OnlyUTF8Serves(t *testing.T) {
	ctx := context.Background()
	utf8 := pgtest.Database(t)
	admin, err := sql.Open("pgx", utf8)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for _, encoding := range []string{"LATIN1", "SQL_ASCII", "EUC_JP"} {
		name := "usher_" + strings.ToLower(encoding)
		if _, err := admin.ExecContext(ctx, fmt.Sprintf("CREATE DATABASE %s ENCODING '%s' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0", name, encoding)); err != nil {
			t.Fatal(err)
		}
		other, err := url.Parse(utf8)
		if err != nil {
			t.Fatal(err)
		}
		other.Path = "/" + name
		defer admin.ExecContext(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
		for opening, open := range openers(other.String()) {
			wantOpenError(t, opening+", "+encoding, open, encoding, "ENCODING 'UTF8'", name)
		}
	}
	for _, client := range []string{"LATIN1", "SQL_ASCII"} {
		for opening, open := range openers(pgtest.With(t, utf8, "client_encoding", client)) {
			wantOpenError(t, opening+", client "+client, open, client, "client_encoding")
		}
	}
	for opening, open := range openers(pgtest.With(t, utf8, "client_encoding", "utf-8")) {
		if err := open(); err != nil {
			t.Errorf("%s: %v", opening, err)
		}
	}
}

// Settings of the database that change the text of a value do not matter, also in a query mode
// with results as text, as behind a pooler. The one with which pgx cannot read bytes is refused.
func TestST08_SettingsForTheTextOfValuesDoNotMatter(t *testing.T) {
	t.Parallel()
	base := pgtest.Database(t)
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"cache_statement", "exec"} {
		for setting, value := range map[string]string{"DateStyle": "SQL, DMY", "TimeZone": "Asia/Kathmandu", "bytea_output": "escape"} {
			execute(t, base, fmt.Sprintf("ALTER DATABASE %s SET %s = '%s'", strings.TrimPrefix(u.Path, "/"), setting, value))
			name := mode + ", " + setting
			st, err := postgres.Open(t.Context(), pgtest.With(t, base, "default_query_exec_mode", mode))
			if setting == "bytea_output" && mode == "exec" {
				if err == nil || !strings.Contains(err.Error(), "bytea_output") {
					t.Errorf("%s: %v", name, err)
				}
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if at, err := st.Time(t.Context()); err != nil || time.Since(at).Abs() > time.Minute {
				t.Errorf("%s: the time is %v, %v", name, at, err)
			}
			if st != nil {
				st.Close()
			}
			execute(t, base, fmt.Sprintf("ALTER DATABASE %s RESET ALL", strings.TrimPrefix(u.Path, "/")))
		}
	}
}

// execute runs a statement on a connection of its own.
func execute(t *testing.T, url, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), statement)
	if err := errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// openers returns the ways to open a store in a database.
func openers(url string) map[string]func() error {
	ctx := context.Background()
	return map[string]func() error{
		"Open":    func() error { return closeOpened(postgres.Open(ctx, url)) },
		"Migrate": func() error { return postgres.Migrate(ctx, url) },
		"SkipMigrations": func() error {
			return closeOpened(postgres.Open(ctx, url, postgres.Options{SkipMigrations: true}))
		},
		"New": func() error {
			db, err := sql.Open("pgx", url)
			if err != nil {
				return err
			}
			defer db.Close()
			return closeOpened(postgres.New(ctx, db))
		},
	}
}

func closeOpened(s *postgres.Store, err error) error {
	if err == nil {
		return s.Close()
	}
	return err
}

func wantOpenError(t *testing.T, name string, open func() error, texts ...string) {
	t.Helper()
	err := open()
	if err == nil {
		t.Errorf("%s: opened", name)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error lacks %q: %v", name, text, err)
		}
	}
}

// A URL of another database says what is expected, and repeats no password.
func TestST08_AnotherURLIsRefusedWithWhatToDo(t *testing.T) {
	for _, variable := range []string{"PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE"} {
		t.Setenv(variable, "")
	}
	for url, want := range map[string]string{
		"":                            "the URL is empty",
		"  ":                          "the URL is empty",
		"mysql://user:s3cret@host/db": `"mysql"`,
		"jdbc:postgresql://host/db?password=s3cret": `"jdbc:postgresql"`,
		"https://user:s3cret@host/db":               `"https"`,
		"sqlite:///var/lib/app.db":                  `"sqlite"`,
		`"postgres://user:s3cret@host/db"`:          "quotes",
		"user:s3cret@host/db":                       "postgres://",
	} {
		for name, open := range map[string]func() error{
			"Open": func() error { return closeOpened(postgres.Open(context.Background(), url)) },
			"ListenURL": func() error {
				return closeOpened(postgres.Open(context.Background(), "host=/nonexistent", postgres.Options{ListenURL: url}))
			},
		} {
			if name == "ListenURL" && strings.TrimSpace(url) == "" {
				continue
			}
			err := open()
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "postgres://") {
				t.Errorf("%s(%q): %v", name, url, err)
			}
		}
	}
}

// A connection to another computer without verified TLS logs a warning that names the
// server and what to do, and no password.
func TestCF03_APlaintextConnectionWarns(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the warning comes before the first connection
	for url, want := range map[string]bool{
		"postgres://u:hidden@db.example/app":                                true, // pgx prefers TLS and accepts plain text
		"postgres://u:hidden@db.example/app?sslmode=prefer":                 true,
		"postgres://u:hidden@db.example/app?sslmode=allow":                  true,
		"postgres://u:hidden@db.example/app?sslmode=disable":                true,
		"postgres://u:hidden@db.example/app?sslmode=require":                true, // encrypted for anyone who answers
		"postgres://u:hidden@10.1.2.3/app?sslmode=disable":                  true,
		"postgres://u:hidden@localhost,db.example/app?sslmode=disable":      true,
		"postgres://u:hidden@db.example/app?sslmode=verify-full":            false,
		"postgres://u:hidden@localhost/app?sslmode=disable":                 false,
		"postgres://u:hidden@127.0.0.1,[::1]/app?sslmode=prefer":            false,
		"host=/run/postgresql user=u password=hidden dbname=app":            false,
		"postgres://u:hidden@db.example/app?sslmode=verify-ca":              false,
		"host=db.example user=u password=hidden dbname=app sslmode=disable": true,
	} {
		for where, options := range map[string]postgres.Options{"Open": {}, "ListenURL": {ListenURL: url}} {
			var log bytes.Buffer
			options.Logger = slog.New(slog.NewTextHandler(&log, nil))
			open := url
			if where == "ListenURL" {
				open = "host=/nowhere user=u dbname=app"
			}
			if _, err := postgres.Open(ctx, open, options); err == nil {
				t.Fatal("opened")
			}
			got := log.String()
			if n := strings.Count(got, "sslmode=verify-full"); n > 1 || (n == 1) != want || strings.Contains(got, "hidden") {
				t.Errorf("%s, %s: the log is %q", where, url, got)
			}
		}
	}
}
