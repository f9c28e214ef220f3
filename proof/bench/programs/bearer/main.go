// Command bearer is a second program: it holds no users, and validates the sessions
// of another one from its JWK Set alone.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/usherkit/usher/middleware"
)

func main() {
	const issuer = "https://app.example.com"
	remote, err := middleware.OpenRemote(middleware.RemoteConfig{Issuer: issuer, RevocationsURL: issuer + "/auth/revocations"})
	if err != nil {
		log.Fatal(err)
	}
	m, err := middleware.New(middleware.Config{Sessions: remote})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello,", middleware.Subject(r.Context()))
	})))
	log.Fatal(http.ListenAndServe("localhost:8080", nil))
}
