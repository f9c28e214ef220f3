package postgres_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/ushertest"
)

// The statement of docs/users.md makes lines of a table of another program, and its users sign in
// with their passwords.
func TestTheStatementOfTheGuideMakesLines(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/users.md")
	if err != nil {
		t.Fatal(err)
	}
	statement := regexp.MustCompile("(?s)<!-- lines of a table -->\n```sql\n(.*?)```").FindSubmatch(guide)
	if statement == nil {
		t.Fatal("the guide has no statement")
	}
	conn, err := pgx.Connect(t.Context(), pgtest.Schema(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	hash, err := bcrypt.GenerateFromPassword([]byte("allmine"), 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		`CREATE TABLE users (email text, confirmed boolean, password text)`,
		`INSERT INTO users VALUES ('ann@example.com', true, '` + string(hash) + `'), ('bob@example.com', false, '')`,
	} {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := conn.Query(t.Context(), strings.TrimSuffix(strings.TrimSpace(string(statement[1])), ";"))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (line string, err error) {
		raw := row.RawValues()[0]
		return string(raw), nil
	})
	if err != nil || len(lines) != 1 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	app := ushertest.New(t, ushertest.Config{})
	result, err := app.Service.Operator("test").Import(t.Context(), usher.ImportParams{
		Users: strings.NewReader(strings.Join(lines, "\n")), OnFailure: func(f usher.ImportFailure) { t.Error(f) },
	})
	if err != nil || result.Imported != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	got, err := app.Service.SignIn(t.Context(), usher.SignInParams{LoginID: "ann@example.com", Password: "allmine"}, usher.Client{})
	if err != nil || !got.Authentication.User.EmailVerified {
		t.Errorf("the sign-in: %v", err)
	}
}
