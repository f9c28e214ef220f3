package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// A user signs up, sees the dashboard, and signs out there with a plain form.
func TestDashboardSignsOut(t *testing.T) {
	p := start(t, t.TempDir())
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	visit := func(path string, form url.Values) (where, page string) {
		t.Helper()
		method, body := "GET", io.Reader(nil)
		if form != nil {
			method, body = "POST", strings.NewReader(form.Encode())
		}
		r, err := http.NewRequest(method, p.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", p.url)
		}
		answer, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s answers %s, %v", path, answer.Status, err)
		}
		return answer.Request.URL.Path, string(text)
	}
	name := strings.Repeat("Ann", 40)
	where, page := visit("/auth/signup", url.Values{"loginId": {"ann@example.com"}, "password": {"vast otter sings low"}, "name": {name + "<b>"}})
	if where != "/dashboard" || !strings.Contains(page, name+"&lt;b&gt;") || !strings.Contains(page, "not confirmed yet") {
		t.Fatalf("sign-up leads to %s:\n%s", where, page)
	}
	if !strings.Contains(page, `<form method="post" action="/auth/signout"><button>Sign out</button></form>`) {
		t.Errorf("the dashboard has no form to sign out:\n%s", page)
	}
	if where, _ = visit("/auth/signout", url.Values{}); where != "/auth/signin" {
		t.Errorf("sign-out leads to %s", where)
	}
	if where, _ = visit("/dashboard", nil); where != "/auth/signin" {
		t.Errorf("after sign-out the dashboard leads to %s", where)
	}
}
