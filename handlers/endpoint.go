package handlers

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/justinas/alice"

	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/token"
)

// action is the work of a route. The error it returns is the answer.
type action func(w http.ResponseWriter, r *http.Request) error

// methods are the handlers of one path by method.
type methods map[string]http.Handler

// endpoint makes the handlers of one path complete. Without any it answers 404.
func (h *Handlers) endpoint(m methods) http.Handler {
	if _, ok := m[http.MethodGet]; ok {
		m[http.MethodHead] = m[http.MethodGet]
	}
	allow := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
	return alice.New(h.head, h.recovery, h.cors(allow), h.byMethod(m, allow), h.sameOrigin, h.deadline).
		ThenFunc(func(w http.ResponseWriter, r *http.Request) { m[r.Method].ServeHTTP(w, r) })
}

// answer makes a handler of an action.
func (h *Handlers) answer(do action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := do(w, r); err != nil {
			h.fail(w, r, err)
		}
	})
}

// signedIn makes a handler of an action for who is signed in.
func (h *Handlers) signedIn(do func(http.ResponseWriter, *http.Request, *token.Claims) error) http.Handler {
	return h.guarded(h.own, do)
}

func (h *Handlers) guarded(m *middleware.Middleware, do func(http.ResponseWriter, *http.Request, *token.Claims) error) http.Handler {
	return m.Require(h.answer(func(w http.ResponseWriter, r *http.Request) error {
		claims, _ := middleware.Claims(r.Context())
		return do(w, r, &claims)
	}))
}

// maybeSignedIn makes a handler of an action for everybody. It gets the claims of
// who is signed in, or nil; a session that does not count is as good as none.
func (h *Handlers) maybeSignedIn(do func(http.ResponseWriter, *http.Request, *token.Claims) error) http.Handler {
	return h.own.Optional(h.answer(func(w http.ResponseWriter, r *http.Request) error {
		if claims, ok := middleware.Claims(r.Context()); ok {
			return do(w, r, &claims)
		}
		return do(w, r, nil)
	}))
}

// entering makes a handler of an action that starts a session. It does not rest
// on a session that the request comes with, but ends it.
func (h *Handlers) entering(do action) http.Handler { return h.bearer.Optional(h.answer(do)) }

// head sets the headers that every answer has.
func (h *Handlers) head(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem.RequestID(w, r)
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if middleware.ClientScheme(r, h.cfg.TrustedProxies) == "https" {
			header.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		next.ServeHTTP(w, r)
	})
}

// recovery answers 500 for a panic, for the server must go on and the client
// learn nothing. No action writes before it is done, so nothing is on its way
// yet.
func (h *Handlers) recovery(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so.
				panic(p)
			}
			h.cfg.Logger.ErrorContext(r.Context(), "handlers: panic", "request_id", problem.RequestID(w, r),
				"route", r.Pattern, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			if !h.pages.problem(w, r, errInternal) {
				h.writeProblem(w, r, errInternal)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// byMethod refuses methods that the path does not have.
func (h *Handlers) byMethod(m methods, allow string) alice.Constructor {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case len(m) == 0:
				h.fail(w, r, errNoRoute)
			case m[r.Method] == nil:
				w.Header().Set("Allow", allow)
				h.fail(w, r, errMethod)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

// sameOrigin refuses requests that another site's page sends, sign-in and
// sign-up too: signing somebody in as somebody else is an attack as well.
func (h *Handlers) sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h.origins.Check(r); err != nil {
			h.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// deadline bounds the work.
func (h *Handlers) deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), h.cfg.Timeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
