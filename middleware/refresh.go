package middleware

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/token"
)

// refreshTimeout limits one exchange of a refresh token. The exchange does not end
// with the request that started it.
const refreshTimeout = 5 * time.Second

// refresh exchanges the refresh token, puts the new tokens into the response and
// validates the new session token.
func (m *Middleware) refresh(w http.ResponseWriter, r *http.Request, refresh token.Secret) (*token.Claims, *Refusal) {
	pair, err := m.exchanges.do(r.Context(), refresh, func(ctx context.Context) (token.Pair, error) {
		return m.cfg.Refresher.RefreshTokens(ctx, refresh, ClientAddress(r, m.cfg.TrustedProxies), r.UserAgent())
	})
	if errors.Is(err, token.ErrInvalid) {
		noStore(w)
		m.cfg.Cookies.ClearTokens(w, r)
	}
	if err != nil {
		return nil, refusalFor(err)
	}
	noStore(w)
	// Set the cookies before anything else can fail: the old refresh token is
	// used up.
	if err := m.cfg.Cookies.SetTokens(w, r, pair); err != nil {
		return nil, newRefusal(problem.Internal, err)
	}
	claims, err := m.validate(r, pair.Session.Reveal())
	if err != nil {
		return nil, refusalFor(err)
	}
	return claims, nil
}

// noStore forbids caches to store a response that sets cookies, which Set-Cookie
// alone does not (RFC 9111 §7.3).
func noStore(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }

// exchanges lets concurrent requests with the same refresh token share one
// exchange. The zero value is ready to use.
type exchanges struct {
	mu      sync.Mutex
	pending map[token.Secret]*pendingExchange
}

type pendingExchange struct {
	done chan struct{} // closed when pair and err are set
	pair token.Pair
	err  error
}

// do calls exchange, or waits for the pending call for the same token.
func (e *exchanges) do(ctx context.Context, refresh token.Secret, exchange func(context.Context) (token.Pair, error)) (token.Pair, error) {
	e.mu.Lock()
	if p := e.pending[refresh]; p != nil {
		e.mu.Unlock()
		select {
		case <-p.done:
			return p.pair, p.err
		case <-ctx.Done():
			return token.Pair{}, ctx.Err()
		}
	}
	p := &pendingExchange{done: make(chan struct{}), err: errors.New("middleware: the Refresher panicked")}
	if e.pending == nil {
		e.pending = map[token.Secret]*pendingExchange{}
	}
	e.pending[refresh] = p
	e.mu.Unlock()

	// Deferred, so that the other requests return if the Refresher panics.
	defer func() {
		e.mu.Lock()
		delete(e.pending, refresh)
		e.mu.Unlock()
		close(p.done)
	}()
	// The other requests must not fail if this client disconnects.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
	defer cancel()
	p.pair, p.err = exchange(ctx)
	return p.pair, p.err
}
