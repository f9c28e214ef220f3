package sqlite_test

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlite"
)

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openNew(t testing.TB) *sqlite.Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "usher.db"))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func digest(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

func newSession(id, userID string) *store.SessionRecord {
	return &store.SessionRecord{
		Session: store.Session{
			ID: id, UserID: userID, Kind: store.SessionFull, CreatedAt: now, LastSeenAt: now,
			IdleExpiresAt: now.Add(time.Hour), ExpiresAt: now.Add(24 * time.Hour), AMR: []string{"pwd"},
		},
		Refresh: store.RefreshState{Current: digest(id), RotatedAt: now},
	}
}

func newToken(id, userID string, purpose store.Purpose) *store.OneTimeToken {
	return &store.OneTimeToken{
		Hash: digest(id), UserID: userID, Purpose: purpose, Email: userID + "@example.test",
		NewEmail: "new-" + userID + "@example.test", PasswordVersion: 1, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

func effects(id string) store.Effects {
	return store.Effects{
		Events: []store.Event{{ID: id, At: now, Name: store.EventSignIn}},
		Emails: []store.QueuedEmail{{ID: id, Sealed: []byte(id), CreatedAt: now, NotBefore: now}},
	}
}

// creation is a sign-up with a session and a token to reset the password.
func creation(id string) store.UserCreation {
	return store.UserCreation{
		User: store.User{
			ID: id, LoginIDs: []string{id + "@example.test", id}, Email: id + "@example.test",
			Status: store.StatusEnabled, CreatedAt: now, UpdatedAt: now,
		},
		Canonical: []string{id + "@example.test", id},
		Password:  store.Password{Hash: "hash-1", State: store.PasswordActive, Version: 1, ChangedAt: now},
		Session:   newSession(id+"-s1", id),
		Token:     newToken(id+"-reset", id, store.PurposeReset),
		Effects:   effects("up-" + id),
	}
}

// invitation is an invitation of that address.
func invitation(email string) store.Invitation {
	return store.Invitation{ID: "i-" + email, Email: email, Canonical: email, Hash: digest(email), Roles: []string{"r"}, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
}

// reset is the reset of the password of such a user.
func reset(id string) (store.TokenSpend, store.PasswordChange) {
	return spending(id+"-reset", store.PurposeReset), store.PasswordChange{
		UserID: id, IfVersion: 1, Hash: "hash-2", State: store.PasswordActive, At: now, RequireEnabled: true,
		KeepEarlier: 3, End: &store.SessionEnd{RevokedUntil: now.Add(time.Hour)}, DropTokens: true,
		ClearLimits: []string{"k"}, Effects: effects("re-" + id),
	}
}

func spending(id string, purpose store.Purpose) store.TokenSpend {
	return store.TokenSpend{Hash: digest(id), Purposes: []store.Purpose{purpose}, Now: now}
}

func signIn(id string, n int) store.SessionStart {
	return store.SessionStart{
		Session: *newSession(fmt.Sprintf("%s-in%d", id, n), id), IfPasswordVersion: 1,
		RehashFrom: "hash-1", RehashTo: "hash-1b", Max: 1, End: store.SessionEnd{RevokedUntil: now.Add(time.Hour)},
		ClearLimits: []string{"k"}, ReleaseLimits: []string{"l"}, Effects: effects(fmt.Sprintf("in-%s-%d", id, n)),
	}
}

func refresh(sessionID, next string) store.RefreshSwap {
	return store.RefreshSwap{
		SessionID: sessionID, Presented: digest(sessionID), Next: digest(next), Now: now.Add(time.Minute),
		Idle: time.Hour, Grace: 10 * time.Second, RevokedUntil: now.Add(time.Hour),
		Swapped: effects("swapped-" + next), Reused: effects("reused-" + next),
	}
}

// dump returns the content of all tables.
func dump(t *testing.T, db *sql.DB) string {
	t.Helper()
	var out strings.Builder
	for _, table := range column(t, db, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`) {
		rows, err := db.Query(`SELECT * FROM "` + table + `" ORDER BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			row := make([]any, len(columns))
			for i := range row {
				row[i] = &row[i]
			}
			if err := rows.Scan(row...); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "%s %q\n", table, row)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// column returns the rows of a query with one text column.
func column(t *testing.T, db *sql.DB, query string, args ...any) (out []string) {
	t.Helper()
	rows, err := db.Query(query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
