package password

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// sleeping returns a computation that takes d and records in most how many ran at
// once.
func sleeping(running, most *atomic.Int32, d time.Duration) func() error {
	return func() error {
		n := running.Add(1)
		defer running.Add(-1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		time.Sleep(d)
		return nil
	}
}

func TestLM02_NeverMoreThanSlotsThenBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := NewHasher(HasherConfig{Slots: 3})
		if err != nil {
			t.Fatal(err)
		}
		var running, most, done, busy atomic.Int32
		var wg sync.WaitGroup
		start := time.Now()
		for range 500 {
			wg.Go(func() {
				err := h.run(t.Context(), h.slots, sleeping(&running, &most, 300*time.Millisecond))
				var b *BusyError
				switch {
				case err == nil:
					done.Add(1)
				case errors.As(err, &b) && b.RetryAfter >= time.Second:
					busy.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		// Three start at 0 s, and after each hash and its pause; after 1 s the others give up.
		if most.Load() != 3 || done.Load() != 12 || busy.Load() != 488 {
			t.Errorf("most at once %d, done %d, busy %d", most.Load(), done.Load(), busy.Load())
		}
		if d := time.Since(start); d != 4*300*time.Millisecond+3*pause(300*time.Millisecond) {
			t.Errorf("took %v", d)
		}
		if h.Count() != 12 {
			t.Errorf("Count is %d", h.Count())
		}
	})
}

// Once the duration of a computation is known, callers that would wait too long
// are refused at once.
func TestLM02_HopelessCallersAreRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := NewHasher(HasherConfig{Slots: 3})
		if err != nil {
			t.Fatal(err)
		}
		var running, most, done, busy, late atomic.Int32
		compute := sleeping(&running, &most, 300*time.Millisecond)
		if err := errors.Join(h.run(t.Context(), h.slots, compute), h.Busy(t.Context())); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		start := time.Now()
		for range 500 {
			wg.Go(func() {
				switch err := h.run(t.Context(), h.slots, compute); {
				case err == nil:
					done.Add(1)
				case errors.As(err, new(*BusyError)) && time.Since(start) == 0:
					busy.Add(1)
				case errors.As(err, new(*BusyError)) && time.Since(start) == time.Second:
					late.Add(1)
				default:
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		}
		synctest.Wait()
		var b *BusyError
		if err := h.Busy(t.Context()); !errors.As(err, &b) || b.RetryAfter < time.Second {
			t.Errorf("with a full queue, Busy returns %v", err)
		}
		wg.Wait()
		// Three run at once and nine more within a second. One is queued for too
		// long: the estimate assumes slots that become free one after the other,
		// while here they become free together.
		if done.Load() != 12 || busy.Load() != 487 || late.Load() != 1 || most.Load() != 3 {
			t.Errorf("done %d, refused at once %d, refused later %d, most at once %d", done.Load(), busy.Load(), late.Load(), most.Load())
		}
		if err := h.Busy(t.Context()); err != nil {
			t.Errorf("with an empty queue, Busy returns %v", err)
		}
	})
}

func TestLM02_CanceledCallersLeaveTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := NewHasher(HasherConfig{Slots: 1, QueueWait: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		var running, most atomic.Int32
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := h.run(t.Context(), h.slots, sleeping(&running, &most, time.Second)); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		for range 500 {
			wg.Go(func() {
				if err := h.run(ctx, h.slots, sleeping(&running, &most, time.Second)); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		cancel()
		// The last caller waits only for the running computation.
		start := time.Now()
		if err := h.run(t.Context(), h.slots, sleeping(&running, &most, time.Second)); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != 2*time.Second+pause(time.Second) {
			t.Errorf("took %v", d)
		}
		wg.Wait()
		if h.Count() != 2 || most.Load() != 1 || h.slots.free != 1 || h.slots.queue.length != 0 {
			t.Errorf("Count %d, most %d, free %d, queued %d", h.Count(), most.Load(), h.slots.free, h.slots.queue.length)
		}
	})
}

func TestLM02_FirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, time.Minute)
		if err := s.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		var order []int // guarded by the slot
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if err := s.acquire(t.Context()); err != nil {
					t.Error(err)
					return
				}
				order = append(order, i)
				s.release(0)
			})
			synctest.Wait()
		}
		s.release(0)
		wg.Wait()
		for i, n := range order {
			if i != n {
				t.Fatalf("served in the order %v", order)
			}
		}
	})
}

