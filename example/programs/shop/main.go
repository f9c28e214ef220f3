// Command shop is a server-rendered shop on gorilla/mux. The pages of Usher have its frame and
// its style.
package main

import (
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"os"

	"github.com/gorilla/mux"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store/sqlite"
)

//go:embed auth/*.html shop.html static/*.css
var files embed.FS

func main() {
	ctx := context.Background()
	service := usher.Must(usher.New(ctx, usher.Must(sqlite.Open(ctx, "shop.db")), usher.Config{
		Name: "The Shop", BaseURL: "http://localhost:8080",
		Secret: usher.Must(usher.SecretFile("shop.secret")), Mailer: mail.Dir("mail"),
	}))
	fmt.Fprintln(os.Stderr, handlers.NewServer("localhost:8080", newServer(service)).ListenAndServe())
}

// newServer returns the routes.
func newServer(service *usher.Service) http.Handler {
	look := &pages.Config{
		Home: "/cart", Accent: "#8a3ffc", Templates: usher.Must(fs.Sub(files, "auth")),
		Stylesheets: []pages.Asset{{URL: "/static/shop.css"}},
	}
	h := usher.Must(handlers.New(service, handlers.Config{Pages: look}))
	shop := template.Must(template.ParseFS(files, "shop.html"))
	router := mux.NewRouter()
	router.PathPrefix("/auth/").Handler(h)
	router.HandleFunc("/.well-known/change-password", h.WellKnownChangePassword)
	router.PathPrefix("/static/").Handler(http.FileServerFS(files))
	router.Handle("/", h.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shop.ExecuteTemplate(w, "home", nil)
	})))
	router.Handle("/cart", h.RequireUser(func(w http.ResponseWriter, r *http.Request, user usher.User) {
		shop.ExecuteTemplate(w, "cart", user)
	})).Methods("GET")
	router.Handle("/orders", h.RequireUser(func(w http.ResponseWriter, r *http.Request, user usher.User) {
		http.Redirect(w, r, "/cart", http.StatusSeeOther)
	})).Methods("POST")
	return router
}
