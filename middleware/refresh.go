package middleware

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/usherkit/usher/token"
)

// refreshTimeout bounds one exchange of a refresh token, which no longer ends
// with the request that began it.
const refreshTimeout = 5 * time.Second

// refresh exchanges the refresh token, puts the new tokens into the answer and
// validates the new session token.
func (m *Middleware) refresh(w http.ResponseWriter, r *http.Request, refresh token.Secret) (*token.Claims, *Refusal) {
	pair, err := m.flights.do(r.Context(), refresh, func(ctx context.Context) (token.Pair, error) {
		return m.cfg.Refresher.RefreshTokens(ctx, refresh.Reveal(), ClientAddress(r, m.cfg.TrustedProxies), r.UserAgent())
	})
	if errors.Is(err, token.ErrInvalid) {
		notStored(w)
		m.cfg.Cookies.ClearTokens(w, r)
	}
	if err != nil {
		return nil, judge(err)
	}
	notStored(w)
	// The cookies come first: the old refresh token is spent, so the browser
	// needs the new one even if the rest fails.
	if err := m.cfg.Cookies.SetTokens(w, r, pair); err != nil {
		return nil, newRefusal(Internal, err)
	}
	claims, err := m.validate(r, pair.Session.Reveal())
	if err != nil {
		return nil, judge(err)
	}
	return claims, nil
}

// notStored keeps the answer, which sets one browser's cookies, out of every cache:
// Set-Cookie alone does not (RFC 9111 §7.3). A handler that sets a Cache-Control of
// its own has the last word, as it has on a page for one person alone.
func notStored(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }

// flights lets the requests of one page, which arrive together with the same
// refresh token, share one exchange. The zero value is ready.
type flights struct {
	mu      sync.Mutex
	pending map[token.Secret]*flight
}

type flight struct {
	done chan struct{}
	pair token.Pair
	err  error
}

// do calls exchange, or waits for a call for the same token that is under way.
func (f *flights) do(ctx context.Context, refresh token.Secret, exchange func(context.Context) (token.Pair, error)) (token.Pair, error) {
	f.mu.Lock()
	if one := f.pending[refresh]; one != nil {
		f.mu.Unlock()
		select {
		case <-one.done:
			return one.pair, one.err
		case <-ctx.Done():
			return token.Pair{}, ctx.Err()
		}
	}
	one := &flight{done: make(chan struct{}), err: errors.New("middleware: the refresh was broken off")}
	if f.pending == nil {
		f.pending = map[token.Secret]*flight{}
	}
	f.pending[refresh] = one
	f.mu.Unlock()

	// Deferred, so that a panic of the Refresher leaves nobody waiting.
	defer func() {
		f.mu.Lock()
		delete(f.pending, refresh)
		f.mu.Unlock()
		close(one.done)
	}()
	// The others must not fail because this client went away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
	defer cancel()
	one.pair, one.err = exchange(ctx)
	return one.pair, one.err
}
