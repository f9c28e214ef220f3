package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/internal/watch"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// stream serves one request whose handler waits for the end of its context, and returns
// a channel with the cause of the end.
func stream(t *testing.T, guard func(http.Handler) http.Handler, change func(*http.Request)) <-chan error {
	t.Helper()
	ended := make(chan error, 1)
	h := guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 1000*time.Hour) // as a database call makes it
		defer cancel()
		<-ctx.Done()
		if !errors.Is(r.Context().Err(), context.Canceled) {
			t.Errorf("Err() = %v", r.Context().Err())
		}
		ended <- context.Cause(ctx)
	}))
	go func() {
		w := httptest.NewRecorder()
		r := request("GET", "/stream", change)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel() // as a server does
		h.ServeHTTP(w, r.WithContext(ctx))
		if w.Code != http.StatusOK {
			ended <- errors.New("refused: " + w.Body.String())
		}
	}()
	synctest.Wait()
	return ended
}

// running fails the test if the stream has ended.
func running(t *testing.T, ended <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-ended:
		t.Fatalf("the stream has ended: %v", err)
	default:
	}
}

// hasEnded fails the test unless the stream has ended with that cause.
func hasEnded(t *testing.T, ended <-chan error, cause error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-ended:
		if !errors.Is(err, cause) || !errors.Is(err, middleware.ErrSessionEnded) {
			t.Fatalf("the stream ended with %v, want %v", err, cause)
		}
	default:
		t.Fatal("the stream goes on")
	}
}

func TestHP16_AStreamEndsWithTheSignOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.middleware(nil)
		other := w.issue(func(c *signing.Claims) { c.SessionID, c.ID = "session-2", "token-2" })
		nested := func(h http.Handler) http.Handler {
			return m.Require(m.RequireRecent(time.Hour)(m.Require(h)))
		}
		streams := map[string]<-chan error{
			"require":  stream(t, m.Require, bearer(w.issue(nil))),
			"again":    stream(t, m.Require, bearer(w.issue(nil))),
			"optional": stream(t, m.Optional, bearer(w.issue(nil))),
			"nested":   stream(t, nested, bearer(w.issue(nil))),
			"cookie":   stream(t, m.Require, withCookie(w.issue(nil), "")),
			"recent":   stream(t, m.RequireRecent(time.Hour), bearer(w.issue(nil))),
			"token":    stream(t, m.Require, bearer(w.issue(func(c *signing.Claims) { c.SessionID = "session-3" }))),
		}
		unaffected := stream(t, m.Require, bearer(other))
		for _, s := range streams {
			running(t, s)
		}
		w.revoked.Add("session-1", start.Add(time.Hour))
		w.revoked.Add("token-1", start.Add(time.Hour)) // revoked by the id of the token
		for name, s := range streams {
			t.Log(name)
			hasEnded(t, s, middleware.ErrSessionEnded)
		}
		running(t, unaffected)
		w.revoked.Add("session-2", start.Add(time.Hour))
		hasEnded(t, unaffected, middleware.ErrSessionEnded)
	})
}

// The request that signs the user out, or that changes the password and so replaces the
// session, does more work with its context.
func TestHP16_TheRequestThatEndsItsSessionGoesOn(t *testing.T) {
	for name, waitsFirst := range map[string]bool{"before the first wait": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			h := w.middleware(nil).Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if waitsFirst {
					_ = r.Context().Done()
				}
				watch.StopSessionWatches(r.Context(), "session-2") // another session: nothing happens
				watch.StopSessionWatches(r.Context(), "session-1")
				w.revoked.Add("session-1", start.Add(time.Hour))
				select {
				case <-r.Context().Done():
					t.Error("the request was canceled by its own sign-out")
				default:
				}
			}))
			h.ServeHTTP(httptest.NewRecorder(), request("POST", "/bye", bearer(w.issue(nil))))
		})
	}
}

func TestHP16_AStreamThatBeginsAfterTheSignOutEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		revokes := func(h http.Handler) http.Handler { // between the guard and the first wait
			return w.middleware(nil).Require(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				w.revoked.Add("session-1", start.Add(time.Hour))
				h.ServeHTTP(rw, r)
			}))
		}
		hasEnded(t, stream(t, revokes, bearer(w.issue(nil))), middleware.ErrSessionEnded)
	})
}

func TestHP16_WithoutAStoreAStreamEndsWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := stream(t, w.middleware(nil).Require, bearer(w.issue(nil)))
		time.Sleep(10*time.Minute - time.Second)
		running(t, s)
		time.Sleep(time.Second)
		hasEnded(t, s, token.ErrExpired)
	})
}

// An ordinary request that arrives a moment before its token expires is answered.
func TestHP16_ExpiryLeavesARequestItsFirstMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := stream(t, w.middleware(nil).Require, bearer(w.issue(func(c *signing.Claims) { c.ExpiresAt = start.Add(time.Second) })))
		time.Sleep(time.Minute - time.Second)
		running(t, s)
		time.Sleep(time.Second)
		hasEnded(t, s, token.ErrExpired)
	})
}

