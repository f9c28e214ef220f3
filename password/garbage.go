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
	running uint64 // bytes that computations use while they run: no heap of the program's

	mu         sync.Mutex
	bytes      uint64 // since the last collection began
	last       uint64 // the last of them
	cycle      uint64 // the number of that collection
	collecting bool
}

// add reports a finished computation; it is called before its slot is free.
func (g *garbage) add(kib uint32) {
	if !g.exceeds(uint64(kib) << 10) {
		return
	}
	runtime.GC()
	cycle, _ := collected()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cycle, g.collecting = cycle, false
}

// exceeds counts what was left and reports whether it is too much by now, and the
// caller the one who has to collect it. What is left meanwhile is for the next.
func (g *garbage) exceeds(left uint64) bool {
	cycle, live := collected()
	g.mu.Lock()
	defer g.mu.Unlock()
	if cycle > g.cycle && !g.collecting {
		// The collector was here by itself. It may have begun before the last
		// computation ended.
		g.cycle, g.bytes = cycle, g.last
	}
	g.bytes += left
	g.last = left
	own := live - min(live, g.running)
	if g.collecting || g.bytes < max(leastGarbage, own/4) {
		return false
	}
	g.bytes, g.last, g.collecting = 0, 0, true
	return true
}

// collected returns how often the collector has run, and what it found alive the last
// time.
func collected() (cycles, live uint64) {
	s := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}
