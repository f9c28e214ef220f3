package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
	"github.com/usherkit/usher/store/sqlstore"
)

func userNamed(id string) store.UserCreation {
	now := time.Now()
	return store.UserCreation{
		User:      store.User{ID: id, LoginIDs: []string{id}, Status: store.StatusEnabled, CreatedAt: now, UpdatedAt: now},
		Canonical: []string{id}, Password: store.Password{Hash: "h", State: store.PasswordActive, Version: 1, ChangedAt: now},
	}
}

// A statement that is sent with COMMIT can fail. Then nothing of its transaction is
// stored, and the connection serves the next caller.
func TestST09_AStatementThatFailsWithTheCommitLeavesNoTrace(t *testing.T) {
	st, err := postgres.Open(t.Context(), pgtest.Schema(t), postgres.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	mail := store.QueuedEmail{ID: "m", CreatedAt: time.Now(), NotBefore: time.Now()}
	if err := st.Record(t.Context(), store.Effects{Emails: []store.QueuedEmail{mail}}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		c := userNamed(id)
		c.Events = []store.Event{{ID: id, At: time.Now(), Name: store.EventUserCreated}}
		c.Emails = []store.QueuedEmail{mail}
		if _, err := st.CreateUser(t.Context(), c); err == nil {
			t.Fatal("an email with the id of another one was stored")
		}
		if _, err := st.Account(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("the user of a transaction that failed: %v", err)
		}
	}
	page, err := st.Events(t.Context(), store.EventQuery{})
	if err != nil || len(page.Events) != 0 {
		t.Fatalf("%d events of transactions that failed (%v)", len(page.Events), err)
	}
	if _, err := st.CreateUser(t.Context(), userNamed("a")); err != nil {
		t.Fatal(err)
	}
}

// The statements of a hook run after those of the store that come before it, whatever
// their types and however the hook sends them.
func TestST09_AHookSeesTheStatementsBeforeIt(t *testing.T) {
	calls := 0
	hook := func(ctx context.Context, tx *sql.Tx, c sqlstore.Change) error {
		calls++
		var n int
		var amount string
		var at time.Time
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*), 1.50::numeric, now() FROM usher_sessions WHERE user_id = $1`, c.UserID).Scan(&n, &amount, &at); err != nil {
			return err
		}
		stmt, err := tx.PrepareContext(ctx, `SELECT COUNT(*) FROM usher_users WHERE language = 'fr' AND id = $1`)
		if err != nil {
			return err
		}
		defer stmt.Close()
		var french int
		if err := stmt.QueryRowContext(ctx, c.UserID).Scan(&french); err != nil {
			return err
		}
		if n != 1 || amount != "1.50" || at.IsZero() || french != min(calls-1, 1) {
			t.Errorf("call %d: the hook reads %d sessions, %s, %v, %d French users", calls, n, amount, at, french)
		}
		if calls == 3 {
			return errors.New("refused")
		}
		return nil
	}
	st, err := postgres.Open(t.Context(), pgtest.Schema(t), postgres.Options{MaxConns: 1, Hook: hook})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	now := time.Now()
	session := func(id string) *store.SessionRecord {
		return &store.SessionRecord{Session: store.Session{ID: id, UserID: "u", Kind: store.SessionFull, CreatedAt: now, IdleExpiresAt: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour)}}
	}
	c := userNamed("u")
	c.Session = session("s1")
	if _, err := st.CreateUser(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for version := int64(1); version < 3; version++ {
		_, err := st.ChangePassword(t.Context(), store.PasswordChange{UserID: "u", IfVersion: version, Hash: "h", State: store.PasswordActive, At: now, Language: "fr"})
		if refused := version == 2; (err != nil) != refused {
			t.Fatalf("change %d: %v", version, err)
		}
	}
	a, err := st.Account(t.Context(), "u")
	if err != nil || a.Password.Version != 2 {
		t.Fatalf("version %d after a change that was refused (%v)", a.Password.Version, err)
	}
}

// A program may use the pool of the store in its own way.
func TestST09_ThePoolServesTheProgram(t *testing.T) {
	st := open(t, pgtest.Schema(t))
	tx, err := st.DB().BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelSerializable, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var level, readOnly string
	if err := tx.QueryRow(`SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')`).Scan(&level, &readOnly); err != nil {
		t.Fatal(err)
	}
	if level != "serializable" || readOnly != "on" {
		t.Errorf("the transaction is %s, read only %s", level, readOnly)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // nothing is sent
		if tx, err = st.DB().Begin(); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if tx, err = st.DB().Begin(); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`SELECT 1/0`); err == nil {
		t.Fatal("1/0 is a number")
	}
	if err := tx.Commit(); err == nil {
		t.Error("a transaction that failed was committed")
	}
}
