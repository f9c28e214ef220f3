package main

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/usherkit/usher/ushertest"
)

// A visitor is led from the cart to the sign-in page, which looks like the shop, and back.
func TestSignInOnTheWayToTheCart(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{Program: newServer})
	app.User("ann@example.com")
	client := app.Client()
	r, err := http.NewRequest("GET", app.URL+"/cart", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	answer, err := client.Do(r)
	path, page := read(t, answer, err)
	if path != "/auth/signin" || !strings.Contains(page, `<nav class="shop">`) || !strings.Contains(page, "/static/shop.css") {
		t.Fatalf("the cart leads to %s:\n%s", path, page)
	}
	answer, err = client.PostForm(app.URL+"/auth/signin", url.Values{"loginId": {"ann@example.com"}, "password": {ushertest.Password.Reveal()}, "return_to": {"/cart"}})
	if path, page = read(t, answer, err); path != "/cart" || !strings.Contains(page, "Cart of ann@example.com") {
		t.Fatalf("the sign-in leads to %s:\n%s", path, page)
	}
	answer, err = client.PostForm(app.URL+"/auth/signout", url.Values{"return_to": {"/"}})
	if path, page = read(t, answer, err); path != "/" {
		t.Errorf("the sign-out leads to %s:\n%s", path, page)
	}
}

func TestAttacks(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{Program: newServer})
	app.Attack(ushertest.Routes{Protected: []string{"GET /cart", "POST /orders"}})
}

// read returns the path that was reached, and the page.
func read(t *testing.T, answer *http.Response, err error) (path, page string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.Request.URL.Path, string(text)
}
