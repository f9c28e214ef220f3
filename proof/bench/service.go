package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlite"
)

const (
	secret       = usher.Secret("a secret for measurements, 32 bytes")
	userPassword = "vast otter sings low"
)

// cheapHashing is the least costly hash that Usher accepts. It is used where hashing
// is not what is measured.
var cheapHashing = password.HasherConfig{Params: password.Params{Memory: 19456, Time: 2, Threads: 1}}

func login(n int) string { return fmt.Sprintf("user-%d@example.com", n) }

func signInBody(n int) string {
	return `{"loginId":"` + login(n) + `","password":"` + userPassword + `"}`
}

// addUsers creates users who share one password, which is hashed once.
func addUsers(st store.Store, n int, hashing password.HasherConfig) error {
	if n == 0 {
		return nil
	}
	hasher, err := password.NewHasher(hashing)
	if err != nil {
		return err
	}
	hash, err := hasher.Hash(context.Background(), userPassword)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	for i := range n {
		_, err := st.CreateUser(context.Background(), store.UserCreation{
			User: usher.User{
				ID: fmt.Sprint("user-", i), LoginIDs: []string{login(i)}, Email: login(i), EmailVerified: true,
				Roles: []string{"editor"}, Permissions: []string{"write"}, Status: usher.StatusEnabled, CreatedAt: now, UpdatedAt: now,
			},
			Canonical: []string{login(i)},
			Password:  store.Password{Hash: hash, State: store.PasswordActive, Version: 1, ChangedAt: now},
		})
		if err != nil {
			return fmt.Errorf("user %d: %w", i, err)
		}
	}
	return nil
}

func (s *suite) openSQLite(name string) (*sqlite.Store, error) {
	return sqlite.Open(s.ctx, filepath.Join(s.dir, name))
}

// newService returns a service on a store with n users.
func newService(store store.Store, n int, cfg usher.Config) (*usher.Service, error) {
	if err := addUsers(store, n, cfg.Hashing); err != nil {
		return nil, err
	}
	cfg.Secret, cfg.Logger = secret, quiet
	if cfg.BaseURL == "" {
		cfg.BaseURL = issuerURL
	}
	cfg.Mailer = usher.MailerFunc(func(context.Context, usher.Message) error { return nil })
	// All clients have one address, and a refused sign-in is repeated.
	cfg.Limits.NetworkAttempts, cfg.Limits.NetworkFailures, cfg.Limits.FreeFailures = 1_000_000, 1_000_000, 100
	return usher.New(context.Background(), store, cfg)
}

// newHandlers returns the routes for browsers.
func newHandlers(service *usher.Service, insecureLoopback bool) (*handlers.Handlers, error) {
	jar, err := cookies.New(cookies.Config{Secret: secret, InsecureLoopback: insecureLoopback, Logger: quiet})
	if err != nil {
		return nil, err
	}
	return handlers.New(service, handlers.Config{Cookies: jar, Logger: quiet, Timeout: time.Minute})
}
