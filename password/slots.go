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
	// whole seconds, at least one. It grows with the number of callers that are
	// refused at about the same time, to at most 10 seconds.
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
	// returns is the time at which the caller that was refused last may try again.
	returns time.Time
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
	expected := s.interval() * time.Duration(2*s.queue.ahead(p)+1) / 2
	if expected <= s.wait {
		return nil
	}
	return s.refuse()
}

// pause returns how long a slot that was held for the given time stays unused before it
// passes to the next caller. In that time the caller that had it completes its request.
// Without the pause, that work and the next computation would occupy two processors, and on a
// machine with two cores all other requests would wait.
func pause(held time.Duration) time.Duration { return held / 20 }

// interval returns the average time between two callers that get a slot from the queue. The
// caller holds s.mu.
func (s *slots) interval() time.Duration {
	return (s.held + pause(s.held)) / time.Duration(s.n)
}

// longestReturn is the longest BusyError.RetryAfter, unless HasherConfig.QueueWait is longer.
const longestReturn = 10 * time.Second

// refuse returns the error for a caller that is refused. Callers that are refused together
// get different times to wait, at the pace at which slots become free, so that they do not
// all repeat the call at once and are refused again. The caller holds s.mu.
func (s *slots) refuse() *BusyError {
	now := time.Now()
	first, last := now.Add(s.wait), now.Add(longestReturn)
	s.returns = s.returns.Add(s.interval())
	if s.returns.Before(first) || s.returns.After(last) {
		s.returns = first
	}
	return &BusyError{RetryAfter: wholeSeconds(s.returns.Sub(now))}
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
		s.mu.Lock()
		err = s.refuse()
		s.mu.Unlock()
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

// release frees a slot that was held for the given time. It passes to the next caller in
// the queue after a pause.
func (s *slots) release(held time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == 0 {
		s.held = held
	}
	// Capping outliers keeps one stall of the instance from distorting the average.
	held = min(held, 4*s.held)
	s.held += (held - s.held) / 8
	if s.queue.length == 0 {
		s.free++
		return
	}
	time.AfterFunc(pause(held), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.passOn()
	})
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

// wholeSeconds rounds d up to whole seconds, the unit of the Retry-After header.
func wholeSeconds(d time.Duration) time.Duration {
	return max(time.Second, (d+time.Second-1)/time.Second*time.Second)
}
