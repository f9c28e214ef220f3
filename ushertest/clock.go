package ushertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
)

// Clock is the clock of an [App]: that of the computer, plus what [Clock.Add] has added. In a
// bubble of testing/synctest it is the clock of the bubble.
type Clock struct {
	t        testing.TB
	mu       sync.Mutex
	ahead    time.Duration
	services []*usher.Service
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

// Add moves the clock forward. It returns after every instance has done the background work
// that is due by then: keys are rotated, expired rows removed, and emails tried again. Timers
// of the program and of net/http do not move. A test that needs them runs in a bubble of
// testing/synctest, and sleeps.
func (c *Clock) Add(d time.Duration) {
	c.t.Helper()
	c.mu.Lock()
	c.ahead += d
	services := c.services
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for _, s := range services {
		if err := s.RunBackground(ctx); err != nil {
			c.t.Errorf("ushertest: the background work after Clock.Add(%s): %v", d, err)
		}
	}
}

// clockedStore is a store whose clock is that of the App. Otherwise a Service would take a
// clock that the test has moved for one that is wrong.
type clockedStore struct {
	store.Store
	clock *Clock
}

// Unwrap is for [store.Find].
func (s clockedStore) Unwrap() store.Store { return s.Store }

// Time implements [store.Clock].
func (s clockedStore) Time(context.Context) (time.Time, error) { return s.clock.Now(), nil }

func (c *Clock) add(s *usher.Service) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.services = append(c.services[:len(c.services):len(c.services)], s)
}
