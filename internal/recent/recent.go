// Package recent counts keys over a recent time, in bounded memory.
package recent

import (
	"hash/maphash"
	"math"
	"sync"
	"time"
)

// Counts holds a count for each key of the last window or two. It keeps hashes of the
// keys, and is safe for concurrent use.
type Counts struct {
	window time.Duration
	most   int
	seed   maphash.Seed

	mu        sync.Mutex
	now, past map[uint64]uint8
	began     time.Time // of now
}

// New returns Counts that keep each count for at least one window and at most two. most is
// the maximum number of keys in a window; with more, older ones are dropped early.
func New(window time.Duration, most int) *Counts {
	return &Counts{window: window, most: most, seed: maphash.MakeSeed(), now: map[uint64]uint8{}}
}

// Add adds n to the count of a key. The maximum count is 255.
func (c *Counts) Add(at time.Time, key string, n uint8) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(at)
	k := maphash.String(c.seed, key)
	c.now[k] = uint8(min(int(c.now[k])+int(n), math.MaxUint8))
}

// Count returns the count of a key.
func (c *Counts) Count(at time.Time, key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(at)
	k := maphash.String(c.seed, key)
	return int(c.now[k]) + int(c.past[k])
}

// turn begins a new window if the current one is over or full. The caller holds c.mu.
func (c *Counts) turn(at time.Time) {
	passed := at.Sub(c.began).Abs() // the clock may have been set back
	switch {
	case passed >= 2*c.window:
		c.past = nil
	case passed >= c.window, len(c.now) >= c.most:
		c.past = c.now
	default:
		return
	}
	c.now, c.began = map[uint64]uint8{}, at
}
