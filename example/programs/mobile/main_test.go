package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/ushertest"
)

func TestNotesBelongToTheirUser(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{Service: config(), Program: newServer})
	ann, bob := app.SignedIn("ann@example.com"), app.SignedIn("bob@example.com")
	post(t, ann, app.URL+"/notes", "milk")
	app.Clock.Add(20 * time.Minute) // the client refreshes its token
	if got := get(t, ann, app.URL+"/notes"); !strings.Contains(got, "milk") {
		t.Errorf("Ann reads %s", got)
	}
	if got := get(t, bob, app.URL+"/notes"); strings.Contains(got, "milk") {
		t.Errorf("Bob reads %s", got)
	}
}

// A forgotten password, on a phone: the link leads to the app, or its code is typed.
func TestResetInTheApp(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{Service: config(), Program: newServer})
	app.User("ann@example.com")
	client := app.Client()
	post(t, client, app.URL+"/auth/password/reset", `{"loginId":"ann@example.com"}`)
	email := app.Mailbox.Next("ann@example.com", usher.MessageResetPassword)
	if page := get(t, client, email.Link.Reveal()); !strings.Contains(page, "Open this link on the phone") {
		t.Errorf("the link shows %s", page)
	}
	post(t, client, app.URL+"/auth/password/reset/complete", `{"loginId":"ann@example.com","code":"`+email.Code.Reveal()+`","newPassword":"calm heron reads maps"}`)
	post(t, client, app.URL+"/auth/signin", `{"loginId":"ann@example.com","password":"calm heron reads maps"}`)
}

func TestAttacks(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{Service: config(), Program: newServer})
	app.Attack(ushertest.Routes{Protected: []string{"GET /notes", "POST /notes"}})
}

func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	r, err := c.Get(url)
	return body(t, r, err)
}

func post(t *testing.T, c *http.Client, url, text string) string {
	t.Helper()
	r, err := c.Post(url, "application/json", strings.NewReader(text))
	return body(t, r, err)
}

func body(t *testing.T, r *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	if r.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s", r.Request.Method, r.Request.URL, r.Status, text)
	}
	return string(text)
}
