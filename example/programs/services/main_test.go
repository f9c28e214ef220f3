package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/ushertest"
)

// Reports serves the users of accounts and refuses a user who has signed out. After a restart while
// accounts is down, it answers 503, or serves if it follows no revocations.
func TestReportsOutlivesAccounts(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{Program: newAccounts})
	accounts := httptest.NewServer(app.Handler())
	cfg := middleware.RemoteConfig{
		Issuer: app.URL, KeysURL: accounts.URL + "/auth/keys", RevocationsURL: accounts.URL + "/auth/revocations",
		KeysFile: filepath.Join(t.TempDir(), "keys"), InsecureLoopback: true,
	}
	start := func() (http.Handler, context.CancelFunc) {
		t.Helper()
		ctx, stop := context.WithCancel(t.Context())
		h, err := newReports(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return h, stop
	}
	request := app.Request("ann@example.com", "GET", "/report", nil)
	reports, stop := start()
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
	stop()

	accounts.Close()
	reports, stop = start()
	if got := status(reports, other); got != http.StatusServiceUnavailable {
		t.Errorf("without the list of revocations: %d", got)
	}
	stop()

	cfg.RevocationsURL = "" // its list is not kept in a file
	reports, stop = start()
	defer stop()
	wait(t, "serve while accounts is down", func() bool { return status(reports, other) == http.StatusOK })
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