// claimsReader is a Validator that answers CurrentClaims with err.
type claimsReader struct {
	middleware.Validator
	mu    sync.Mutex
	err   error
	calls int
}

func (c *claimsReader) CurrentClaims(_ context.Context, claims *token.Claims) (*token.Claims, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	return claims, c.err
}

// answer sets the error, and returns how often the claims were read.
func (c *claimsReader) answer(err error) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	return c.calls
}

// Other requests refresh the session, so it outlives the token with which the stream
// began. An outage of the store does not end it.
func TestHP16_AStreamGoesOnAsLongAsItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		reader := &claimsReader{Validator: w}
		m := w.middleware(func(c *middleware.Config) { c.Validator = reader })
		s := stream(t, m.Require, bearer(w.issue(nil)))
		time.Sleep(24 * time.Hour)
		running(t, s)
		if got, want := reader.answer(errors.New("the database is down")), 24*6; got > want {
			t.Errorf("the store was asked %d times in a day, want at most %d", got, want)
		}
		time.Sleep(time.Hour)
		running(t, s)
		reader.answer(token.ErrInvalid)
		time.Sleep(10 * time.Second)
		hasEnded(t, s, token.ErrExpired)
	})
}

// No timer and no watch remain after the handler has returned.
func TestHP16_TheWatchEndsWithTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		reader := &claimsReader{Validator: w, err: token.ErrInvalid}
		m := w.middleware(func(c *middleware.Config) { c.Validator = reader })
		var kept []context.Context
		h := m.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_ = r.Context().Done()
			kept = append(kept, r.Context())
		}))
		late := m.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { kept = append(kept, r.Context()) }))
		for _, h := range []http.Handler{h, late} {
			h.ServeHTTP(httptest.NewRecorder(), request("GET", "/", bearer(w.issue(nil))))
		}
		w.revoked.Add("session-1", start.Add(time.Hour))
		time.Sleep(time.Hour)
		synctest.Wait()
		for _, ctx := range kept {
			select {
			case <-ctx.Done():
				t.Error("a context that was kept after the response was canceled by the sign-out")
			default:
			}
		}
		if got := reader.answer(nil); got != 0 {
			t.Errorf("the store was asked %d times after the handler returned", got)
		}
	})
}

// 64 requests of a session begin to wait while it ends: all of them are canceled.
func TestHP16_64StreamsEndWhileTheyBegin(t *testing.T) {
	w := newWorld(t)
	m, raw := w.middleware(nil), w.issue(nil)
	ended, running := make(chan error, 64), make(chan struct{}, 64)
	h := m.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		running <- struct{}{}
		<-r.Context().Done()
		ended <- context.Cause(r.Context())
	}))
	for range 64 {
		go func() {
			rec := httptest.NewRecorder()
			if h.ServeHTTP(rec, request("GET", "/", bearer(raw))); rec.Code != http.StatusOK {
				ended <- middleware.ErrSessionEnded // it was refused
			}
		}()
	}
	for range 8 { // the others begin meanwhile
		<-running
	}
	w.revoked.Add("session-1", start.Add(time.Hour))
	for range 64 {
		if err := <-ended; !errors.Is(err, middleware.ErrSessionEnded) {
			t.Fatal(err)
		}
	}
}

// A handler may call Err between two events and never wait for Done.
func TestHP16_AHandlerThatAsksForTheErrorIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ended := make(chan error, 1)
		h := w.middleware(nil).Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			for range 300 {
				if r.Context().Err() != nil {
					break
				}
				time.Sleep(time.Second)
			}
			ended <- context.Cause(r.Context())
		}))
		go h.ServeHTTP(httptest.NewRecorder(), request("GET", "/stream", bearer(w.issue(nil))))
		running(t, ended)
		w.revoked.Add("session-1", start.Add(time.Hour))
		time.Sleep(2 * time.Second)
		hasEnded(t, ended, middleware.ErrSessionEnded)
	})
}

// Two Middlewares may guard one request, as when Optional is around the whole program.
func TestHP16_TheRequestThatEndsItsSessionGoesOnBehindTwoMiddlewares(t *testing.T) {
	for name, exempt := range map[string]func(context.Context, *token.Claims){
		"by the session": func(ctx context.Context, c *token.Claims) { watch.StopSessionWatches(ctx, c.SessionID) },
		"by the user":    func(ctx context.Context, c *token.Claims) { watch.StopUserWatches(ctx, c.Subject) },
	} {
		w := newWorld(t)
		h := w.middleware(nil).Optional(w.middleware(nil).Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_ = r.Context().Done()
			claims, _ := middleware.Claims(r.Context())
			exempt(r.Context(), &claims)
			w.revoked.Add("session-1", start.Add(time.Hour))
			if err := r.Context().Err(); err != nil {
				t.Errorf("%s: the request was canceled by its own sign-out: %v", name, err)
			}
		})))
		h.ServeHTTP(httptest.NewRecorder(), request("POST", "/bye", bearer(w.issue(nil))))
	}
}
