package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/storetest"
)

func TestST04_SQLiteKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openNew(t) })
}

func TestST01_UniquenessIsAConstraintOfTheDatabase(t *testing.T) {
	s := openNew(t)
	must(t, errOf(s.CreateUser(context.Background(), creation("u"))))
	_, err := s.DB().Exec(`INSERT INTO usher_login_ids (canonical, user_id, position) VALUES ('u@example.test', 'u', 7)`)
	var coded interface{ Code() int }
	if !errors.As(err, &coded) || coded.Code() != 1555 { // SQLITE_CONSTRAINT_PRIMARYKEY
		t.Fatalf("a second row for a login id: got %v", err)
	}
}

// Opening a database of an earlier version keeps its users and runs new migrations.
func TestOpenBringsAnEarlierDatabaseUpToDate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.db")
	s := open(t, path)
	must(t, errOf(s.CreateUser(context.Background(), creation("u"))))
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

// errOf returns the error of a call that also returns a value.
func errOf[T any](_ T, err error) error { return err }
