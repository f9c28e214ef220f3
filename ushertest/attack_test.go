package ushertest_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/ushertest"
)

// wiring is how a program mounts the handlers and protects its routes.
type wiring struct {
	service  usher.Config
	handlers handlers.Config
	jar      *cookies.Config
	bodies   bool // no pages, and tokens in the bodies
	// around changes the whole program, mount the handlers, and dashboard and orders the
	// protected routes.
	around            func(next http.Handler) http.Handler
	mount             func(mux *http.ServeMux, auth *handlers.Handlers)
	dashboard, orders func(auth *handlers.Handlers, next http.Handler) http.Handler
	signUp            func(s *usher.Service) http.HandlerFunc
	routes            ushertest.Routes
}

// attack attacks a program with that wiring, and returns what was found.
func (x wiring) attack(t *testing.T) []string {
	t.Helper()
	record := &recorder{TB: t}
	app := ushertest.New(record, ushertest.Config{Service: x.service, Program: func(s *usher.Service) http.Handler {
		cfg := x.handlers
		cfg.Logger = slog.New(slog.DiscardHandler)
		if !x.bodies {
			cfg.Pages = &pages.Config{}
		}
		if x.jar != nil {
			c := *x.jar
			c.Secret, c.Logger, c.Now = s.CookieSecrets()[0], cfg.Logger, s.Now
			jar, err := cookies.New(c)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Cookies = jar
		}
		auth, err := handlers.New(s, cfg)
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		if x.mount != nil {
			x.mount(mux, auth)
		} else {
			mux.Handle("/auth/", http.StripPrefix("/auth", auth))
		}
		require := func(_ *handlers.Handlers, next http.Handler) http.Handler { return auth.Require(next) }
		if x.dashboard == nil {
			x.dashboard = require
		}
		if x.orders == nil {
			x.orders = require
		}
		mux.Handle("GET /dashboard", x.dashboard(auth, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "secret numbers")
		})))
		mux.Handle("POST /orders/{id}", x.orders(auth, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNoContent)
		})))
		if x.signUp != nil {
			mux.Handle("POST /join", x.signUp(s))
		}
		if x.around != nil {
			return x.around(mux)
		}
		return mux
	}})
	x.routes.Protected = append(x.routes.Protected, "GET /dashboard", "POST /orders/{id}")
	app.Attack(x.routes)
	return record.errors
}

// recorder is a testing.TB that keeps the errors.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// handle returns middleware that calls before, which answers by itself and returns true, or
// leaves the request to next.
func handle(before func(auth *handlers.Handlers, w http.ResponseWriter, r *http.Request) bool) func(*handlers.Handlers, http.Handler) http.Handler {
	return func(auth *handlers.Handlers, next http.Handler) http.Handler {
		protected := auth.Require(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !before(auth, w, r) {
				protected.ServeHTTP(w, r)
			}
		})
	}
}

func TestAttackFindsNothingInAGoodProgram(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]wiring{
		"pages":         {},
		"bodies":        {bodies: true, service: usher.Config{Links: usher.Links{ResetPassword: "https://other.example/reset", VerifyEmail: "https://other.example/verify"}}},
		"plain cookies": {jar: &cookies.Config{Plain: true}},
		"confirm first": {service: usher.Config{ConfirmFirst: true}},
		"http":          {service: usher.Config{BaseURL: "http://localhost:8080"}},
		"own sign-up":   {signUp: joining(true), routes: ushertest.Routes{SameAnswer: []func(string) *http.Request{join}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, f := range x.attack(t) {
				t.Error(f)
			}
		})
	}
}

// join is a request to the program's own sign-up.
func join(loginID string) *http.Request {
	return httptest.NewRequest("POST", "/join?email="+loginID, nil)
}

// joining is a sign-up of the program. A uniform one gives everybody the same answer.
func joining(uniform bool) func(s *usher.Service) http.HandlerFunc {
	return func(s *usher.Service) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, err := s.Operator("program").UserByLoginID(r.Context(), r.FormValue("email"))
			if err == nil && !uniform {
				http.Error(w, "you are a member", http.StatusConflict)
				return
			}
			io.WriteString(w, "look into your mailbox")
		}
	}
}