// A slot that is passed to a caller whose context has just ended must not be lost.
func TestLM02_NoSlotIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(2, time.Millisecond)
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				for range 200 {
					ctx, cancel := context.WithCancel(t.Context())
					if i%2 == 0 {
						go cancel()
					}
					if s.acquire(ctx) == nil {
						runtime.Gosched()
						s.release(time.Microsecond)
					}
					cancel()
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Second) // the last pause ends
		if s.free != 2 || s.queue.length != 0 {
			t.Errorf("free %d, queued %d", s.free, s.queue.length)
		}
	})
}

func TestCanceledContextComputesNothing(t *testing.T) {
	h, err := NewHasher(HasherConfig{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Hash(ctx, "vast otter sings low"); !errors.Is(err, context.Canceled) {
		t.Errorf("Hash: %v", err)
	}
	if _, _, err := h.Verify(ctx, "damaged", "vast otter sings low"); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify: %v", err)
	}
	if h.Count() != 0 {
		t.Errorf("Count is %d", h.Count())
	}
}

func TestLM02_RetryAfterIsWholeSeconds(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{
		time.Millisecond: time.Second, time.Second: time.Second, 1500 * time.Millisecond: 2 * time.Second,
	} {
		if got := wholeSeconds(in); got != want {
			t.Errorf("wholeSeconds(%v) = %v, want %v", in, got, want)
		}
	}
}

// Imported hashes may take seconds on one core.
func TestLM02_SlowImportedHashesDelayNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := NewHasher(HasherConfig{Slots: 1})
		if err != nil {
			t.Fatal(err)
		}
		stored, err := parse("$x-bcrypt$2a$14$" + "abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_ = h.run(t.Context(), h.slotsOf(stored), func() error { time.Sleep(10 * time.Second); return nil })
			})
		}
		synctest.Wait()
		start := time.Now()
		if err := errors.Join(h.Busy(t.Context()), h.VerifyDummy(t.Context(), "vast otter sings low")); err != nil || time.Since(start) != 0 {
			t.Errorf("%v, after %v", err, time.Since(start))
		}
		wg.Wait()
	})
}

func TestLM02_OneStallDoesNotRefuseCallers(t *testing.T) {
	s := newSlots(1, time.Second)
	for _, held := range []time.Duration{100 * time.Millisecond, time.Minute} {
		if err := s.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.release(held)
	}
	if err := s.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.busy(queueKey{}); err != nil {
		t.Errorf("after one stall, with an empty queue: %v", err)
	}
}

// heapMemory returns the memory that counts toward GOMEMLIMIT.
func heapMemory() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// With the memory limit that Hasher documents, a burst of hashes exceeds it by at
// most the memory of the running computations.
func TestLM02_MemoryIsBounded(t *testing.T) {
	const slots, each = 2, 64 << 20
	h, err := NewHasher(HasherConfig{Slots: slots, Params: Params{Time: 1}, QueueWait: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	debug.FreeOSMemory()
	limit := heapMemory() + 2*slots*each
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(int64(limit)))
	stop, sampled := make(chan struct{}), make(chan struct{})
	var peak uint64
	go func() {
		defer close(sampled)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, heapMemory())
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	var done, busy atomic.Int32
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			switch _, err := h.Hash(t.Context(), "vast otter sings low"); {
			case err == nil:
				done.Add(1)
			case errors.As(err, new(*BusyError)):
				busy.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(stop)
	<-sampled
	t.Logf("%d hashed, %d busy, peak %d MiB, memory limit %d MiB", done.Load(), busy.Load(), peak>>20, limit>>20)
	if most := limit + slots*each + 8<<20; peak > most { // 8 MiB for the 500 goroutines
		t.Errorf("peak of %d MiB, want at most %d MiB", peak>>20, most>>20)
	}
	if done.Load()+busy.Load() != 500 || done.Load() == 0 {
		t.Errorf("%d hashed, %d busy", done.Load(), busy.Load())
	}
}

// While all slots of imported hashes are busy, an imported account answers like one
// with a wrong password. A refusal would reveal that it was imported.
func TestEN06_BusyForeignSlotsRevealNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := NewHasher(HasherConfig{Slots: 1})
		if err != nil {
			t.Fatal(err)
		}
		for name, f := range map[string]Foreign{
			"bcrypt": {Bcrypt: &Bcrypt{Hash: "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}},
			"phpass": {PHPass: &PHPass{Hash: "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"}},
		} {
			stored, err := h.Import(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.foreignSlots.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := h.Count()
			ok, rehash, err := h.Verify(t.Context(), stored, "U*U")
			if ok || rehash || err != nil || h.Count() != before+1 {
				t.Errorf("%s: %v, %v, %v with %d computations, want what a wrong password gets", name, ok, rehash, err, h.Count()-before)
			}
			h.foreignSlots.release(time.Second)
		}
	})
}
