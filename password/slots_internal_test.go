package password

import (
	"context"
	"errors"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// slowly stands in for a computation of so long, in the bubble's time.
func slowly(running, most *atomic.Int32, d time.Duration) func() error {
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
				err := h.run(t.Context(), h.slots, 0, slowly(&running, &most, 300*time.Millisecond))
				var b *BusyError
				switch {
				case err == nil:
					done.Add(1)
				case errors.As(err, &b) && errors.Is(err, ErrBusy) && b.RetryAfter == time.Second:
					busy.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		// Starts at 0, 0.3, 0.6 and 0.9 s, three each; after 1 s nobody waits.
		if most.Load() != 3 || done.Load() != 12 || busy.Load() != 488 {
			t.Errorf("most at once %d, done %d, busy %d", most.Load(), done.Load(), busy.Load())
		}
		if d := time.Since(start); d != 1200*time.Millisecond {
			t.Errorf("took %v", d)
		}
		if h.Count() != 12 {
			t.Errorf("Count is %d", h.Count())
		}
	})
}

// Once it is known how long a computation takes, who would wait in vain does not
// wait at all.
func TestLM02_WhoWouldWaitInVainIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := NewHasher(HasherConfig{Slots: 3})
		if err != nil {
			t.Fatal(err)
		}
		var running, most, done, busy, late atomic.Int32
		compute := slowly(&running, &most, 300*time.Millisecond)
		if err := errors.Join(h.run(t.Context(), h.slots, 0, compute), h.Busy()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		start := time.Now()
		for range 500 {
			wg.Go(func() {
				switch err := h.run(t.Context(), h.slots, 0, compute); {
				case err == nil:
					done.Add(1)
				case errors.Is(err, ErrBusy) && time.Since(start) == 0:
					busy.Add(1)
				case errors.Is(err, ErrBusy) && time.Since(start) == time.Second:
					late.Add(1)
				default:
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		}
		synctest.Wait()
		var b *BusyError
		if err := h.Busy(); !errors.As(err, &b) || b.RetryAfter != time.Second {
			t.Errorf("with a full queue Busy says %v", err)
		}
		wg.Wait()
		// Three at once, nine whose turn comes within a second, and one of whom that
		// could only be hoped, because here all slots come free together.
		if done.Load() != 12 || busy.Load() != 487 || late.Load() != 1 || most.Load() != 3 {
			t.Errorf("done %d, told at once %d, and later %d, most at once %d", done.Load(), busy.Load(), late.Load(), most.Load())
		}
		if err := h.Busy(); err != nil {
			t.Errorf("with nobody there Busy says %v", err)
		}
	})
}

func TestLM02_CallersWhoGoAwayFreeTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := NewHasher(HasherConfig{Slots: 1, QueueWait: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		var running, most atomic.Int32
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := h.run(t.Context(), h.slots, 0, slowly(&running, &most, time.Second)); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		for range 500 {
			wg.Go(func() {
				if err := h.run(ctx, h.slots, 0, slowly(&running, &most, time.Second)); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		cancel()
		// The honest one comes last and waits for the one computation only.
		start := time.Now()
		if err := h.run(t.Context(), h.slots, 0, slowly(&running, &most, time.Second)); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("took %v", d)
		}
		wg.Wait()
		if h.Count() != 2 || most.Load() != 1 || h.slots.free != 1 || h.slots.queue.Len() != 0 {
			t.Errorf("Count %d, most %d, free %d, queued %d", h.Count(), most.Load(), h.slots.free, h.slots.queue.Len())
		}
	})
}

func TestLM02_FirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, time.Minute)
		if err := s.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		var order []int // written by whoever holds the slot
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

// A slot that is handed over to someone who has just gone must not be lost.
func TestLM02_NoSlotIsLost(t *testing.T) {
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
					s.release(0)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if s.free != 2 || s.queue.Len() != 0 {
		t.Errorf("free %d, queued %d", s.free, s.queue.Len())
	}
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

func TestRetryAfterIsWholeSeconds(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{
		time.Millisecond: time.Second, time.Second: time.Second, 1500 * time.Millisecond: 2 * time.Second,
	} {
		if got := retryAfter(in); got != want {
			t.Errorf("retryAfter(%v) = %v, want %v", in, got, want)
		}
	}
}

// heap is the bytes of objects, live or not yet collected.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// A program with much memory of its own is not made to look through all of it for
// each hash.
func TestLM02_GarbageIsCollectedInProportion(t *testing.T) {
	for _, c := range []struct{ live, least, most int }{{0, 1, 1}, {1 << 30, 4, 6}} { // in hashes of 64 MiB
		own := make([]byte, c.live)
		runtime.GC()
		var g garbage
		n := 1
		for !g.exceeds(64 << 20) {
			n++
		}
		if n < c.least || n > c.most {
			t.Errorf("with %d MiB alive, a collection after %d hashes, want %d to %d", c.live>>20, n, c.least, c.most)
		}
		if g.exceeds(1 << 40) {
			t.Error("a second one collects while the first does")
		}
		g.collecting = false
		runtime.GC()
		if g.bytes, g.last = 1<<40, 1<<20; c.most > 1 && g.exceeds(1<<20) {
			t.Error("the collector was here by itself, and what it took still counts")
		}
		runtime.KeepAlive(own)
	}
}

// What is in use by hashes that run is no heap of the program's.
func TestLM02_HashesThatRunAreNoReasonForMoreGarbage(t *testing.T) {
	h, err := NewHasher(HasherConfig{Slots: 8})
	if err != nil {
		t.Fatal(err)
	}
	running := make([]byte, 8*64<<20)
	runtime.GC()
	if !h.garbage.exceeds(64 << 20) {
		t.Error("64 MiB are left beside eight hashes that run, and nothing is collected")
	}
	runtime.KeepAlive(running)
}

// Hashes made elsewhere may take seconds on one core.
func TestLM02_SlowImportedHashesKeepNobodyWaiting(t *testing.T) {
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
				_ = h.run(t.Context(), h.slotsOf(stored), 0, func() error { time.Sleep(10 * time.Second); return nil })
			})
		}
		synctest.Wait()
		start := time.Now()
		if err := errors.Join(h.Busy(), h.VerifyDummy(t.Context(), "vast otter sings low")); err != nil || time.Since(start) != 0 {
			t.Errorf("%v, after %v", err, time.Since(start))
		}
		wg.Wait()
	})
}

func TestLM02_OneStallIsNoLongHash(t *testing.T) {
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
	if err := s.crowded(); err != nil {
		t.Errorf("after one stall, with an empty queue: %v", err)
	}
}

func TestLM02_MemoryIsBounded(t *testing.T) {
	const slots, m = 2, 64 << 20
	h, err := NewHasher(HasherConfig{Slots: slots})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	base := heap()
	stop, sampled := make(chan struct{}), make(chan struct{})
	var peak uint64
	go func() {
		defer close(sampled)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, heap())
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
			case errors.Is(err, ErrBusy):
				busy.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(stop)
	<-sampled
	t.Logf("%d hashed, %d busy, peak %d MiB over %d MiB", done.Load(), busy.Load(), (peak-base)>>20, base>>20)
	if limit := base + slots*m + 64<<20 + 8<<20; peak > limit { // 8 MiB for the 500 goroutines
		t.Errorf("peak of %d MiB, limit %d MiB", peak>>20, limit>>20)
	}
	if done.Load()+busy.Load() != 500 || done.Load() == 0 {
		t.Errorf("%d hashed, %d busy", done.Load(), busy.Load())
	}
}
