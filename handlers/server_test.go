package handlers_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher/handlers"
)

// pipes is a listener whose connections are in memory, so that time can be simulated.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// dial returns the client's end of a new connection.
func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p <- server
	return client, nil
}

// start starts a server of NewServer until the test ends. It returns a client, and a
// function that opens a connection.
type start func(h http.HandlerFunc) (client *http.Client, dial func() net.Conn)

// overBothProtocols runs a test in simulated time, over HTTP/1.1 and over HTTP/2.
func overBothProtocols(t *testing.T, test func(t *testing.T, start start)) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %t", http2), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, func(h http.HandlerFunc) (*http.Client, func() net.Conn) {
					var protocols http.Protocols
					protocols.SetHTTP1(!http2)
					protocols.SetUnencryptedHTTP2(http2)
					listener := make(pipes)
					s := handlers.NewServer("", h)
					s.Protocols = &protocols
					go s.Serve(listener)
					transport := &http.Transport{DialContext: listener.dial, Protocols: &protocols}
					t.Cleanup(func() {
						transport.CloseIdleConnections()
						close(listener)
						s.Close()
					})
					return &http.Client{Transport: transport}, func() net.Conn {
						c, _ := listener.dial(t.Context(), "", "")
						return c
					}
				})
			})
		})
	}
}

// An event stream lasts as long as its client reads it, also after a pause.
func TestLM07_AnEventStreamIsNotCut(t *testing.T) {
	pauses := []time.Duration{time.Second, 20 * time.Second, 40 * time.Second, 10 * time.Minute, time.Second}
	stream := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method == http.MethodPost && string(body) != "topic" {
			t.Errorf("the body is %q, %v", body, err)
		}
		for i, pause := range pauses {
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				t.Errorf("the context ends before event %d: %v", i, context.Cause(r.Context()))
				return
			}
			if _, err := fmt.Fprintf(w, "data: %d\n", i); err != nil {
				t.Errorf("event %d: %v", i, err)
			}
			w.(http.Flusher).Flush()
		}
	}
	overBothProtocols(t, func(t *testing.T, start start) {
		client, _ := start(stream)
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodGet} {
			var body io.Reader
			if method == http.MethodPost {
				body = strings.NewReader("topic")
			}
			r, _ := http.NewRequestWithContext(t.Context(), method, "http://app.example/events", body)
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(answer.Body)
			for i := range pauses {
				if !lines.Scan() || lines.Text() != fmt.Sprintf("data: %d", i) {
					t.Fatalf("%s: event %d is %q, %v", method, i, lines.Text(), lines.Err())
				}
			}
			answer.Body.Close()
		}
	})
}

// A client that does not read what is written to it is cut off after 30 seconds, and one
// that does not send its body after 15.
func TestLM07_ASlowClientIsCutOff(t *testing.T) {
	handler := func(report func(began time.Time, err error), w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		switch r.URL.Path {
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					report(began, err)
					return
				}
			}
		case "/own":
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(5 * time.Minute))
			for {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					report(began, err)
					return
				}
			}
		case "/body":
			_, err := io.ReadAll(r.Body)
			report(began, err)
		}
	}
	overBothProtocols(t, func(t *testing.T, start start) {
		results := make(chan string, 1)
		report := func(began time.Time, err error) { results <- fmt.Sprintf("%s %t", time.Since(began), err != nil) }
		client, _ := start(func(w http.ResponseWriter, r *http.Request) { handler(report, w, r) })
		for _, test := range []struct{ path, want string }{{"/endless", "30s true"}, {"/own", "5m0s true"}, {"/body", "15s true"}} {
			ctx, cancel := context.WithCancel(t.Context())
			sender, body := io.Pipe()
			method := http.MethodGet
			if test.path == "/body" {
				method = http.MethodPost
			}
			r, _ := http.NewRequestWithContext(ctx, method, "http://app.example"+test.path, nil)
			if method == http.MethodPost {
				r.Body, r.ContentLength = sender, 100
			}
			go func() {
				if answer, err := client.Do(r); err == nil {
					<-ctx.Done() // without reading
					answer.Body.Close()
				}
			}()
			if got := <-results; got != test.want {
				t.Errorf("%s ends after %s, want %s", test.path, got, test.want)
			}
			cancel()
			body.Close()
			synctest.Wait()
		}
	})
}

// What net/http writes after the handler has returned has a deadline, too, and a
// connection that a program has taken over has none.
func TestLM07_DeadlinesEndWithTheAnswer(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/hijack" {
			time.Sleep(time.Minute)
			if text := strings.TrimPrefix(r.URL.Path, "/"); text != "" {
				_, _ = io.WriteString(w, text)
			}
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return // HTTP/2
		}
		go func() {
			defer conn.Close()
			time.Sleep(5 * time.Minute)
			_, _ = io.WriteString(conn, "late")
		}()
	}
	overBothProtocols(t, func(t *testing.T, start start) {
		client, dial := start(handler)
		for _, text := range []string{"small", ""} {
			answer, err := client.Get("http://app.example/" + text)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(answer.Body); err != nil || string(body) != text {
				t.Errorf("a late answer is %q, %v", body, err)
			}
			if answer.ProtoMajor == 2 && text == "" {
				return
			}
		}
		c := dial()
		_, _ = io.WriteString(c, "GET /hijack HTTP/1.1\r\nHost: app.example\r\n\r\n")
		if text, err := io.ReadAll(c); err != nil || string(text) != "late" {
			t.Errorf("the connection ends with %q, %v", text, err)
		}
		c = dial()
		_, _ = io.WriteString(c, "GET /small HTTP/1.1\r\nHost: app.example\r\n\r\n")
		time.Sleep(2 * time.Minute)
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if text, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after 2 minutes the answer is still waiting for its reader: %q", text)
		}
	})
}
