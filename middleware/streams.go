package middleware

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/usherkit/usher/token"
)

// ErrSessionEnded is the cause, by [context.Cause], with which the context of a request
// is canceled while its handler runs, because the session of the request has ended. If
// the session or its token has expired, the cause also matches [token.ErrExpired].
var ErrSessionEnded = errors.New("middleware: the session of the request has ended")

var errSessionExpired = fmt.Errorf("%w: %w", ErrSessionEnded, token.ErrExpired)

// SessionWatcher is an interface that a [Validator] may implement. [token.Verifier],
// [Remote] and usher.Service implement it. With it, a request that still runs is canceled
// when its session is revoked.
type SessionWatcher interface {
	// WatchSession calls ended when the session of the claims is revoked, on the
	// goroutine that revokes it, or at once if it is revoked already. ended returns
	// quickly. stop ends the watch and does not wait for ended.
	WatchSession(claims *token.Claims, ended func()) (stop func())
}

const (
	// minStream is how long a request runs at least before it is canceled because its
	// session token has expired. An ordinary request is shorter.
	minStream = time.Minute
	// expiryRetry is the time until the next attempt to read a session while the store is
	// unavailable.
	expiryRetry = 5 * time.Second
)

// sessionWatch cancels the context of a request when its session ends. It starts when
// the handler calls Done or Err for the first time, so a request that calls neither has
// no extra cost.
type sessionWatch struct {
	context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	stopped bool
	unwatch func()      // nil without a SessionWatcher
	expiry  *time.Timer // nil before the watch has started
}

// noWatch takes the place of a watch that must not start.
var noWatch = new(sessionWatch)

// watch returns the running watch, which it starts if there is none. It returns nil if
// the context is not watched.
func (c *sessionContext) watch() *sessionWatch {
	w := c.running.Load()
	if w == nil && c.watched {
		w = new(sessionWatch)
		w.Context, w.cancel = context.WithCancelCause(c.Context)
		if c.running.CompareAndSwap(nil, w) {
			w.start(c.session.validatedBy, c.session.claims, c.session.operator)
		} else {
			w.cancel(nil)
			w = c.running.Load()
		}
	}
	if w == noWatch {
		return nil
	}
	return w
}

// context returns the context of the running watch, or the parent.
func (c *sessionContext) context() context.Context {
	if w := c.running.Load(); w != nil && w != noWatch {
		return w.Context
	}
	return c.Context
}

// SessionID is for package watch.
func (c *sessionContext) SessionID() string { return c.session.claims.SessionID }

// UserID is for package watch.
func (c *sessionContext) UserID() string { return c.session.claims.Subject }

// Parent is for package watch.
func (c *sessionContext) Parent() context.Context { return c.Context }

// StopWatch ends the watch, or prevents its start.
func (c *sessionContext) StopWatch() {
	if c.running.CompareAndSwap(nil, noWatch) {
		return
	}
	w := c.running.Load()
	if w == noWatch {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.expiry != nil {
		w.expiry.Stop()
	}
	if w.unwatch != nil {
		w.unwatch()
	}
}

// start watches the session of the claims, and that of the operator if it is not nil.
func (w *sessionWatch) start(m *Middleware, claims, operator *token.Claims) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	left := max(minStream, claims.ExpiresAt.Sub(m.cfg.Now()))
	w.expiry = time.AfterFunc(left, func() { w.checkExpiry(m, claims) })
	if watcher, ok := m.cfg.Validator.(SessionWatcher); ok {
		ended := func() { w.cancel(ErrSessionEnded) }
		w.unwatch = watcher.WatchSession(claims, ended)
		if operator != nil {
			own, other := w.unwatch, watcher.WatchSession(operator, ended)
			w.unwatch = func() { own(); other() }
		}
	}
}

// checkExpiry runs when the session token has expired. Other requests may have refreshed
// the session, so it asks the ClaimsReader. Without one the request is canceled.
func (w *sessionWatch) checkExpiry(m *Middleware, claims *token.Claims) {
	next := expiryRetry
	if reader, ok := m.cfg.Validator.(ClaimsReader); ok {
		ctx, cancel := context.WithTimeout(w, currentTimeout)
		_, err := reader.CurrentClaims(ctx, claims)
		cancel()
		switch {
		case err == nil:
			next = max(minStream, claims.ExpiresAt.Sub(claims.IssuedAt))
		case errors.Is(err, token.ErrInvalid):
			next = 0
		}
	} else {
		next = 0
	}
	if next == 0 {
		w.cancel(errSessionExpired)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped {
		w.expiry.Reset(next)
	}
}
