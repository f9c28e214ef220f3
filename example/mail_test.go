package main

import "testing"

// The sender of the emails is an address that every mail server accepts.
func TestMailByServer(t *testing.T) {
	for _, delivery := range []string{"smtp://localhost:1", "smtps://user:word@localhost:1"} {
		p := start(t, t.TempDir(), "-mail", delivery)
		p.stop()
	}
	for baseURL, want := range map[string]string{
		"https://app.example.com/x": "no-reply@app.example.com", "http://localhost:8080": "no-reply@localhost",
		"http://127.0.0.1:8080": "no-reply@localhost", "https://[2001:db8::1]:8443": "no-reply@localhost",
		":": "no-reply@localhost", "": "no-reply@localhost",
	} {
		if got := sender(baseURL); got != want {
			t.Errorf("%s: %s, want %s", baseURL, got, want)
		}
	}
}
