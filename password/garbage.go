package password

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// maxGarbage is how much memory finished computations may leave uncollected.
const maxGarbage = 64 * 1024 // KiB

// garbage keeps the memory of hashing within its bound. Argon2 allocates its
// blocks anew each time, and the collector, which paces itself by the heap it
// saw last, would let them pile up to twice what is in use. The blocks hold no
// pointers, so a collection costs what the rest of the program's heap costs.
type garbage struct {
	kib        atomic.Uint64
	collecting sync.Mutex
}

// add reports a finished computation; it is called before its slot is free.
func (g *garbage) add(kib uint32) {
	if g.kib.Add(uint64(kib)) < maxGarbage {
		return
	}
	// One collection at a time; what others leave meanwhile is for the next.
	if !g.collecting.TryLock() {
		return
	}
	defer g.collecting.Unlock()
	g.kib.Store(0)
	runtime.GC()
}
