package handlers_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// pinged is a store with a clock, which counts the calls of Ping.
type pinged struct {
	store.Store
	now   func() time.Time
	ahead atomic.Int64
	pings atomic.Int32
	down  atomic.Bool
}

func (p *pinged) Unwrap() store.Store { return p.Store }

func (p *pinged) Time(context.Context) (time.Time, error) {
	return p.now().Add(time.Duration(p.ahead.Load())), nil
}

func (p *pinged) Ping(ctx context.Context) error {
	p.pings.Add(1)
	if p.down.Load() {
		return errors.New("the database is down")
	}
	return p.Store.Ping(ctx)
}

// An outage of the database takes no instance out of service; a wrong clock does.
func TestReadyWhileSessionsCanBeValidated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(p *pinged)
		status int
		body   string
	}{
		"all is well":    {func(*pinged) {}, 200, `{"sessions":"ok","store":"ok"}`},
		"an outage":      {func(p *pinged) { p.down.Store(true) }, 200, `{"sessions":"ok","store":"unavailable"}`},
		"a wrong clock":  {func(p *pinged) { p.ahead.Store(int64(-2 * time.Minute)) }, 503, `{"sessions":"unavailable","store":"ok"}`},
		"a clock behind": {func(p *pinged) { p.ahead.Store(int64(2 * time.Minute)) }, 503, `{"sessions":"unavailable","store":"ok"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := NewClock()
			p := &pinged{Store: memory.New(), now: clock.Now}
			k := NewKit(t, InBodies, Setup{Store: p})
			c.change(p)
			_ = k.Service.RunBackground(t.Context()) // compares the clocks, as it does every minute
			w := httptest.NewRecorder()
			k.Handlers.Ready(w, httptest.NewRequest("GET", "/ready", nil))
			if w.Code != c.status || w.Body.String() != c.body+"\n" || (w.Header().Get("Retry-After") != "") != (c.status == 503) {
				t.Errorf("got %d %s %v", w.Code, w.Body, w.Header())
			}
		})
	}
}

// Many probes cost one query.
func TestReadyAsksTheStoreOnceASecond(t *testing.T) {
	t.Parallel()
	clock := NewClock()
	p := &pinged{Store: memory.New(), now: clock.Now}
	k := NewKit(t, InBodies, Setup{Store: p})
	before := p.pings.Load()
	var all sync.WaitGroup
	start := time.Now()
	for range 64 {
		all.Go(func() {
			k.Handlers.Ready(httptest.NewRecorder(), httptest.NewRequest("GET", "/ready", nil))
		})
	}
	all.Wait()
	if n, most := p.pings.Load()-before, 1+int32(time.Since(start)/time.Second); n < 1 || n > most {
		t.Errorf("64 probes in %s asked %d times, want at most %d", time.Since(start), n, most)
	}
}
