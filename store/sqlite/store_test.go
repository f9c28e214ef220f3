package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

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
		`ALTER TABLE usher_sessions DROP COLUMN tenant`,
		`DROP TABLE usher_password_settings`,
		`DROP INDEX usher_events_sign_ins`,
		`ALTER TABLE usher_sessions DROP COLUMN ends_with_browser`,
		`ALTER TABLE usher_one_time_tokens DROP COLUMN code_hash`,
		`ALTER TABLE usher_users DROP COLUMN password_unproven_at`,
		`DROP TABLE usher_invitations`,
		`DROP TRIGGER usher_copy_roles_insert`, `DROP TRIGGER usher_copy_roles_update`, `DROP TRIGGER usher_copy_roles_delete`,
		`DROP TABLE usher_user_roles`,
		`DROP INDEX usher_users_created`, `DROP INDEX usher_users_status`, `DROP INDEX usher_users_email`, `DROP INDEX usher_users_name`,
		`ALTER TABLE usher_users DROP COLUMN language`,
		`ALTER TABLE usher_events DROP COLUMN actor`,
		`ALTER TABLE usher_sessions DROP COLUMN refresh_others`,
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

// During an update an instance of the version before exchanges refresh tokens in the same
// database. It writes all columns but refresh_others, whose content is then void.
func TestSE12_AnInstanceOfTheVersionBeforeMayExchangeToo(t *testing.T) {
	ctx, s := context.Background(), openNew(t)
	must(t, errOf(s.CreateUser(ctx, creation("u"))))
	swap := func(presented, next string, after time.Duration) store.RefreshResult {
		t.Helper()
		in := refresh("u-s1", next)
		in.Presented, in.Again, in.Now = digest(presented), digest(next+" again"), in.Now.Add(after)
		in.Swapped, in.Reused = store.Effects{}, store.Effects{}
		r, err := s.SwapRefresh(ctx, in)
		must(t, err)
		return r
	}
	swap("u-s1", "lost", 0)
	if r := swap("u-s1", "lost", time.Minute); len(r.Session.Refresh.Siblings) != 1 {
		t.Fatalf("the state is %+v", r.Session.Refresh)
	}
	_, err := s.DB().Exec(`UPDATE usher_sessions SET refresh_hash = ?, previous_hash = ?, rotated_at = ? WHERE id = 'u-s1'`,
		digest("old version"), digest("lost again"), now.Add(2*time.Minute).UnixMicro())
	must(t, err)
	if r := swap("lost again", "", 65*time.Second); r.Outcome != store.RefreshReplayed {
		t.Fatalf("the token that the earlier version exchanged: outcome %d", r.Outcome)
	}
	if r := swap("old version", "new", 2*time.Minute); r.Outcome != store.RefreshSwapped || len(r.Session.Refresh.Siblings) != 0 {
		t.Fatalf("the token of the earlier version: %+v", r)
	}
	if r := swap("lost", "x", 2*time.Minute); r.Outcome != store.RefreshReused {
		t.Fatalf("a child from before: outcome %d", r.Outcome)
	}
}
