package main

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/usherkit/usher"
	pw "github.com/usherkit/usher/password"
	"github.com/usherkit/usher/sqlite"
)

// cheap is the least that Usher hashes with, where hashing is not what is measured.
var cheap = pw.HasherConfig{Params: pw.Params{Memory: 19456, Time: 2, Threads: 1}}

// hashOnce makes the stored hash that all seeded users share.
func hashOnce(cfg pw.HasherConfig) (string, error) {
	h, err := pw.NewHasher(cfg)
	if err != nil {
		return "", err
	}
	return h.Hash(context.Background(), password)
}

func login(n int) string { return fmt.Sprintf("user-%d@example.com", n) }

// seed makes users, all with one password, without hashing it again.
func seed(store usher.Store, n int, hash string) error {
	now := time.Now().UTC().Truncate(time.Microsecond)
	for i := range n {
		err := store.CreateUser(context.Background(), usher.UserCreation{
			User: usher.User{
				ID: fmt.Sprint("user-", i), LoginIDs: []string{login(i)}, Email: login(i), EmailVerified: true,
				Roles: []string{"editor"}, Permissions: []string{"write"}, Status: usher.StatusEnabled, CreatedAt: now, UpdatedAt: now,
			},
			Canonical: []string{login(i)},
			Password:  usher.Password{Hash: hash, State: usher.PasswordActive, Version: 1, ChangedAt: now},
		})
		if err != nil {
			return fmt.Errorf("user %d: %w", i, err)
		}
	}
	return nil
}

func (s *suite) openSQLite(name string) (*sqlite.Store, error) {
	return sqlite.Open(filepath.Join(s.dir, name), sqlite.Options{})
}

func signInBody(n int) string {
	return `{"loginId":"` + login(n) + `","password":"` + password + `"}`
}

// cpuTime is what this process has used of the cores so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // the call cannot fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
