package middleware_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/justinas/alice"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// exampleService returns a Validator, such as an *usher.Service or a
// *token.Verifier, and one of its session tokens.
func exampleService() (service middleware.Validator, raw string) {
	key, err := signing.GenerateKey(token.ES256, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	keys, err := token.NewKeySet(key.Public())
	if err != nil {
		log.Fatal(err)
	}
	v, err := token.NewVerifier(token.VerifierConfig{
		Issuers: []token.Issuer{{URL: issuerURL, Audiences: []string{issuerURL}, Keys: keys}},
	})
	if err != nil {
		log.Fatal(err)
	}
	s, err := signing.Sign(key, signing.Claims{
		Type: token.TypeSession, Issuer: issuerURL, Audience: []string{issuerURL},
		Subject: "user-1", SessionID: "s1", ID: "t1", Roles: []string{"editor"}, Tenants: map[string]token.Tenant{"acme": {Roles: []string{"owner"}}},
		IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Minute), AuthTime: time.Now(),
	})
	if err != nil {
		log.Fatal(err)
	}
	return v, s.Reveal()
}

func Example() {
	service, raw := exampleService()
	m, err := middleware.New(middleware.Config{Validator: service})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /me", m.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := middleware.Claims(r.Context())
		fmt.Fprintln(w, "hello", claims.Subject, claims.Roles)
	}))

	for _, authorization := range []string{"", "Bearer " + raw} {
		r := httptest.NewRequest("GET", "/me", nil)
		r.Header.Set("X-Request-Id", "request-1")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 401 {"type":"https://github.com/usherkit/usher/blob/main/docs/errors/not_signed_in.md","title":"Not signed in","status":401,"code":"not_signed_in","detail":"Sign in first.","requestId":"request-1"}
	// 200 hello user-1 [editor]
}

// Each method is or returns a func(http.Handler) http.Handler, so it fits any
// chain.
func ExampleMiddleware_RequireRole() {
	service, raw := exampleService()
	m, err := middleware.New(middleware.Config{Validator: service})
	if err != nil {
		log.Fatal(err)
	}
	publish := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "published") })
	editors := alice.New(m.RequireRole("editor", "admin"), m.RequireRecent(5*time.Minute))

	r := httptest.NewRequest("POST", "/articles", nil)
	r.Header.Set("Authorization", "Bearer "+raw)
	w := httptest.NewRecorder()
	editors.Then(publish).ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 published
}

// A second program, which has no users of its own.
func ExampleOpenRemote() {
	remote, err := middleware.OpenRemote(context.Background(), middleware.RemoteConfig{Issuer: "https://app.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	defer remote.Close()
	m, err := middleware.New(middleware.Config{Validator: remote})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("GET /orders", m.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "the orders of", middleware.Subject(r.Context()))
	}))
}

// The routes of a tenant have its id in their path.
func ExampleMiddleware_RequireTenantRole() {
	service, raw := exampleService()
	m, err := middleware.New(middleware.Config{Validator: service})
	if err != nil {
		log.Fatal(err)
	}
	tenant := func(r *http.Request) string { return r.PathValue("tenant") }
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, middleware.Subject(r.Context()), "works in", tenant(r))
	})
	mux := http.NewServeMux()
	mux.Handle("GET /t/{tenant}/files", m.RequireTenant(tenant)(hello))
	mux.Handle("GET /t/{tenant}/bills", m.RequireTenantRole(tenant, "owner", "accountant")(hello))

	for _, path := range []string{"/t/acme/files", "/t/acme/bills", "/t/globex/files"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+raw)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(path, w.Code)
	}
	// Output:
	// /t/acme/files 200
	// /t/acme/bills 200
	// /t/globex/files 403
}
