package postgres_test

import (
	"testing"
	"time"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/store"
)

// What is counted reaches the disk with the answer, so that only the answer waits.
func TestOnlyCountersDoNotWaitForTheDisk(t *testing.T) {
	ctx := t.Context()
	s := open(t, pgtest.With(t, pgtest.Schema(t), "synchronous_commit", "on"))
	now := time.Now()
	creation := store.UserCreation{
		User:      store.User{ID: "u", LoginIDs: []string{"u@example.test"}, Status: store.StatusEnabled, CreatedAt: now, UpdatedAt: now},
		Canonical: []string{"u@example.test"},
		Password:  store.Password{Hash: "hash", State: store.PasswordActive, Version: 1, ChangedAt: now},
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.CreateUser(ctx, creation)
	must(err)
	_, err = s.DB().ExecContext(ctx, `
		CREATE TABLE seen (at SERIAL, setting TEXT);
		CREATE FUNCTION note() RETURNS trigger AS $$
		BEGIN
			INSERT INTO seen (setting) VALUES (current_setting('synchronous_commit'));
			RETURN NEW;
		END $$ LANGUAGE plpgsql;
		CREATE TRIGGER note BEFORE UPDATE ON usher_limits FOR EACH ROW EXECUTE FUNCTION note();`)
	must(err)
	last := func() (setting string) {
		t.Helper()
		must(s.DB().QueryRowContext(ctx, `SELECT setting FROM seen ORDER BY at DESC LIMIT 1`).Scan(&setting))
		return setting
	}
	_, err = s.TakeLimits(ctx, now, []store.Limit{{Key: "k", Max: 9}})
	must(err)
	if last() != "off" {
		t.Errorf("a count is committed with synchronous_commit %s", last())
	}
	_, err = s.StartSession(ctx, store.SessionStart{
		Session:     store.SessionRecord{Session: store.Session{ID: "s", UserID: "u", Kind: store.SessionFull, CreatedAt: now, IdleExpiresAt: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour)}},
		ClearLimits: []string{"k"}, IfPasswordVersion: creation.Password.Version,
	})
	must(err)
	if last() != "on" {
		t.Errorf("a session is committed with synchronous_commit %s", last())
	}
}
