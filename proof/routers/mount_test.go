package routers

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store/memory"
)

// routers mount a handler at a path of a router, "" for the root.
var routers = map[string]func(at string, h http.Handler) http.Handler{
	"ServeMux": func(at string, h http.Handler) http.Handler {
		m := http.NewServeMux()
		m.Handle(at+"/", h)
		return m
	},
	"ServeMux with a host": func(at string, h http.Handler) http.Handler {
		m := http.NewServeMux()
		m.Handle("app.example"+at+"/", h)
		return m
	},
	"chi Mount": func(at string, h http.Handler) http.Handler {
		m := chi.NewRouter()
		m.Mount(at+"/", h)
		return m
	},
	"chi Handle": func(at string, h http.Handler) http.Handler {
		m := chi.NewRouter()
		m.Handle(at+"/*", h)
		return m
	},
	"gorilla/mux": func(at string, h http.Handler) http.Handler {
		m := mux.NewRouter()
		m.PathPrefix(at + "/").Handler(h)
		return m
	},
	"gorilla/mux below ServeMux": func(at string, h http.Handler) http.Handler {
		m := mux.NewRouter()
		m.PathPrefix(at + "/").Handler(h)
		outer := http.NewServeMux()
		outer.Handle("/", m)
		return outer
	},
	"echo": func(at string, h http.Handler) http.Handler {
		e := echo.New()
		e.Any(at+"/*", echo.WrapHandler(h))
		return e
	},
	"gin": func(at string, h http.Handler) http.Handler {
		gin.SetMode(gin.ReleaseMode)
		g := gin.New()
		g.Any(at+"/*path", gin.WrapH(h))
		return g
	},
}

// routes are some routes of the mount. The value is true for those that only a mount with
// pages has.
var routes = map[string]bool{"/keys": false, "/me": false, "/sessions": false, "/signin": false, "/account": true, "/account/name": true}

// setup is one way to configure and to mount the handlers.
type setup struct {
	at       string // the path of the mount in the program
	proxy    string // the path that a proxy in front of the program removes, or ""
	pages    bool
	path     string // handlers.Config.Path
	stripped bool   // the router removes the path of the mount
}

// setups returns every way that is supported by all routers. Without pages, a router that
// passes on whole paths needs handlers.Config.Path.
func setups() (all []setup) {
	for _, at := range []string{"", "/auth", "/app/auth", "/account", "/keys"} {
		for _, proxy := range []string{"", "/app", "/auth"} {
			for _, stripped := range []bool{false, true} {
				all = append(all, setup{at, proxy, true, "", stripped}, setup{at, proxy, false, at + "/", stripped})
				if stripped || at == "" {
					all = append(all, setup{at, proxy, false, "", stripped})
				}
			}
		}
	}
	// A proxy may also remove the path of the pages. Config.Path says so.
	return append(all, setup{"", "/auth", true, "/", false})
}

func TestHP08_EachPathHasOneMeaning(t *testing.T) {
	for _, s := range setups() {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			h := s.handlers(t)
			if s.stripped {
				h = http.StripPrefix(s.at, h)
			}
			for name, mount := range routers {
				server := behind(s.proxy, mount(s.at, h))
				for _, path := range paths(s) {
					rest, below := strings.CutPrefix(path, s.proxy+s.at)
					onlyPages, known := routes[rest]
					want := below && known && (s.pages || !onlyPages)
					if got := get(server, path); got != want {
						t.Errorf("%s: %s is found: %t, want %t", name, path, got, want)
					}
				}
			}
		})
	}
}

// A guard of the program in front of one route holds for every spelling of its path.
func TestHP08_NoPathLeadsAroundAGuard(t *testing.T) {
	for _, stripped := range []bool{false, true} {
		s := setup{at: "/auth", pages: true, stripped: stripped}
		h := s.handlers(t)
		if stripped {
			h = http.StripPrefix("/auth", h)
		}
		guard := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		router := chi.NewRouter()
		router.Handle("/auth/keys", guard)
		router.Mount("/auth", h)
		gorilla := mux.NewRouter().UseEncodedPath()
		gorilla.Handle("/auth/keys", guard)
		gorilla.PathPrefix("/auth/").Handler(h)
		gin.SetMode(gin.ReleaseMode)
		engine := gin.New()
		engine.UseRawPath = true
		engine.Any("/auth/*path", func(c *gin.Context) {
			if c.Param("path") == "/keys" {
				guard(c.Writer, c.Request)
				return
			}
			gin.WrapH(h)(c)
		})
		for name, server := range map[string]http.Handler{"chi": router, "gorilla/mux": gorilla, "gin": engine} {
			for _, path := range []string{"/auth/keys", "/auth/%6beys", "/auth/auth/keys", "/auth/auth%2Fkeys", "/auth/%61uth/keys", "/auth//keys", "/auth/./keys", "/auth/x/../keys"} {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				w := httptest.NewRecorder()
				if server.ServeHTTP(w, r); w.Code == http.StatusOK {
					t.Errorf("%s, stripped %t: %s is answered 200", name, stripped, path)
				}
			}
		}
	}
}

// handlers returns the handlers of a program with this setup.
func (s setup) handlers(t *testing.T) http.Handler {
	t.Helper()
	base, pagesPath := "https://app.example"+s.proxy, s.at+"/"
	if s.path == "/" && s.pages {
		base, pagesPath = "https://app.example", s.proxy
	}
	logger := slog.New(slog.DiscardHandler)
	service, err := usher.New(context.Background(), memory.New(), usher.Config{
		Secret: "wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa", BaseURL: base, PagesPath: pagesPath, Logger: logger,
		Mailer: usher.MailerFunc(func(context.Context, usher.Message) error { return nil }),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close(context.Background()) })
	cfg := handlers.Config{Path: s.path, Logger: logger}
	if s.pages {
		cfg.Pages = &pages.Config{}
	}
	h, err := handlers.New(service, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// paths returns the paths of the routes below every prefix that a wrong reading could
// remove. It leaves out the path of the mount itself, which some routers redirect.
func paths(s setup) (all []string) {
	parts := []string{"", s.at, s.proxy, "/auth", "/account"}
	seen := map[string]bool{s.proxy + s.at: true}
	for _, a := range parts {
		for _, b := range parts {
			for _, c := range parts {
				for r := range routes {
					if p := a + b + c + r; !seen[p] {
						seen[p] = true
						all = append(all, p)
					}
				}
			}
		}
	}
	return all
}

// behind returns the program behind a proxy that removes a prefix.
func behind(prefix string, program http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, prefix)
		if !ok || !strings.HasPrefix(rest, "/") {
			http.NotFound(w, r)
			return
		}
		inner := httptest.NewRequest(r.Method, rest, r.Body)
		inner.Host, inner.Header = r.Host, r.Header
		program.ServeHTTP(w, inner)
	})
}

// get reports whether GET finds a route at the path.
func get(server http.Handler, path string) bool {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "app.example"
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	return w.Code != http.StatusNotFound
}
