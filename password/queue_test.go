package password

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A caller is refused if it is expected to wait for longer than QueueWait, by the average
// time for which a slot is held.
func TestLM02_TheExpectedWaitDecides(t *testing.T) {
	s := newSlots(1, 5*time.Second)
	s.release(8 * time.Second) // the first one
	s.release(16 * time.Second)
	if s.held != 9*time.Second {
		t.Errorf("the average is %s, want an eighth of the way to the last one", s.held)
	}
	s.release(time.Hour) // counts as four times the average
	if want := 9*time.Second + 27*time.Second/8; s.held != want {
		t.Errorf("the average is %s, want %s", s.held, want)
	}
	s = newSlots(2, 0)
	s.free, s.held = 0, 20*time.Second
	s.wait = s.interval() / 2 // until the next slot is there, on average
	if err := s.busy(queueKey{}); err != nil {
		t.Errorf("expected to wait for exactly QueueWait: %v", err)
	}
	s.held += 4
	if err := s.busy(queueKey{}); err == nil {
		t.Error("expected to wait for longer than QueueWait: no error")
	}
	// Another client, or another group, has at most one turn more before this caller than
	// its own client or group.
	for name, others := range map[string]queueKey{"a client": {"group", "other"}, "a group": {"other", "client"}} {
		own := queueKey{"group", "client"}
		s := newSlots(2, 0)
		s.free, s.held = 0, 20*time.Second
		s.wait = s.interval() * 3 / 2
		for range 4 {
			s.queue.push(others)
		}
		if err := s.busy(own); err != nil {
			t.Errorf("behind one caller of %s: %v", name, err)
		}
		s.queue.push(own)
		if err := s.busy(own); err == nil {
			t.Errorf("behind one caller of its own and two of %s: no error", name)
		}
		s.wait = s.interval() * 7 / 2
		if err := s.busy(own); err != nil {
			t.Errorf("behind three callers, two of %s: %v", name, err)
		}
	}
}

// The caller that releases a slot has time to complete its request before the next
// computation begins. A slot that nobody waits for is free at once.
func TestLM02_ASlotIsUnusedForAPauseBeforeTheNextCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const held = 200 * time.Millisecond
		s := newSlots(1, time.Minute)
		take := func(ctx context.Context) (waited time.Duration, err error) {
			start := time.Now()
			err = s.acquire(ctx)
			return time.Since(start), err
		}
		if waited, err := take(t.Context()); err != nil || waited != 0 {
			t.Fatalf("a free slot: %v, after %v", err, waited)
		}
		next := make(chan time.Duration, 1)
		go func() {
			waited, _ := take(t.Context())
			next <- waited
		}()
		synctest.Wait()
		s.release(held)
		time.Sleep(pause(held) / 2)
		ctx, cancel := context.WithTimeout(t.Context(), pause(held))
		defer cancel()
		if _, err := take(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller that comes during the pause: %v, want that it waits", err)
		}
		if waited := <-next; waited != held/20 {
			t.Errorf("the slot passed on after %v, want %v", waited, held/20)
		}
		s.release(held)
		if waited, err := take(t.Context()); err != nil || waited != 0 {
			t.Errorf("a slot that nobody waited for: %v, after %v", err, waited)
		}

		ctx, cancel = context.WithTimeout(t.Context(), pause(held)/2)
		defer cancel()
		left := make(chan error, 1)
		go func() {
			_, err := take(ctx)
			left <- err
		}()
		synctest.Wait()
		s.release(held)
		if err := <-left; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller that leaves during the pause: %v", err)
		}
		if waited, err := take(t.Context()); err != nil || waited != pause(held)/2 {
			t.Errorf("after a pause for a caller that has left: %v, after %v, want at the end of the pause", err, waited)
		}
	})
}

// One client with any number of callers delays another by at most one computation.
func TestLM08_ClientsTakeTurns(t *testing.T) {
	const hash = 60 * time.Millisecond
	for _, attackers := range []int{1, 10} {
		synctest.Test(t, func(t *testing.T) {
			h, err := NewHasher(HasherConfig{Slots: 2})
			if err != nil {
				t.Fatal(err)
			}
			attempt := func(client string) error {
				return h.run(WithClient(t.Context(), "", client), h.slots, func() error { time.Sleep(hash); return nil })
			}
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for i := range attackers {
				for range 64 {
					wg.Go(func() {
						for {
							select {
							case <-stop:
								return
							default:
							}
							// Each free place is wanted by 20 callers at least, so the queue stays full.
							if attempt("attacker "+strconv.Itoa(i)) != nil {
								time.Sleep(100 * time.Millisecond)
							}
						}
					})
				}
			}
			time.Sleep(10 * time.Second)
			for i := range 50 {
				start := time.Now()
				if err := attempt("user"); err != nil {
					t.Fatalf("%d attackers: sign-in %d: %v", attackers, i, err)
				}
				// Two slots: each attacker is served once before, and one hash is running.
				if took, most := time.Since(start), hash*time.Duration(attackers/2+3); took > most {
					t.Fatalf("%d attackers: sign-in %d took %s, at most %s is meant", attackers, i, took, most)
				}
				time.Sleep(700 * time.Millisecond)
			}
			close(stop)
			wg.Wait()
			if h.slots.queue.length != 0 || len(h.slots.queue.byGroup) != 0 || h.slots.queue.turns.Len() != 0 || h.slots.free != 2 {
				t.Errorf("the queue is not empty: %d callers, %d free", h.slots.queue.length, h.slots.free)
			}
		})
	}
}

