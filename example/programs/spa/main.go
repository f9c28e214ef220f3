// Command spa is the API of a single-page app whose pages come from another origin of the same
// site: app.example.com calls api.example.com, and the browser keeps the session in a cookie
// of the API.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/store/sqlite"
)

// The origins of the pages and of the API.
var app, api = cmp.Or(os.Getenv("APP"), "https://app.example.com"), cmp.Or(os.Getenv("API"), "https://api.example.com")

func config() usher.Config {
	return usher.Config{BaseURL: api, Links: usher.Links{ResetPassword: app + "/reset", VerifyEmail: app + "/verify"}}
}

func main() {
	ctx, cfg := context.Background(), config()
	cfg.Secret, cfg.Mailer = usher.Must(usher.SecretFile("spa.secret")), mail.Dir("mail")
	service := usher.Must(usher.New(ctx, usher.Must(sqlite.Open(ctx, "spa.db")), cfg))
	fmt.Fprintln(os.Stderr, handlers.NewServer("localhost:8080", newServer(service)).ListenAndServe())
}

// newServer returns the routes.
func newServer(service *usher.Service) http.Handler {
	jar := usher.Must(cookies.New(cookies.Config{Secret: service.CookieSecrets()[0], InsecureLoopback: strings.HasPrefix(api, "http:")}))
	h := usher.Must(handlers.New(service, handlers.Config{Path: "/auth", Cookies: jar, TrustedOrigins: []string{app}}))
	mux := http.NewServeMux()
	mux.Handle("/auth/", h)
	mux.Handle("/profile", h.CORS(h.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"user": middleware.Subject(r.Context())})
	})))
	return mux
}
