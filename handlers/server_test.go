package handlers_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/handlers"
)

func TestLM05_TheServerDoesNotWait(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	s := handlers.NewServer("127.0.0.1:0", k.server)
	if s.ReadHeaderTimeout != 5*time.Second || s.ReadTimeout != 15*time.Second || s.WriteTimeout != 30*time.Second || s.IdleTimeout != time.Minute || s.MaxHeaderBytes != 32<<10 {
		t.Errorf("server is %+v", s)
	}
	if s.Addr != "127.0.0.1:0" || s.Handler == nil {
		t.Errorf("address is %s", s.Addr)
	}
	l, err := net.Listen("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	r, err := http.NewRequest(http.MethodGet, "http://"+l.Addr().String()+"/auth/keys", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", strings.Repeat("a=b; ", 10_000))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("10,000 cookies: %d, want 431", answer.StatusCode)
	}
}
