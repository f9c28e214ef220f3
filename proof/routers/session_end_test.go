package routers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	"github.com/gorilla/websocket"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
	"github.com/usherkit/usher/store/sqlite"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A user signs out on one instance. The streams that are open on another instance end:
// events of a server, a WebSocket of gorilla/websocket and one of coder/websocket.
func TestHP16_AStreamOnAnotherInstanceEndsWithTheSignOut(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) func() (store.Store, error){
		"sqlite": func(t *testing.T) func() (store.Store, error) {
			path := filepath.Join(t.TempDir(), "users.db")
			return func() (store.Store, error) { return sqlite.Open(t.Context(), path) }
		},
		"postgres": func(t *testing.T) func() (store.Store, error) {
			url := pgtest.Schema(t)
			return func() (store.Store, error) { return postgres.Open(t.Context(), url) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var servers [2]*httptest.Server
			causes := make(chan error, 3)
			openStore := open(t)
			for i := range servers {
				servers[i] = instance(t, openStore, causes)
			}
			client := servers[0].Client()
			var err error
			if client.Jar, err = cookiejar.New(nil); err != nil {
				t.Fatal(err)
			}
			send := func(path, body string) *http.Response {
				t.Helper()
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, servers[0].URL+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header = http.Header{"Content-Type": {"application/json"}, "Sec-Fetch-Site": {"same-origin"}}
				res, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				return res
			}
			if res := send("/auth/signup", `{"loginId":"ann@example.com","password":"vast otter sings low"}`); res.StatusCode != http.StatusCreated {
				t.Fatal(res.Status)
			}
			ended := connect(t, client, servers[1].URL)
			signedOut := time.Now()
			if res := send("/auth/signout", ""); res.StatusCode/100 != 2 {
				t.Fatal(res.Status)
			}
			for range 3 {
				if cause := <-causes; cause != middleware.ErrSessionEnded { //nolint:errorlint // it is not wrapped
					t.Errorf("the cause is %v", cause)
				}
				<-ended
			}
			t.Logf("all streams ended %v after the sign-out", time.Since(signedOut))
		})
	}
}

// instance starts a program with three routes that stream.
func instance(t *testing.T, open func() (store.Store, error), causes chan<- error) *httptest.Server {
	t.Helper()
	st, err := open()
	if err != nil {
		t.Fatal(err)
	}
	const secret = usher.Secret("wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa")
	logger := slog.New(slog.DiscardHandler)
	service, err := usher.New(t.Context(), st, usher.Config{
		Secret: secret, BaseURL: "https://app.example", Logger: logger,
		Mailer: usher.MailerFunc(func(context.Context, usher.Message) error { return nil }),
	})
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookies.New(cookies.Config{Secret: secret, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	h, err := handlers.New(service, handlers.Config{Cookies: jar, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", h))
	mux.Handle("/events", h.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, "data: connected\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		causes <- context.Cause(r.Context())
	}))
	upgrader := websocket.Upgrader{}
	mux.Handle("/gorilla", h.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // Upgrade has answered
		}
		defer conn.Close()
		defer context.AfterFunc(r.Context(), func() { conn.Close() })()
		_ = conn.WriteMessage(websocket.TextMessage, []byte("connected"))
		_, _, _ = conn.ReadMessage() // returns when the connection is closed
		causes <- context.Cause(r.Context())
	}))
	mux.Handle("/coder", h.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := coder.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		_ = conn.Write(r.Context(), coder.MessageText, []byte("connected"))
		_, _, _ = conn.Read(r.Context()) // returns when the context is canceled
		causes <- context.Cause(r.Context())
	}))
	server := httptest.NewTLSServer(mux)
	t.Cleanup(func() {
		server.Close()
		service.Close(context.Background())
		if c, ok := st.(io.Closer); ok {
			c.Close()
		}
	})
	return server
}

// connect opens the three streams, and waits until each is connected. The channel gets a
// value when a client sees the end of its stream.
func connect(t *testing.T, client *http.Client, url string) <-chan struct{} {
	t.Helper()
	ended := make(chan struct{}, 3)

	res, err := client.Get(url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	events := bufio.NewReader(res.Body)
	if line, err := events.ReadString('\n'); line != "data: connected\n" {
		t.Fatalf("%s %q, %v", res.Status, line, err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, events)
		res.Body.Close()
		ended <- struct{}{}
	}()

	socket := "wss" + strings.TrimPrefix(url, "https")
	dialer := websocket.Dialer{Jar: client.Jar, TLSClientConfig: client.Transport.(*http.Transport).TLSClientConfig}
	g, _, err := dialer.DialContext(t.Context(), socket+"/gorilla", http.Header{"Origin": {url}})
	if err != nil {
		t.Fatal(err)
	}
	if _, text, err := g.ReadMessage(); string(text) != "connected" {
		t.Fatalf("%q, %v", text, err)
	}
	go func() {
		_, _, _ = g.ReadMessage()
		g.Close()
		ended <- struct{}{}
	}()

	c, _, err := coder.Dial(t.Context(), socket+"/coder", &coder.DialOptions{HTTPClient: client, HTTPHeader: http.Header{"Origin": {url}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, text, err := c.Read(t.Context()); string(text) != "connected" {
		t.Fatalf("%q, %v", text, err)
	}
	go func() {
		_, _, _ = c.Read(t.Context())
		c.CloseNow()
		ended <- struct{}{}
	}()
	return ended
}