// A group of any number of clients delays another group by at most one computation each
// turn.
func TestLM08_GroupsTakeTurns(t *testing.T) {
	const hash = 60 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		h, err := NewHasher(HasherConfig{Slots: 1})
		if err != nil {
			t.Fatal(err)
		}
		attempt := func(group, client string) error {
			return h.run(WithClient(t.Context(), group, client), h.slots, func() error { time.Sleep(hash); return nil })
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					// Each free place is wanted by 100 callers, so the queue stays full.
					if attempt("attackers", strconv.Itoa(i)) != nil {
						time.Sleep(500 * time.Millisecond)
					}
				}
			})
		}
		time.Sleep(10 * time.Second)
		for i := range 50 {
			start := time.Now()
			if err := attempt("", "user"); err != nil {
				t.Fatalf("sign-in %d: %v", i, err)
			}
			// One hash is running, and one of the attackers may have the next turn.
			if took := time.Since(start); took > 3*hash+2*pause(hash) {
				t.Fatalf("sign-in %d took %s, want at most three hashes and two pauses", i, took)
			}
			time.Sleep(700 * time.Millisecond)
		}
		close(stop)
		wg.Wait()
		if h.slots.queue.length != 0 || len(h.slots.queue.byGroup) != 0 || h.slots.queue.turns.Len() != 0 || h.slots.free != 1 {
			t.Errorf("the queue is not empty: %d callers, %d free", h.slots.queue.length, h.slots.free)
		}
	})
}

// The callers of every other client and of every other group count, with the turns that
// they get before a new caller.
func TestLM08_TheCallersBeforeANewOneAreCounted(t *testing.T) {
	var q groupedQueue
	for _, p := range []queueKey{
		{"own", "a"}, {"own", "a"}, {"own", "b"}, {"own", "b"}, {"own", "c"}, {"x", "a"}, {"x", "b"}, {"y", "a"}, {"y", "a"}, {"y", "a"},
	} {
		q.push(p)
	}
	for own, want := range map[queueKey]int{{"own", "a"}: 10, {"own", "new"}: 8, {"new", "a"}: 3} {
		if got := q.ahead(own); got != want {
			t.Errorf("%d callers before a new one of %v, want %d", got, own, want)
		}
	}
}

// Callers that are refused together come back one after the other, as fast as slots become
// free. A caller that is refused alone comes back after a second.
func TestLM02_RefusedCallersComeBackOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := NewHasher(HasherConfig{Slots: 2})
		if err != nil {
			t.Fatal(err)
		}
		compute := func() error { time.Sleep(200 * time.Millisecond); return nil }
		if err := h.run(t.Context(), h.slots, compute); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		fill := func() {
			for range 2 + 2*5 { // the running ones, and those that a second has room for
				wg.Go(func() { _ = h.run(t.Context(), h.slots, compute) })
			}
			synctest.Wait()
		}
		refused := func() time.Duration {
			var busy *BusyError
			if err := h.Busy(t.Context()); !errors.As(err, &busy) {
				t.Fatalf("with a full queue, Busy returns %v", err)
			}
			return busy.RetryAfter
		}
		fill()
		if got := refused(); got != time.Second {
			t.Errorf("a caller that is refused alone waits %s, want a second", got)
		}
		times := map[time.Duration]int{}
		for range 900 {
			times[refused()]++
		}
		for second := 2 * time.Second; second <= longestReturn; second += time.Second {
			if n := times[second]; n < 90 || n > 110 {
				t.Errorf("%d of 900 callers come back after %s, want about 100", n, second)
			}
		}
		if len(times) > 10 {
			t.Errorf("the callers come back after %v, want at most %s", times, longestReturn)
		}
		wg.Wait()
		time.Sleep(longestReturn)
		fill()
		if got := refused(); got != time.Second {
			t.Errorf("a caller that is refused alone later waits %s, want a second", got)
		}
		wg.Wait()
	})
}
