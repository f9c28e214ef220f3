package routers

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"

	"github.com/usherkit/usher/handlers"
)

// groups protect a group of routes, as docs/routers.md shows it.
var groups = map[string]func(h *handlers.Handlers, dashboard http.HandlerFunc) http.Handler{
	"ServeMux": func(h *handlers.Handlers, dashboard http.HandlerFunc) http.Handler {
		protected := http.NewServeMux()
		protected.HandleFunc("GET /app/dashboard", dashboard)

		mux := http.NewServeMux()
		mux.Handle("/auth/", h)
		mux.Handle("/app/", h.Require(protected))
		mux.HandleFunc("GET /{$}", home)
		return mux
	},
	"chi": func(h *handlers.Handlers, dashboard http.HandlerFunc) http.Handler {
		router := chi.NewRouter()
		router.Mount("/auth", h)
		router.Get("/", home)
		router.Group(func(r chi.Router) {
			r.Use(h.Require)
			r.Get("/app/dashboard", dashboard)
		})
		return router
	},
	"gorilla/mux": func(h *handlers.Handlers, dashboard http.HandlerFunc) http.Handler {
		router := mux.NewRouter()
		router.PathPrefix("/auth/").Handler(h)
		router.HandleFunc("/", home)
		app := router.PathPrefix("/app").Subrouter()
		app.Use(h.Require)
		app.HandleFunc("/dashboard", dashboard).Methods("GET")
		return router
	},
	"echo": func(h *handlers.Handlers, dashboard http.HandlerFunc) http.Handler {
		e := echo.New()
		e.Any("/auth/*", echo.WrapHandler(h))
		e.GET("/", echo.WrapHandler(http.HandlerFunc(home)))
		app := e.Group("/app", echo.WrapMiddleware(h.Require))
		app.GET("/dashboard", echo.WrapHandler(dashboard))
		return e
	},
	"gin": func(h *handlers.Handlers, dashboard http.HandlerFunc) http.Handler {
		engine := gin.New()
		engine.Any("/auth/*path", gin.WrapH(h))
		engine.GET("/", gin.WrapF(home))
		app := engine.Group("/app", ginRequire(h.Require))
		app.GET("/dashboard", gin.WrapF(dashboard))
		return engine
	},
}

// ginRequire makes middleware of gin of a guard.
func ginRequire(guard func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			passed, c.Request = true, r // r has the claims
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}

func home(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) }

// newFiber mounts a net/http router in fiber.
func newFiber(router http.Handler) *fiber.App {
	app := fiber.New()
	app.Use(adaptor.HTTPHandler(router))
	return app
}