// Each mistake is found.
func TestAttackFindsMistakes(t *testing.T) {
	t.Parallel()
	open := func(_ *handlers.Handlers, next http.Handler) http.Handler { return next }
	for name, c := range map[string]struct {
		x    wiring
		want string
	}{
		"a mount elsewhere": {wiring{mount: func(mux *http.ServeMux, auth *handlers.Handlers) {
			mux.Handle("/account/", http.StripPrefix("/account", auth))
		}}, "mount: GET /auth/keys answers 404"},
		"links without pages":     {wiring{bodies: true}, "links: the link to set a password leads to /auth/reset, which answers 404"},
		"a route without Require": {wiring{dashboard: open}, "GET /dashboard: not protected: GET /dashboard answers 200 without a session"},
		"Optional for Require": {wiring{orders: func(auth *handlers.Handlers, next http.Handler) http.Handler {
			return auth.Optional(next)
		}}, "POST /orders/{id}: not protected: POST /orders/1 answers 204 without a session"},
		"only GET is protected": {wiring{dashboard: handle(func(_ *handlers.Handlers, w http.ResponseWriter, r *http.Request) bool {
			return r.Method == http.MethodHead
		})}, "not protected: HEAD /dashboard answers 200"},
		"protected by the spelling of the path": {wiring{around: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/dashboard/" {
					w.Header().Set("Cache-Control", "no-store")
					io.WriteString(w, "secret numbers")
					return
				}
				next.ServeHTTP(w, r)
			})
		}}, "not protected: GET /dashboard/ answers 200 without a session"},
		"any bearer token": {wiring{dashboard: handle(func(_ *handlers.Handlers, w http.ResponseWriter, r *http.Request) bool {
			return r.Header.Get("Authorization") == "Bearer admin"
		})}, "not protected: a text that is no token gets 200"},
		"a token without a check of its signature": {wiring{orders: handle(func(_ *handlers.Handlers, w http.ResponseWriter, r *http.Request) bool {
			return strings.Count(r.Header.Get("Authorization"), ".") == 2
		})}, "POST /orders/{id}: not protected: a token with another signature gets 200"},
		"a token in the query": {wiring{dashboard: handle(func(_ *handlers.Handlers, w http.ResponseWriter, r *http.Request) bool {
			return r.FormValue("access_token") != ""
		})}, "not protected: a token in the query of the route gets 200"},
		"sessions that have ended": {wiring{bodies: true, dashboard: func(auth *handlers.Handlers, next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Count(r.Header.Get("Authorization"), ".") == 2 && !strings.HasSuffix(r.Header.Get("Authorization"), ".") {
					next.ServeHTTP(w, r)
					return
				}
				auth.Require(next).ServeHTTP(w, r)
			})
		}}, "not protected: the token of a session that has signed out gets 200"},
		"answers in caches": {wiring{dashboard: func(auth *handlers.Handlers, next http.Handler) http.Handler {
			return auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "public, max-age=600")
				next.ServeHTTP(w, r)
			}))
		}}, `caching: the answer to a signed-in user has Cache-Control "public, max-age=600"`},
		"writes of other sites": {wiring{around: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Set("Origin", "https://app.example.com")
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				next.ServeHTTP(w, r)
			})
		}}, "with the user's cookies gets 204, want 403"},
		"a subdomain is trusted": {wiring{handlers: handlers.Config{TrustedOrigins: []string{"https://evil.app.example.com"}}}, "CSRF: a request of a subdomain with the user's cookies gets 204"},
		"cookies for scripts":    {wiring{around: cookieFlags("; HttpOnly")}, "cookies: scripts can read __Host-"},
		"cookies over http":      {wiring{around: cookieFlags("; Secure")}, "is sent over plain http"},
		"cookies for all":        {wiring{around: cookieFlags("; SameSite=Lax")}, "lacks SameSite"},
		"an open redirect": {wiring{dashboard: handle(func(_ *handlers.Handlers, w http.ResponseWriter, r *http.Request) bool {
			if next := r.FormValue("next"); next != "" {
				w.Header().Set("Location", next)
				w.WriteHeader(http.StatusFound)
			}
			return r.FormValue("next") != ""
		})}, "GET /dashboard: open redirect: a request that names evil.example is redirected to //evil.example/"},
		"a redirect to the Host": {wiring{dashboard: handle(func(_ *handlers.Handlers, w http.ResponseWriter, r *http.Request) bool {
			if middleware.IsNavigation(r) && r.Header.Get("Authorization") == "" && r.Header.Get("Cookie") == "" {
				http.Redirect(w, r, "https://"+r.Host+"/auth/signin", http.StatusSeeOther)
				return true
			}
			return false
		})}, "is redirected to https://evil.example/auth/signin"},
		"an open redirect after the sign-in": {wiring{around: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if to := r.URL.Query().Get("return_to"); r.Method == "POST" && r.URL.Path == "/auth/signin" && to != "" {
					w.Header().Set("Location", to)
					w.WriteHeader(http.StatusSeeOther)
					return
				}
				next.ServeHTTP(w, r)
			})
		}}, "open redirect: a sign-in with return_to=https://evil.example/"},
		"every client is a proxy": {wiring{handlers: handlers.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("203.0.0.0/9")}}}, "addresses: a client at 203.0.113.9"},
		"the program trusts the header": {wiring{around: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if forwarded := r.Header.Get("X-Real-IP"); forwarded != "" {
					r.RemoteAddr = forwarded + ":1"
				}
				next.ServeHTTP(w, r)
			})
		}}, "addresses: a client at 203.0.113.9"},
		"a sign-up that tells": {wiring{signUp: joining(false), routes: ushertest.Routes{SameAnswer: []func(string) *http.Request{join}}}, "POST /join reveals whether a user exists"},
		"a wrong pattern":      {wiring{routes: ushertest.Routes{Protected: []string{"GET /nowhere"}}}, "GET /nowhere: a signed-in user gets 404"},
		"a role that is missing": {wiring{dashboard: func(auth *handlers.Handlers, next http.Handler) http.Handler {
			return auth.RequireRole("admin")(next)
		}}, "GET /dashboard: a signed-in user gets 403"},
		"a panic": {wiring{dashboard: func(*handlers.Handlers, http.Handler) http.Handler {
			return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("no user") })
		}}, "GET /dashboard: the program panics: no user"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := c.x.attack(t)
			if !strings.Contains(strings.Join(found, "\n"), c.want) {
				t.Errorf("the attacks find %q, want %q", found, c.want)
			}
		})
	}
}

// cookieFlags removes an attribute of the program's cookies.
func cookieFlags(attribute string) func(next http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			record := httptest.NewRecorder()
			next.ServeHTTP(record, r)
			for name, values := range record.Header() {
				for _, v := range values {
					if name == "Set-Cookie" {
						v = strings.ReplaceAll(v, attribute, "")
					}
					w.Header().Add(name, v)
				}
			}
			w.WriteHeader(record.Code)
			w.Write(record.Body.Bytes())
		})
	}
}
