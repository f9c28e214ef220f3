package route

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/justinas/alice"

	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/internal/nostore"
	"github.com/usherkit/usher/internal/visit"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
)

// Chain has the settings and the handlers that all routes of a mount share.
type Chain struct {
	Visits *visit.Visits
	// Origins are the origins whose pages may read the answers, or "*".
	Origins []string
	// HSTS is the value of Strict-Transport-Security over https, or empty.
	HSTS string
	// Timeout limits the work for one request.
	Timeout   time.Duration
	Catalogue *locale.Catalogue
	Logger    *slog.Logger
	Now       func() time.Time
	// ErrorPage answers an error with a page if a browser wants to show one. It
	// reports whether it did. program is true for the program's own routes. Nil means
	// that there are no pages.
	ErrorPage func(w http.ResponseWriter, r *http.Request, err error, program bool) bool
	// OnError writes errors, instead of problem.Write and of the pages that report a
	// problem. Nil means that those write them.
	OnError func(w http.ResponseWriter, r *http.Request, p problem.Problem)
	// WriteError writes every error, in place of pages and problem documents, for a mount
	// whose protocol has a form of its own. Nil means that answers are as above.
	WriteError func(w http.ResponseWriter, r *http.Request, err error)
	// Credentials lets pages of Origins send cookies to a mount without Visits.Cookies too.
	Credentials bool
}

// Methods are the handlers of one path by method.
type Methods map[string]http.Handler

// Path returns the handler of one path. It is complete by itself, wherever it is
// mounted. Without methods it answers 404.
func (c *Chain) Path(m Methods) http.Handler { return c.path(m, c.cors) }

// page is Path for pages, which other origins must not read.
func (c *Chain) page(m Methods) http.Handler { return c.path(m, c.noCORS) }

func (c *Chain) path(m Methods, cors func(allow string) alice.Constructor) http.Handler {
	m = maps.Clone(m)
	if get, ok := m[http.MethodGet]; ok {
		m[http.MethodHead] = get
	}
	allow := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
	return alice.New(c.Headers, c.recovery, cors(allow), c.checkMethod(m, allow), c.checkOrigin, c.deadline).
		ThenFunc(func(w http.ResponseWriter, r *http.Request) { m[r.Method].ServeHTTP(w, r) })
}

// Action does the work of a route. If it returns an error, it must not have written
// anything: the error becomes the answer.
type Action func(w http.ResponseWriter, r *http.Request) error

// Action returns a handler that runs an action and answers its error.
func (c *Chain) Action(do Action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := do(w, r); err != nil {
			c.Fail(w, r, err)
		}
	})
}

// Headers sets the headers that every answer has.
func (c *Chain) Headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.setHeaders(w, r)
		next.ServeHTTP(w, r)
	})
}

func (c *Chain) setHeaders(w http.ResponseWriter, r *http.Request) {
	problem.RequestID(w, r)
	header := w.Header()
	nostore.Set(header)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	// For requests with CORS, the allowed origins count instead.
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if c.HSTS != "" && middleware.ClientScheme(r, c.Visits.TrustedProxies) == "https" {
		header.Set("Strict-Transport-Security", c.HSTS)
	}
}

// recovery answers 500 after a panic, without details. An action writes only when its
// work is done, so the answer has not begun.
func (c *Chain) recovery(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so.
				panic(p)
			}
			c.Logger.ErrorContext(r.Context(), "handlers: panic", "request_id", problem.RequestID(w, r),
				"route", r.Pattern, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			c.answer(w, r, errInternal, false)
		}()
		next.ServeHTTP(w, r)
	})
}

// checkMethod answers 404 for a path without methods, and 405 for a method that the
// path does not have.
func (c *Chain) checkMethod(m Methods, allow string) alice.Constructor {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case len(m) == 0:
				c.Fail(w, r, errNoRoute)
			case m[r.Method] == nil:
				w.Header().Set("Allow", allow)
				c.Fail(w, r, errMethod)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

// checkOrigin refuses requests that a page of another site sends. It also protects
// sign-in and sign-up, because an attacker must not sign a user in to the attacker's
// account.
func (c *Chain) checkOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.Visits.Origins.Check(r); err != nil && !slices.Contains(c.Origins, "*") {
			c.Fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// deadline limits the work for one request. It begins when the body has arrived: a client
// that sends it slowly is no outage.
func (c *Chain) deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := readAhead(r)
		ctx, cancel := context.WithTimeout(r.Context(), c.Timeout)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = body
		next.ServeHTTP(w, r)
	})
}
