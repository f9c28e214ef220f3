package sqlite_test

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/usherkit/usher"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func digest(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

func newSession(id, userID string) *usher.Session {
	return &usher.Session{
		ID: id, UserID: userID, Kind: usher.SessionFull, CreatedAt: now, LastSeenAt: now,
		IdleExpiresAt: now.Add(time.Hour), ExpiresAt: now.Add(24 * time.Hour),
		AMR: []string{"pwd"}, RefreshHash: digest(id), RotatedAt: now,
	}
}

func newToken(id, userID string, purpose usher.Purpose) *usher.OneTimeToken {
	return &usher.OneTimeToken{
		Hash: digest(id), UserID: userID, Purpose: purpose, Email: userID + "@example.test",
		NewEmail: "new-" + userID + "@example.test", PasswordVersion: 1, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

func effects(id string) usher.Effects {
	return usher.Effects{
		Events: []usher.Event{{ID: id, At: now, Name: usher.EventSignIn}},
		Mail:   []usher.QueuedMail{{ID: id, Sealed: []byte(id), CreatedAt: now, NotBefore: now}},
	}
}

// creation is a sign-up with a session and a token to reset the password.
func creation(id string) usher.UserCreation {
	return usher.UserCreation{
		User: usher.User{
			ID: id, LoginIDs: []string{id + "@example.test", id}, Email: id + "@example.test",
			Status: usher.StatusEnabled, CreatedAt: now, UpdatedAt: now,
		},
		Canonical: []string{id + "@example.test", id},
		Password:  usher.Password{Hash: "hash-1", State: usher.PasswordActive, Version: 1, ChangedAt: now},
		Session:   newSession(id+"-s1", id),
		Token:     newToken(id+"-reset", id, usher.PurposeReset),
		Effects:   effects("up-" + id),
	}
}

// reset is what a reset does to such a user.
func reset(id string) (usher.TokenSpend, usher.PasswordChange) {
	return spending(id+"-reset", usher.PurposeReset), usher.PasswordChange{
		UserID: id, IfVersion: 1, Hash: "hash-2", State: usher.PasswordActive, At: now, RequireEnabled: true,
		KeepEarlier: 3, End: &usher.SessionEnd{RevokedUntil: now.Add(time.Hour)}, DropTokens: true,
		ClearLimits: []string{"k"}, Effects: effects("re-" + id),
	}
}

func spending(id string, purpose usher.Purpose) usher.TokenSpend {
	return usher.TokenSpend{Hash: digest(id), Purposes: []usher.Purpose{purpose}, Now: now}
}

func signIn(id string, n int) usher.SessionStart {
	return usher.SessionStart{
		Session: *newSession(fmt.Sprintf("%s-in%d", id, n), id), IfPasswordVersion: 1,
		RehashFrom: "hash-1", RehashTo: "hash-1b", Max: 1, RevokedUntil: now.Add(time.Hour),
		ClearLimits: []string{"k"}, GiveBack: []string{"l"}, Effects: effects(fmt.Sprintf("in-%s-%d", id, n)),
	}
}

func refresh(sessionID, next string) usher.RefreshSwap {
	return usher.RefreshSwap{
		SessionID: sessionID, Presented: digest(sessionID), Next: digest(next), Now: now.Add(time.Minute),
		Idle: time.Hour, Grace: 10 * time.Second, RevokedUntil: now.Add(time.Hour),
		Swapped: effects("swapped-" + next), Reused: effects("reused-" + next),
	}
}
