package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
)

// A database of an earlier version has its users still, and gets what is new.
func TestOpenBringsAnEarlierDatabaseUpToDate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.db")
	s := open(t, path)
	must(t, s.CreateUser(context.Background(), creation("u")))
	must(t, s.Close())
	db, err := sql.Open("sqlite", "file:"+path)
	must(t, err)
	for _, back := range []string{
		`ALTER TABLE usher_users DROP COLUMN language`,
		`ALTER TABLE usher_events DROP COLUMN actor`,
		`DELETE FROM usher_migrations WHERE version > 1`,
	} {
		_, err := db.Exec(back)
		must(t, err)
	}
	must(t, db.Close())
	a, err := open(t, path).Account(context.Background(), "u")
	must(t, err)
	if a.User.Email != "u@example.test" || a.User.Language != "" {
		t.Errorf("the user is %+v", a.User)
	}
}
