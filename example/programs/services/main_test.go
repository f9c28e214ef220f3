package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/ushertest"
)

// Reports serves the users of accounts and refuses a user who has signed out, also after a restart
// while accounts is down.
func TestReportsOutlivesAccounts(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{Program: newAccounts})
	accounts := httptest.NewServer(app.Handler())
	cfg := middleware.RemoteConfig{
		Issuer: app.URL, KeysURL: accounts.URL + "/auth/keys", RevocationsURL: accounts.URL + "/auth/revocations",
		KeysFile: filepath.Join(t.TempDir(), "keys"), InsecureLoopback: true,
	}
	start := func() http.Handler {
		t.Helper()
		h, err := newReports(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	request := app.Request("ann@example.com", "GET", "/report", nil)
	reports := start()
	wait(t, "serve the user", func() bool { return status(reports, request) == http.StatusOK })

	claims, err := app.Service.ValidateSession(t.Context(), usher.Secret(request.Header.Get("Authorization")[len("Bearer "):]))
	if err != nil {
		t.Fatal(err)
	}
	other := app.Request("bob@example.com", "GET", "/report", nil)
	if err := app.Service.SignOut(t.Context(), claims, usher.Client{}); err != nil {
		t.Fatal(err)
	}
	wait(t, "refuse the user who has signed out", func() bool { return status(reports, request) == http.StatusUnauthorized })
	wait(t, "keep the list of revocations", func() bool {
		list, err := os.ReadFile(cfg.KeysFile + ".revocations")
		return err == nil && strings.Contains(string(list), claims.SessionID)
	})

	accounts.Close()
	reports = start()
	if valid, ended := status(reports, other), status(reports, request); valid != http.StatusOK || ended != http.StatusUnauthorized {
		t.Errorf("after a restart while accounts is down: %d for a valid session, %d for one that has ended", valid, ended)
	}
}

func TestAttacks(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{Program: newAccounts})
	app.Attack(ushertest.Routes{Protected: []string{"GET /whoami"}})
}

func status(h http.Handler, r *http.Request) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// wait waits until the condition holds: Reports fetches every second.
func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("reports does not %s within 10 seconds", what)
		}
	}
}
