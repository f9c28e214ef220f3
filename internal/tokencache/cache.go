package tokencache

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// sweepEvery is how often what has expired is dropped.
	sweepEvery = time.Minute
	// MinBytes is the least that a cache is given, and each of its shards: some
	// forty of the longest tokens.
	MinBytes  = 1 << 20
	maxShards = 64
	// hashed is how much of a text, from its end, decides where its entry is. There
	// the credentials have their signature, which is as good as random.
	hashed = 64
	// fronts is how many entries of a shard can be found without its lock.
	fronts = 256
	// overhead is what an entry costs beside its text and what the caller counts.
	overhead = 400
)

// Cache maps texts to what is known of them. It is safe for concurrent use.
type Cache[V any] struct {
	seed   maphash.Seed
	now    func() time.Time
	shards []shard[V]
	armed  atomic.Bool // a sweep is due
}

// shard holds its entries in two segments. Main is a clock: an entry that was used
// since the hand passed gets another round.
type shard[V any] struct {
	mu        sync.RWMutex
	entries   map[uint64]*Entry[V]
	probation segment[V]
	main      segment[V]
	_         [64]byte // keeps the lock off the cache lines that all cores read

	// front has entries of main, each at the one place that its hash says. It is
	// read without the lock, and written with it.
	front [fronts]atomic.Pointer[Entry[V]]
}

// Entry is a text and what is known of it.
type Entry[V any] struct {
	// Value is what Add was given. It is shared by all who get the entry.
	Value V

	text   string
	hash   uint64
	until  int64 // Unix nanoseconds
	bytes  int
	used   atomic.Bool
	proven atomic.Bool // in main; written under the shard's lock

	// Guarded by the shard's lock; the segment is nil once the entry is removed.
	segment        *segment[V]
	earlier, later *Entry[V]
}

// New returns a cache that keeps to so many bytes, at least MinBytes.
func New[V any](bytes int, now func() time.Time) *Cache[V] {
	shards := 1
	for shards < maxShards && bytes/(2*shards) >= MinBytes {
		shards *= 2
	}
	c := &Cache[V]{seed: maphash.MakeSeed(), now: now, shards: make([]shard[V], shards)}
	for i := range c.shards {
		s := &c.shards[i]
		s.entries = make(map[uint64]*Entry[V])
		s.probation.most = bytes / shards / 8
		s.main.most = bytes/shards - s.probation.most
	}
	return c
}

func (c *Cache[V]) shard(hash uint64) *shard[V] {
	return &c.shards[hash&uint64(len(c.shards)-1)]
}

// hash says where to look. Of two texts with one hash the later has the place; to
// choose such a pair, one would have to choose signatures.
func (c *Cache[V]) hash(text string) uint64 {
	return maphash.String(c.seed, text[max(0, len(text)-hashed):])
}

// Get returns the entry of a text, or nil. It may have expired since the last
// sweep.
func (c *Cache[V]) Get(text string) *Entry[V] {
	hash := c.hash(text)
	s := c.shard(hash)
	e := s.place(hash).Load()
	if e == nil || e.hash != hash {
		if e = s.find(hash); e == nil {
			return nil
		}
	}
	if e.text != text {
		return nil
	}
	if !e.proven.Load() {
		s.promote(e)
	}
	if !e.used.Load() { // the common case writes nothing that other cores read
		e.used.Store(true)
	}
	return e
}

func (s *shard[V]) place(hash uint64) *atomic.Pointer[Entry[V]] {
	return &s.front[hash>>32%fronts]
}

// find looks behind the front. What is found there comes to the front, while the
// lock keeps it from being dropped.
func (s *shard[V]) find(hash uint64) *Entry[V] {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.entries[hash]
	if e != nil && e.proven.Load() {
		s.place(hash).Store(e)
	}
	return e
}

// Add keeps what is known of a text until an instant. bytes is what the value costs
// in memory.
func (c *Cache[V]) Add(text string, value V, until time.Time, bytes int) {
	e := &Entry[V]{
		Value: value,
		text:  strings.Clone(text), // it may be a piece of a large header
		hash:  c.hash(text),
		until: until.UnixNano(),
		bytes: overhead + len(text) + bytes,
	}
	s := c.shard(e.hash)
	s.mu.Lock()
	if old := s.entries[e.hash]; old != nil {
		s.drop(old)
	}
	s.entries[e.hash] = e
	s.probation.push(e)
	for s.probation.bytes > s.probation.most {
		s.drop(s.probation.oldest)
	}
	s.mu.Unlock()
	c.arm()
}

// Remove drops an entry. Dropping it twice is no error.
func (c *Cache[V]) Remove(e *Entry[V]) {
	s := c.shard(e.hash)
	s.mu.Lock()
	s.drop(e)
	s.mu.Unlock()
}

func (c *Cache[V]) arm() {
	if !c.armed.Load() && !c.armed.Swap(true) {
		time.AfterFunc(sweepEvery, c.sweep)
	}
}

// sweep drops what has expired, so that no credential is kept for longer than it
// lives, and comes back while there is something left.
func (c *Cache[V]) sweep() {
	now := c.now().UnixNano()
	left := 0
	c.armed.Store(false)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for _, e := range s.entries {
			if now >= e.until {
				s.drop(e)
			}
		}
		left += len(s.entries)
		s.mu.Unlock()
	}
	if left > 0 {
		c.arm()
	}
}

// promote moves an entry that was seen again from probation to main.
func (s *shard[V]) promote(e *Entry[V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.segment != &s.probation {
		return // removed or promoted meanwhile
	}
	s.probation.pull(e)
	s.main.push(e)
	e.proven.Store(true)
	e.used.Store(true) // or it could be the one to go
	for s.main.bytes > s.main.most {
		oldest := s.main.oldest
		if oldest.used.Swap(false) {
			s.main.pull(oldest)
			s.main.push(oldest)
			continue
		}
		s.drop(oldest)
	}
}

func (s *shard[V]) drop(e *Entry[V]) {
	if e.segment == nil {
		return
	}
	e.segment.pull(e)
	s.place(e.hash).CompareAndSwap(e, nil)
	if s.entries[e.hash] == e {
		delete(s.entries, e.hash)
	}
}
