package main

import (
	_ "embed"
	"errors"
	"html/template"
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
)

//go:embed pages.html
var pagesHTML string

var templates = template.Must(template.New("pages").Parse(pagesHTML))

// home shows the start page. It requires no session.
func home(w http.ResponseWriter, _ *http.Request) { show(w, "home", nil) }

// dashboard shows the user's data. It requires a signed-in user.
func (a *app) dashboard(w http.ResponseWriter, r *http.Request) {
	claims, _ := middleware.Claims(r.Context())
	user, err := a.service.Operator("example").User(r.Context(), claims.Subject)
	switch {
	case errors.Is(err, usher.ErrNotFound):
		http.Error(w, "This account is gone.", http.StatusGone)
	case err != nil:
		http.Error(w, "Try again in a moment.", http.StatusServiceUnavailable)
	default:
		show(w, "dashboard", map[string]any{"User": user, "Claims": claims})
	}
}

func show(w http.ResponseWriter, page string, data any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	templates.ExecuteTemplate(w, page, data)
}
