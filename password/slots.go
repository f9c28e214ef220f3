package password

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// BusyError means that no slot was free within HasherConfig.QueueWait, or that
// none was expected to be. Nothing was computed. Answer it with 429 or 503 and a
// Retry-After header.
type BusyError struct {
	// RetryAfter is how long the caller should wait before the next attempt, in
	// whole seconds, at least one.
	RetryAfter time.Duration
}

// Error includes RetryAfter.
func (e *BusyError) Error() string {
	return fmt.Sprintf("password: all hashing slots are busy, retry after %s", e.RetryAfter)
}

// slots limits how many computations run at once. The others queue in order of
// arrival, and groups and clients take turns.
type slots struct {
	n    int
	wait time.Duration

	mu    sync.Mutex
	free  int
	queue groupedQueue
	held  time.Duration // moving average of how long a slot is held; 0 before the first
}

func newSlots(n int, wait time.Duration) *slots {
	return &slots{n: n, free: n, wait: wait}
}

// busy returns a *BusyError if a new caller at the place would wait too long.
func (s *slots) busy(p queueKey) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checkQueue(p)
}

// checkQueue returns a *BusyError if a new caller at the place is expected to wait longer
// than s.wait. Refusing it at once keeps the queue short for the others. The
// caller holds s.mu.
func (s *slots) checkQueue(p queueKey) error {
	if s.free > 0 {
		return nil
	}
	// Slots are released one after the other; the next one on average after half
	// the time between two releases.
	expected := s.held / time.Duration(s.n) * time.Duration(2*s.queue.ahead(p)+1) / 2
	if expected <= s.wait {
		return nil
	}
	return &BusyError{RetryAfter: retryAfter(s.wait)}
}

// acquire waits for a slot. It returns the error of ctx or a *BusyError; after
// nil the caller must call release.
func (s *slots) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	// While the queue is not empty, a released slot passes to one of its callers
	// and s.free is 0, so a new caller never overtakes.
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return nil
	}
	p := queueKeyOf(ctx)
	if err := s.checkQueue(p); err != nil {
		s.mu.Unlock()
		return err
	}
	w := s.queue.push(p)
	s.mu.Unlock()

	timer := time.NewTimer(s.wait)
	defer timer.Stop()
	var err error
	select {
	case <-w.ready:
		// ctx may have ended at the same moment; then the slot goes to the next
		// caller.
		if err = ctx.Err(); err == nil {
			return nil
		}
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = &BusyError{RetryAfter: retryAfter(s.wait)}
	}
	s.abandon(w)
	return err
}

// abandon leaves the queue, or passes on the slot if one was assigned in the
// meantime.
func (s *slots) abandon(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.ready:
		s.passOn()
	default:
		s.queue.remove(w)
	}
}

// release frees a slot that was held for the given time.
func (s *slots) release(held time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == 0 {
		s.held = held
	}
	// Capping outliers keeps one stall of the instance from distorting the average.
	s.held += (min(held, 4*s.held) - s.held) / 8
	s.passOn()
}

// passOn gives a slot to the next caller in the queue, or frees it if the queue is
// empty. The caller holds s.mu.
func (s *slots) passOn() {
	if next := s.queue.pop(); next != nil {
		close(next.ready)
		return
	}
	s.free++
}

// retryAfter rounds wait up to whole seconds, the unit of the Retry-After header.
func retryAfter(wait time.Duration) time.Duration {
	return max(time.Second, (wait+time.Second-1)/time.Second*time.Second)
}
