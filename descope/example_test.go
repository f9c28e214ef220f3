package descope_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/descope"
	"github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/store/memory"
)

func ExampleNew() {
	ctx := context.Background()
	auth, err := usher.New(ctx, memory.New(), usher.Config{
		Secret:  webtest.Secret, // usher.SecretFile reads yours
		BaseURL: "https://auth.example.com",
		Issuer:  "https://auth.example.com/P2shop",
		Mailer:  &webtest.Mailbox{}, // mail.SMTP sends emails
	})
	if err != nil {
		log.Fatal(err)
	}
	defer auth.Close(ctx)
	calls, err := descope.New(auth, descope.Config{ProjectID: "P2shop"})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", calls)
	mux.Handle("/v2/", calls)

	r := httptest.NewRequest(http.MethodGet, "/v1/auth/password/policy", nil)
	r.Header.Set("Authorization", "Bearer P2shop")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Print(w.Body)
	// Output:
	// {"minLength":15,"lowercase":false,"uppercase":false,"number":false,"nonAlphanumeric":false}
}
