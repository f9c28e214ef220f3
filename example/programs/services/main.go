// Command services is two programs: "services accounts" signs users in, and "services reports"
// validates the same sessions by the keys of the first. Reports goes on while accounts is
// down, also if it restarts in that time: it has the keys and the list of revocations from files.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store/sqlite"
)

const issuer = "http://localhost:8080"

func main() {
	ctx := context.Background()
	if len(os.Args) == 2 && os.Args[1] == "reports" {
		remote := middleware.RemoteConfig{Issuer: issuer, RevocationsURL: issuer + "/auth/revocations", KeysFile: "reports.keys", InsecureLoopback: true}
		serve("localhost:8081", usher.Must(newReports(ctx, remote)))
		return
	}
	service := usher.Must(usher.New(ctx, usher.Must(sqlite.Open(ctx, "accounts.db")), usher.Config{
		BaseURL: issuer, Secret: usher.Must(usher.SecretFile("accounts.secret")), Mailer: mail.Dir("mail"),
	}))
	serve("localhost:8080", newAccounts(service))
}

func serve(addr string, h http.Handler) {
	fmt.Fprintln(os.Stderr, handlers.NewServer(addr, h).ListenAndServe())
}

// newAccounts returns the routes of the program that signs users in: pages with cookies, and
// /api/auth with tokens for clients of both programs.
func newAccounts(service *usher.Service) http.Handler {
	h := usher.Must(handlers.New(service, handlers.Config{Pages: &pages.Config{}}))
	mux := http.NewServeMux()
	mux.Handle("/auth/", h)
	mux.Handle("/api/auth/", usher.Must(handlers.New(service, handlers.Config{Path: "/api/auth"})))
	mux.Handle("GET /whoami", h.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "signed in as", middleware.Subject(r.Context()))
	}))
	return mux
}

// newReports returns the routes of the program that has no users.
func newReports(ctx context.Context, cfg middleware.RemoteConfig) (http.Handler, error) {
	remote, err := middleware.OpenRemote(ctx, cfg)
	if err != nil {
		return nil, err
	}
	m, err := middleware.New(middleware.Config{Validator: remote})
	mux := http.NewServeMux()
	mux.Handle("GET /report", m.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "report for", middleware.Subject(r.Context()))
	}))
	return mux, err
}
