package main

import (
	_ "embed"
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

// dashboard shows the user's data.
func dashboard(w http.ResponseWriter, r *http.Request, user usher.User) {
	claims, _ := middleware.Claims(r.Context())
	show(w, "dashboard", map[string]any{"User": user, "Claims": claims})
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
