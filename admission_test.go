package usher_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// tally counts what a try costs the store.
type tally struct {
	store.Store
	reads, counts atomic.Int64
	hold          chan struct{} // look-ups wait for its end, if it is not nil
}

func (s *tally) AccountByLoginID(ctx context.Context, canonical string) (store.Account, error) {
	s.reads.Add(1)
	if s.hold != nil {
		<-s.hold
	}
	return s.Store.AccountByLoginID(ctx, canonical)
}

func (s *tally) TakeLimits(ctx context.Context, now time.Time, l []store.Limit) (store.LimitResult, error) {
	s.counts.Add(1)
	return s.Store.TakeLimits(ctx, now, l)
}

// Of a storm only those reach the store who can be hashed in time.
func TestLM02_AStormIsTurnedAwayBeforeTheStore(t *testing.T) {
	store := &tally{Store: memory.New()}
	k := newKitOn(t, store, newClock(), func(c *usher.Config) {
		c.Hashing.Slots, c.Hashing.QueueWait = 1, 200*time.Millisecond
	})
	k.signUp("ann@example.com") // by now it is known how long a hash takes
	store.reads.Store(0)
	store.counts.Store(0)
	k.events.reset()
	var judged, busy atomic.Int64
	together(500, func(i int) {
		err := k.trySignIn(fmt.Sprintf("u%d@example.com", i), otherPassword, nth(i))
		var l *usher.LimitError
		switch {
		case errors.Is(err, usher.ErrInvalidCredentials):
			judged.Add(1)
		case errors.As(err, &l) && l.Limit == "hashing" && l.RetryAfter == time.Second:
			busy.Add(1)
		default:
			t.Error(err)
		}
	})
	// At most as many at a time as are admitted, and those who came while the queue
	// had a place.
	if most := judged.Load() + 100; store.counts.Load() > most || store.reads.Load() > most {
		t.Errorf("%d look-ups and %d counts for %d judged tries of 500", store.reads.Load(), store.counts.Load(), judged.Load())
	}
	if got := k.events.count(usher.EventThrottled); judged.Load() == 0 || int64(got) != busy.Load() {
		t.Errorf("%d judged, %d told to come again, %d events say so", judged.Load(), busy.Load(), got)
	}
	k.signIn("ann@example.com", goodPassword, home)
}

// Who waits for the store in vain is told to come again, and that is no outage.
func TestLM02_AStoreThatIsSlowUnderAStormIsNoOutage(t *testing.T) {
	store := &tally{Store: memory.New(), hold: make(chan struct{})}
	k := newKitOn(t, store, newClock(), func(c *usher.Config) { c.Hashing.QueueWait = 100 * time.Millisecond })
	var judged, busy atomic.Int64
	together(64, func(i int) {
		err := k.trySignIn(fmt.Sprintf("u%d@example.com", i), otherPassword, nth(i))
		var l *usher.LimitError
		switch {
		case errors.Is(err, usher.ErrInvalidCredentials):
			judged.Add(1)
		case errors.As(err, &l) && l.Limit == "hashing":
			if busy.Add(1) == 32 { // the others have the store
				close(store.hold)
			}
		default:
			t.Error(err)
		}
	})
	if judged.Load() == 0 || store.reads.Load() != 32 {
		t.Errorf("%d judged, %d told to come again, %d look-ups", judged.Load(), busy.Load(), store.reads.Load())
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := k.SignIn(gone, usher.SignIn{LoginID: "ann@example.com", Password: otherPassword}, home); err == nil {
		t.Error("a caller who has gone was answered")
	}
}

// A hook or a log that hangs holds up who is refused, and nobody else.
func TestLG05_WhoHangsInTheHookKeepsNobodyOut(t *testing.T) {
	hang := make(chan struct{})
	stuck := make(chan struct{}, 100)
	k := newKitOn(t, memory.New(), newClock(), func(c *usher.Config) {
		c.Hashing.QueueWait = 200 * time.Millisecond
		c.OnEvent = func(_ context.Context, e usher.Event) {
			if e.Name == usher.EventThrottled && e.Reason != "hashing" {
				stuck <- struct{}{}
				<-hang
			}
		}
	})
	k.signUp("ann@example.com")
	for i := range 20 { // from now on this network is refused
		_ = k.trySignIn(fmt.Sprintf("x%d@example.com", i), otherPassword, nth(7))
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() { _ = k.trySignIn(fmt.Sprintf("x%d@example.com", i), otherPassword, nth(7)) })
	}
	for range 40 {
		<-stuck
	}
	if err := k.trySignIn("ann@example.com", goodPassword, nth(100)); err != nil {
		t.Errorf("somebody else's sign-in: %v", err)
	}
	close(hang)
	wg.Wait()
}
