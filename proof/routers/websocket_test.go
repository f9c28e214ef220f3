package routers

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/store/memory"
)

// A page's WebSocket reconnects after its session token has expired, because a laptop
// woke up. The browser keeps its refresh token, and the next page refreshes with it.
func TestSE16_AWebSocketLeavesTheRefreshTokenToTheBrowser(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	const secret = usher.Secret("wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa")
	logger := slog.New(slog.DiscardHandler)
	service, err := usher.New(t.Context(), memory.New(), usher.Config{
		Secret: secret, BaseURL: "https://app.example", Logger: logger, Now: now,
		Mailer: usher.MailerFunc(func(context.Context, usher.Message) error { return nil }),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close(context.Background())
	jar, err := cookies.New(cookies.Config{Secret: secret, Logger: logger, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	h, err := handlers.New(service, handlers.Config{Cookies: jar, Logger: logger, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	upgrader := websocket.Upgrader{}
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", h))
	mux.Handle("/page", h.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	mux.Handle("/socket", h.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if err := conn.WriteMessage(websocket.TextMessage, []byte("connected")); err != nil {
			t.Error(err)
		}
	})))
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	client := server.Client()
	if client.Jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}
	send := func(method, path, body string, want int) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Content-Type": {"application/json"}, "Sec-Fetch-Site": {"same-origin"}}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if text, _ := io.ReadAll(res.Body); res.StatusCode != want {
			t.Fatalf("%s: %d %s", path, res.StatusCode, text)
		}
	}
	send("POST", "/auth/signup", `{"loginId":"ann@example.com","password":"vast otter sings low"}`, 201)
	for range 2 {
		ahead.Add(int64(11 * time.Minute))
		dialer := websocket.Dialer{Jar: client.Jar, TLSClientConfig: client.Transport.(*http.Transport).TLSClientConfig}
		conn, _, err := dialer.DialContext(t.Context(), "wss"+strings.TrimPrefix(server.URL, "https")+"/socket", http.Header{"Origin": {server.URL}})
		if err != nil {
			t.Fatal(err)
		}
		if _, text, err := conn.ReadMessage(); err != nil || string(text) != "connected" {
			t.Fatalf("%q, %v", text, err)
		}
		conn.Close()
		ahead.Add(int64(12 * time.Second))
		send("GET", "/page", "", 200)
	}
}
