package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/usherkit/usher/ushertest"
)

// The page of the app reads the API with the cookie, and a page of another origin does not.
func TestOnlyTheAppReadsTheAPI(t *testing.T) {
	a := ushertest.New(t, ushertest.Config{Service: config(), Program: newServer})
	client := a.SignedIn("ann@example.com")
	for origin, allowed := range map[string]bool{app: true, "https://evil.example.com": false} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			r, err := http.NewRequest(method, a.URL+"/profile", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Origin", origin)
			r.Header.Set("Sec-Fetch-Site", "same-site")
			if method == "OPTIONS" {
				r.Header.Set("Access-Control-Request-Method", "POST")
			}
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			readable := answer.Header.Get("Access-Control-Allow-Origin") == origin && answer.Header.Get("Access-Control-Allow-Credentials") == "true"
			if readable != allowed || allowed && answer.StatusCode >= 300 || !allowed && method == "POST" && answer.StatusCode != http.StatusForbidden {
				t.Errorf("%s from %s: %s, readable %t", method, origin, answer.Status, readable)
			}
		}
	}
}

func TestAttacks(t *testing.T) {
	a := ushertest.New(t, ushertest.Config{Service: config(), Program: newServer})
	a.Attack(ushertest.Routes{Protected: []string{"GET /profile", "POST /profile"}})
}
