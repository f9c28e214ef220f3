package routers

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"

	"github.com/usherkit/usher/handlers"
)

// Every router streams through the server of the kit.
func TestLM07_RoutersStream(t *testing.T) {
	stream := func(w http.ResponseWriter, _ *http.Request) {
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "%d\n", i)
			w.(http.Flusher).Flush()
		}
	}
	c, m, e, g := chi.NewRouter(), mux.NewRouter(), echo.New(), gin.New()
	c.HandleFunc("/events", stream)
	m.HandleFunc("/events", stream)
	e.GET("/events", func(c echo.Context) error {
		stream(c.Response(), c.Request())
		return nil
	})
	g.GET("/events", func(c *gin.Context) {
		i := 0
		c.Stream(func(w io.Writer) bool {
			_, _ = fmt.Fprintf(w, "%d\n", i)
			i++
			return i < 3
		})
	})
	for name, router := range map[string]http.Handler{"chi": c, "gorilla/mux": m, "echo": e, "gin": g} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := handlers.NewServer("", router)
		go server.Serve(listener)
		answer, err := http.Get("http://" + listener.Addr().String() + "/events")
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "0\n1\n2\n" {
			t.Errorf("%s: %d %q, %v", name, answer.StatusCode, body, err)
		}
		answer.Body.Close()
		server.Close()
	}
}
