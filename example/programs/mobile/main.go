// Command mobile is the API of a mobile app, on chi. The app keeps the tokens; emailed links
// open the app by https links, which the app has claimed.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/go-chi/chi/v5"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/store/sqlite"
)

// config is the configuration of the Service, also in the tests.
func config() usher.Config {
	return usher.Config{
		Name: "Notes", BaseURL: "https://api.notes.example",
		Links: usher.Links{ResetPassword: "https://api.notes.example/app/reset", VerifyEmail: "https://api.notes.example/app/verify"},
	}
}

func main() {
	ctx, cfg := context.Background(), config()
	cfg.Secret, cfg.Mailer = usher.Must(usher.SecretFile("notes.secret")), mail.Dir("mail")
	service := usher.Must(usher.New(ctx, usher.Must(sqlite.Open(ctx, "notes.db")), cfg))
	fmt.Fprintln(os.Stderr, handlers.NewServer("localhost:8080", newServer(service)).ListenAndServe())
}

// newServer returns the routes.
func newServer(service *usher.Service) http.Handler {
	h := usher.Must(handlers.New(service, handlers.Config{Path: "/auth"}))
	var notes notes
	router := chi.NewRouter()
	router.Mount("/auth", h)
	router.Get("/app/*", openApp)
	router.Group(func(r chi.Router) {
		r.Use(h.Require)
		r.Get("/notes", notes.list)
		r.Post("/notes", notes.add)
	})
	return router
}

// openApp is what a browser shows that has no app for an emailed link.
func openApp(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Referrer-Policy", "no-referrer")
	fmt.Fprintln(w, "Open this link on the phone that has the app, or type the code of the email into the app.")
}

// notes are the notes of each user.
type notes struct{ byUser sync.Map }

func (n *notes) list(w http.ResponseWriter, r *http.Request) {
	text, _ := n.byUser.Load(middleware.Subject(r.Context()))
	json.NewEncoder(w).Encode(map[string]any{"note": text})
}

func (n *notes) add(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4096))
	if err != nil {
		http.Error(w, "the note is longer than 4096 bytes", http.StatusRequestEntityTooLarge)
		return
	}
	n.byUser.Store(middleware.Subject(r.Context()), string(text))
}
