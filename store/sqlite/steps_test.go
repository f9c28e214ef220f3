package sqlite_test

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
)

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

// reset is what a reset does to such a user.
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
		RehashFrom: "hash-1", RehashTo: "hash-1b", Max: 1, RevokedUntil: now.Add(time.Hour),
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
