package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/usherkit/usher/internal/sqltrace"
	"github.com/usherkit/usher/store/sqlstore"
)

// SQLite has no round trips. Statements are counted instead.
func TestEN08_AResetMakesTheSameRoundTripsForEveryLoginID(t *testing.T) {
	r := &sqltrace.Recorder{Begin: "BEGIN", Connector: connector{"file:" + filepath.Join(t.TempDir(), "usher.db") +
		"?_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_txlock=immediate"}}
	db := r.OpenDB()
	t.Cleanup(func() { db.Close() })
	st, err := sqlstore.New(t.Context(), db, sqlstore.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	sqltrace.ResetRoundTrips(t, st, func() int { return len(r.Take()) })
}
