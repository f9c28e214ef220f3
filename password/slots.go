package password

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrBusy is what errors.Is finds in a *BusyError.
var ErrBusy = errors.New("password: all hashing slots are busy")

// BusyError means that no slot came free within HasherConfig.QueueWait.
// Nothing was computed. It is the cause of a 429 or 503 with Retry-After.
type BusyError struct {
	// RetryAfter is how long the caller should wait before the next try, a
	// whole number of seconds, at least one.
	RetryAfter time.Duration
}

// Error names the wait that is advised.
func (e *BusyError) Error() string {
	return fmt.Sprintf("%v, retry after %s", ErrBusy, e.RetryAfter)
}

// Is makes errors.Is(err, ErrBusy) true.
func (e *BusyError) Is(target error) bool { return target == ErrBusy }

// slots lets at most a fixed number of computations run at once; the others
// wait in the order in which they came.
type slots struct {
	n    int
	wait time.Duration

	mu    sync.Mutex
	free  int
	queue list.List     // of chan struct{}; closing one hands its owner a slot
	held  time.Duration // how long a slot is held, as a moving average; 0 before the first
}

func newSlots(n int, wait time.Duration) *slots {
	return &slots{n: n, free: n, wait: wait}
}

// crowded returns a *BusyError if a newcomer would wait too long.
func (s *slots) crowded() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.judgeQueue()
}

// judgeQueue refuses who would wait in vain: in the end he would be told the
// same, and until then he lengthens everybody's queue. s.mu is held.
func (s *slots) judgeQueue() error {
	if s.free > 0 {
		return nil
	}
	// The slots come free one after the other, and the first on average after
	// half of that time.
	expected := s.held / time.Duration(s.n) * time.Duration(2*s.queue.Len()+1) / 2
	if expected <= s.wait {
		return nil
	}
	return &BusyError{RetryAfter: retryAfter(s.wait)}
}

// acquire takes a slot, or returns ctx's error or a *BusyError. After nil, the
// caller must call release.
func (s *slots) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	// While anybody waits, a slot goes from hand to hand and none is free, so
	// a newcomer never overtakes: that is the fairness.
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return nil
	}
	if err := s.judgeQueue(); err != nil {
		s.mu.Unlock()
		return err
	}
	ready := make(chan struct{})
	place := s.queue.PushBack(ready)
	s.mu.Unlock()

	timer := time.NewTimer(s.wait)
	defer timer.Stop()
	var err error
	select {
	case <-ready:
		// Both may have become ready at once; a slot is not spent on
		// someone who has gone.
		if err = ctx.Err(); err == nil {
			return nil
		}
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = &BusyError{RetryAfter: retryAfter(s.wait)}
	}
	s.abandon(place, ready)
	return err
}

// abandon gives up a place in the queue, or the slot that was handed over in
// the meantime.
func (s *slots) abandon(place *list.Element, ready <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-ready:
		s.handOn()
	default:
		s.queue.Remove(place)
	}
}

// release gives a slot back that was held so long.
func (s *slots) release(held time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == 0 {
		s.held = held
	}
	// A machine that stood still for a minute does not make every hash one of a minute.
	s.held += (min(held, 4*s.held) - s.held) / 8
	s.handOn()
}

// handOn gives one slot to the first in the queue, or back. s.mu is held.
func (s *slots) handOn() {
	first := s.queue.Front()
	if first == nil {
		s.free++
		return
	}
	close(s.queue.Remove(first).(chan struct{}))
}

// retryAfter rounds up to whole seconds, the unit of the Retry-After header.
func retryAfter(wait time.Duration) time.Duration {
	return max(time.Second, (wait+time.Second-1)/time.Second*time.Second)
}
