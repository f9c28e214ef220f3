package routers

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/ushertest"
)

// newAuth returns the handlers of a program.
func newAuth(t *testing.T, s *usher.Service) *handlers.Handlers {
	t.Helper()
	h, err := handlers.New(s, handlers.Config{Pages: &pages.Config{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Under each router a refused request reaches no handler, the claims reach it, a sign-in sets
// all its cookies, and the attacks find nothing.
func TestHP08_AGroupOfEachRouterIsProtected(t *testing.T) {
	for name, group := range groups {
		t.Run(name, func(t *testing.T) {
			ran := 0
			app := ushertest.New(t, ushertest.Config{Program: func(s *usher.Service) http.Handler {
				return group(newAuth(t, s), func(w http.ResponseWriter, r *http.Request) {
					ran++
					if middleware.Subject(r.Context()) == "" {
						t.Error("the handler runs without claims")
					}
					fmt.Fprint(w, "dashboard")
				})
			}})
			w := httptest.NewRecorder()
			app.Handler().ServeHTTP(w, app.Request("", "GET", "/app/dashboard", nil))
			if w.Code != http.StatusUnauthorized || ran != 0 || strings.Contains(w.Body.String(), "dashboard") && w.Body.String() == "dashboard" {
				t.Errorf("without a session: %d after %d runs: %s", w.Code, ran, w.Body)
			}
			answer, err := app.SignedIn("ann@example.com").Get(app.URL + "/app/dashboard")
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK || string(body) != "dashboard" || ran != 1 {
				t.Errorf("with a session: %s after %d runs: %s", answer.Status, ran, body)
			}
			for path, want := range map[string]int{"/": 200, "/nowhere": 404} {
				w := httptest.NewRecorder()
				app.Handler().ServeHTTP(w, app.Request("", "GET", path, nil))
				if w.Code != want {
					t.Errorf("%s answers %d, want %d", path, w.Code, want)
				}
			}
			app.Attack(ushertest.Routes{Protected: []string{"GET /app/dashboard"}})
		})
	}
}

// A program on fiber mounts a net/http router. Sessions, cookies and refusals work; an upgrade
// to a WebSocket fails at once.
func TestHP08_UnderFiber(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{Program: func(s *usher.Service) http.Handler {
		h := newAuth(t, s)
		mux := http.NewServeMux()
		mux.Handle("/auth/", h)
		mux.Handle("/app/dashboard", h.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "dashboard of ", middleware.Subject(r.Context()))
		}))
		mux.Handle("/app/socket", h.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, _, err := http.NewResponseController(w).Hijack(); err != nil {
				http.Error(w, "no upgrades here: "+err.Error(), http.StatusNotImplemented)
			}
		}))
		fiber := newFiber(mux)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer, err := fiber.Test(r, int(10*time.Second/time.Millisecond))
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			for name, values := range answer.Header {
				w.Header()[name] = values
			}
			w.WriteHeader(answer.StatusCode)
			io.Copy(w, answer.Body)
		})
	}})
	client := app.SignedIn("ann@example.com")
	for path, want := range map[string]string{"/app/dashboard": "dashboard of " + app.User("ann@example.com").ID, "/app/socket": "no upgrades here"} {
		answer, err := client.Get(app.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if !strings.HasPrefix(string(body), want) {
			t.Errorf("%s answers %s %s", path, answer.Status, body)
		}
	}
	w := httptest.NewRecorder()
	app.Handler().ServeHTTP(w, app.Request("", "GET", "/app/dashboard", nil))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("without a session: %d", w.Code)
	}
}
