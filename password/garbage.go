package password

import (
	"runtime"
	"runtime/metrics"
	"sync"
)

// leastGarbage is how much memory finished computations may leave uncollected,
// however small the program's own heap is.
const leastGarbage = 64 << 20

// garbage keeps the memory of hashing within its bound. Argon2 allocates its
// blocks anew each time, and the collector, which paces itself by the heap it
// saw last, would let them pile up to twice what is in use. The blocks hold no
// pointers, so a collection costs what the rest of the program's heap costs:
// little in a small program, and in a large one more than the hash, so there
// it is asked for the less often.
type garbage struct {
	mu    sync.Mutex
	bytes uint64 // since the last collection
	cycle uint64 // the number of that collection

	collecting sync.Mutex
}

// add reports a finished computation; it is called before its slot is free.
func (g *garbage) add(kib uint32) {
	if !g.exceeds(uint64(kib) << 10) {
		return
	}
	// One collection at a time; what others leave meanwhile is for the next.
	if !g.collecting.TryLock() {
		return
	}
	defer g.collecting.Unlock()
	runtime.GC()
}

// exceeds counts what was left and reports whether it is too much by now.
func (g *garbage) exceeds(left uint64) bool {
	cycle, live := collected()
	g.mu.Lock()
	defer g.mu.Unlock()
	if cycle > g.cycle { // the collector was here by itself
		g.cycle, g.bytes = cycle, 0
	}
	g.bytes += left
	return g.bytes >= max(leastGarbage, live/4)
}

// collected returns how often the collector has run, and what it found alive the last
// time.
func collected() (cycles, live uint64) {
	s := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}
