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
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/store/memory"
)

// newService is a Service as programs make it, on a store for examples.
func newService() *usher.Service {
	service, err := usher.New(context.Background(), memory.New(), usher.Config{
		Secret:  Secret,
		BaseURL: "https://app.example.com",
		Mailer:  usher.MailerFunc(func(context.Context, usher.Message) error { return nil }),
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	return service
}

// A browser's program: all routes under /auth, tokens in cookies, and a page
// for who is signed in.
func ExampleNew() {
	service := newService()
	defer service.Close(context.Background())
	jar, err := cookies.New(cookies.Config{Secret: Secret})
	if err != nil {
		panic(err)
	}
	h, err := handlers.New(service, handlers.Config{Cookies: jar})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", h))
	mux.Handle("GET /dashboard", h.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := middleware.Claims(r.Context())
		fmt.Fprintln(w, "signed in, confirmed:", claims.EmailVerified)
	})))
	server := httptest.NewTLSServer(mux)
	defer server.Close()

	browser := server.Client()
	browser.Jar, _ = cookiejar.New(nil)
	answer, err := browser.Post(server.URL+"/auth/signup", "application/json",
		strings.NewReader(`{"loginId":"ann@example.com","password":"vast otter sings low"}`))
	if err != nil {
		panic(err)
	}
	answer.Body.Close()
	fmt.Println(answer.Status)
	if answer, err = browser.Get(server.URL + "/dashboard"); err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	page, _ := io.ReadAll(answer.Body)
	fmt.Print(string(page))
	// Output:
	// 201 Created
	// signed in, confirmed: false
}

// One route mounted alone is as complete as all together.
func ExampleHandlers_PasswordPolicy() {
	service := newService()
	defer service.Close(context.Background())
	h, err := handlers.New(service, handlers.Config{})
	if err != nil {
		panic(err)
	}
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

// Without cookies the tokens are in the bodies: for programs.
func ExampleHandlers_SignIn() {
	service := newService()
	defer service.Close(context.Background())
	h, err := handlers.New(service, handlers.Config{})
	if err != nil {
		panic(err)
	}
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
