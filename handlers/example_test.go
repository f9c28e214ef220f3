package handlers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store/memory"
)

// newService returns a Service for the examples.
func newService() *usher.Service {
	return usher.Must(usher.New(context.Background(), memory.New(), usher.Config{
		Secret:  Secret,
		BaseURL: "https://app.example.com",
		Hashing: password.HasherConfig{Params: password.Params{Memory: 19456, Time: 2, Threads: 1}},
		Mailer:  usher.MailerFunc(drop),
		Logger:  slog.New(slog.DiscardHandler),
	}))
}

// drop delivers no email.
func drop(context.Context, usher.Message) error { return nil }

// The whole program: the routes and pages under /auth, and a page that requires a
// signed-in user.
func Example() {
	ctx := context.Background()
	store := memory.New() // or usher.Must(sqlite.Open(ctx, "usher.db"))
	auth := usher.Must(usher.New(ctx, store, usher.Config{
		Name:    "My app",
		BaseURL: "http://localhost:8080",
		Secret:  Secret,                 // or usher.Must(usher.SecretFile("usher.secret"))
		Mailer:  usher.MailerFunc(drop), // or mail.Dir("mail")
		Logger:  slog.New(slog.DiscardHandler),
	}))
	defer auth.Close(ctx)
	h := usher.Must(handlers.New(auth, handlers.Config{Pages: &pages.Config{Home: "/dashboard"}}))
	mux := http.NewServeMux()
	mux.Handle("/auth/", h)
	mux.Handle("GET /dashboard", h.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := middleware.Claims(r.Context())
		fmt.Fprintln(w, "signed in, confirmed:", claims.EmailVerified)
	}))
	server := httptest.NewServer(mux) // or handlers.NewServer("localhost:8080", mux).ListenAndServe()
	defer server.Close()

	// A browser opens the dashboard, is redirected to the sign-in page, and signs up.
	browser := server.Client()
	browser.Jar, _ = cookiejar.New(nil)
	open := func(path string) *http.Response {
		r, _ := http.NewRequest(http.MethodGet, server.URL+path, nil)
		r.Header.Set("Accept", "text/html")
		return usher.Must(browser.Do(r))
	}
	fmt.Println(open("/dashboard").Request.URL.RequestURI())
	answer := usher.Must(browser.Post(server.URL+"/auth/signup", "application/json",
		strings.NewReader(`{"loginId":"ann@example.com","password":"vast otter sings low"}`)))
	fmt.Println(answer.Status)
	page := usher.Must(io.ReadAll(open("/dashboard").Body))
	fmt.Print(string(page))
	// Output:
	// /auth/signin?return_to=%2Fdashboard
	// 201 Created
	// signed in, confirmed: false
}

// A route that is mounted alone checks the method, the body and the origin as well.
func ExampleHandlers_PasswordPolicy() {
	service := newService()
	defer service.Close(context.Background())
	h := usher.Must(handlers.New(service, handlers.Config{}))
	mux := http.NewServeMux()
	mux.HandleFunc("/password-rules", h.PasswordPolicy)

	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/password-rules", nil))
	fmt.Println(answer.Code, answer.Header().Get("Allow"))
	answer = httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/password-rules", nil))
	var rules struct{ MinLength int }
	if err := json.Unmarshal(answer.Body.Bytes(), &rules); err != nil {
		panic(err)
	}
	fmt.Println(answer.Code, rules.MinLength)
	// Output:
	// 405 GET, HEAD
	// 200 15
}

// Without Config.Cookies and Config.Pages the tokens are in the bodies, for clients that
// are not browsers.
func ExampleHandlers_SignIn() {
	service := newService()
	defer service.Close(context.Background())
	h := usher.Must(handlers.New(service, handlers.Config{}))
	ask := func(method, path, body, bearer string) (status int, answer map[string]any) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if bearer != "" {
			r.Header.Set("Authorization", "Bearer "+bearer)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		_ = json.Unmarshal(w.Body.Bytes(), &answer)
		return w.Code, answer
	}
	ask("POST", "/signup", `{"loginId":"ann@example.com","password":"vast otter sings low"}`, "")

	status, in := ask("POST", "/signin", `{"loginId":"ann@example.com","password":"vast otter sings low"}`, "")
	fmt.Println(status, in["expiresIn"])
	status, me := ask("GET", "/me", "", in["sessionToken"].(string))
	fmt.Println(status, me["user"].(map[string]any)["loginId"])
	status, wrong := ask("POST", "/signin", `{"loginId":"ann@example.com","password":"calm heron reads maps"}`, "")
	fmt.Println(status, wrong["code"])
	// Output:
	// 200 600
	// 200 ann@example.com
	// 401 invalid_credentials
}
