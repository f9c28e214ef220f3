package middleware

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/token"
)

// refreshTimeout limits one exchange of a refresh token. The exchange does not end
// with the request that started it.
const refreshTimeout = 5 * time.Second

// refresh exchanges the refresh token, puts the new tokens into the response and
// validates the new session token. On a protocol upgrade it validates the refresh
// token and exchanges nothing, because the 101 response of a WebSocket library has
// none of the headers that were set before.
func (m *Middleware) refresh(w http.ResponseWriter, r *http.Request, p *protected, refresh token.Secret) (*token.Claims, *Refusal) {
	address, upgrade := ClientAddress(r, m.cfg.TrustedProxies), isUpgrade(r)
	var pair token.Pair
	var err error
	if upgrade {
		ctx, cancel := context.WithTimeout(r.Context(), refreshTimeout)
		pair.Session, err = m.cfg.Refresher.SessionToken(ctx, refresh, address, r.UserAgent())
		cancel()
	} else {
		pair, err = m.exchanges.do(r.Context(), refresh, func(ctx context.Context) (token.Pair, error) {
			return m.cfg.Refresher.RefreshTokens(ctx, refresh, address, r.UserAgent())
		})
	}
	// The answer to a script may arrive after a sign-in in another tab, whose cookies it
	// would delete.
	if errors.Is(err, token.ErrInvalid) && IsNavigation(r) {
		m.cfg.Cookies.ClearTokens(w, r)
		p.cookiesAdded(w)
	}
	if err != nil {
		return nil, refusalFor(err)
	}
	if !upgrade {
		// Set the cookies before anything else can fail, because the refresh token has
		// been exchanged.
		p.cookiesAdded(w)
		if err := m.cfg.Cookies.SetTokens(w, r, pair); err != nil {
			if errors.Is(err, token.ErrUnavailable) {
				return nil, newRefusal(problem.Unavailable, err)
			}
			return nil, newRefusal(problem.Internal, err)
		}
	}
	claims, err := m.validate(r, pair.Session.Reveal())
	if err != nil {
		return nil, refusalFor(err)
	}
	return claims, nil
}

// isUpgrade reports whether the request asks for another protocol on its connection: an
// upgrade (RFC 9110 §7.8), or CONNECT (RFC 8441), as WebSockets over HTTP/2 use it.
func isUpgrade(r *http.Request) bool {
	if r.Method == http.MethodConnect {
		return true
	}
	for _, value := range r.Header["Connection"] {
		for option := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(option), "Upgrade") {
				return r.Header["Upgrade"] != nil
			}
		}
	}
	return false
}

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
