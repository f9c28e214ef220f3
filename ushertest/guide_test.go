package ushertest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/token"
	"github.com/usherkit/usher/ushertest"
)

// docs/testing.md quotes this file.

func newServer(service *usher.Service) http.Handler {
	h, err := handlers.New(service, handlers.Config{Pages: &pages.Config{}})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", h)
	mux.Handle("GET /dashboard", h.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello %s", middleware.Subject(r.Context()))
	}))
	return mux
}

func TestDashboard(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{Program: newServer})
	client := app.SignedIn("ann@example.com")
	answer, err := client.Get(app.URL + "/dashboard")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the dashboard answers %s", answer.Status)
	}
}

func TestReset(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{Program: newServer})
	app.User("ann@example.com")
	answer, err := app.Client().Post(app.URL+"/auth/password/reset", "application/json",
		strings.NewReader(`{"loginId":"ann@example.com"}`))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	email := app.Mailbox.Next("ann@example.com", usher.MessageResetPassword)
	page, err := app.Client().Get(email.Link.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	if page.StatusCode != http.StatusOK {
		t.Errorf("the page of the link answers %s", page.Status)
	}
}

func TestTheSessionEnds(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{Program: newServer})
	client := app.SignedIn("ann@example.com")
	app.Clock.Add(31 * 24 * time.Hour)
	answer, err := client.Get(app.URL + "/dashboard")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("after 31 days the dashboard answers %s", answer.Status)
	}
}

func TestOneHandler(t *testing.T) {
	dashboard := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello %s", middleware.Subject(r.Context()))
	})
	r := httptest.NewRequest("GET", "/dashboard", nil)
	r = r.WithContext(middleware.WithClaims(r.Context(), &token.Claims{
		Subject: "user-1", SessionID: "session-1", Roles: []string{"admin"},
	}))
	w := httptest.NewRecorder()
	dashboard.ServeHTTP(w, r)
	if got := w.Body.String(); got != "Hello user-1" {
		t.Errorf("the dashboard answers %d %s", w.Code, got)
	}
}

func TestAttacks(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{Program: newServer})
	app.Attack(ushertest.Routes{Protected: []string{"GET /dashboard"}})
}

func TestAttacksOnMoreRoutes(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{Program: func(service *usher.Service) http.Handler {
		h, err := handlers.New(service, handlers.Config{Pages: &pages.Config{}})
		if err != nil {
			panic(err)
		}
		page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
		mux := http.NewServeMux()
		mux.Handle("/auth/", h)
		mux.Handle("GET /dashboard", h.Require(page))
		mux.Handle("POST /orders/{id}", h.RequireRole("admin")(page))
		mux.Handle("POST /newsletter", page)
		return mux
	}})
	routes := ushertest.Routes{
		Protected: []string{"GET /dashboard", "POST /orders/{id}"},
		Roles:     []string{"admin"},
		SameAnswer: []func(string) *http.Request{
			func(loginID string) *http.Request {
				return httptest.NewRequest("POST", "/newsletter?email="+loginID, nil)
			},
		},
	}
	app.Attack(routes)
}
