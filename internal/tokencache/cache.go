package tokencache

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// sweepEvery is how often expired entries are dropped.
	sweepEvery = time.Minute
	// MinBytes is the minimum size of a cache, and of each of its shards: room for
	// about forty of the longest tokens.
	MinBytes  = 1 << 20
	maxShards = 64
	// hashed is how many bytes at the end of a text are hashed. Credentials have
	// their signature there, which differs in every credential.
	hashed = 64
	// fronts is how many entries of a shard can be found without its lock.
	fronts = 256
	// overhead is the size of an entry without its text and its value.
	overhead = 400
	// bytesPerGhost is how many bytes of a shard there are for each ghost: about as
	// many ghosts as entries.
	bytesPerGhost = 2 << 10
)

// Cache maps texts to values. It is safe for concurrent use.
type Cache[V any] struct {
	seed   maphash.Seed
	now    func() time.Time
	shards []shard[V]
	armed  atomic.Bool // a sweep is due
}

// shard holds its entries in two segments. A text is in probation until it is seen
// again, and then in main, which evicts like a clock: an entry that was used since the
// last round stays for another.
type shard[V any] struct {
	mu        sync.RWMutex
	entries   map[uint64]*Entry[V]
	probation segment[V]
	main      segment[V]
	ghosts    []uint64 // hashes of entries that left probation unseen, each at its place
	_         [64]byte // keeps the lock off the cache lines that all cores read

	// front has entries of main, each at the place that its hash gives. It is read
	// without the lock, and written with it.
	front [fronts]atomic.Pointer[Entry[V]]
}

// Entry is a text with its value.
type Entry[V any] struct {
	// Value is the value that Add was given. All callers of Get share it.
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

// New returns a cache of the given size, at least MinBytes.
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
		s.ghosts = make([]uint64, bytes/shards/bytesPerGhost)
	}
	return c
}

func (c *Cache[V]) shard(hash uint64) *shard[V] {
	return &c.shards[hash&uint64(len(c.shards)-1)]
}

// hash returns the hash of a text. Of two texts with the same hash the cache has the
// later one; an attacker who wants such a pair would have to choose signatures.
func (c *Cache[V]) hash(text string) uint64 {
	return maphash.String(c.seed, text[max(0, len(text)-hashed):])
}

// Get returns the entry of a text, or nil. The entry may have expired since the last
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

// find looks an entry up under the lock, and puts an entry of main into the front.
func (s *shard[V]) find(hash uint64) *Entry[V] {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.entries[hash]
	if e != nil && e.proven.Load() {
		s.place(hash).Store(e)
	}
	return e
}

// Add keeps a value for a text until the given time. bytes is the size of the value.
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
	if *s.ghost(e.hash) == e.hash { // seen again, though it had left probation
		s.keep(e)
	} else {
		s.probation.push(e)
	}
	for s.probation.bytes > s.probation.most {
		oldest := s.probation.oldest
		*s.ghost(oldest.hash) = oldest.hash
		s.drop(oldest)
	}
	s.mu.Unlock()
	c.arm()
}

// Remove drops an entry. Removing it twice is not an error.
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

// sweep drops expired entries, so that no credential is kept beyond its lifetime. It
// runs again while there are entries left.
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
	s.keep(e)
}

// keep puts an entry that was seen again into main. The caller holds the lock.
func (s *shard[V]) keep(e *Entry[V]) {
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

// ghost returns the place of a hash among the ghosts. Two hashes may share a place;
// then the later one has it.
func (s *shard[V]) ghost(hash uint64) *uint64 {
	return &s.ghosts[hash>>8%uint64(len(s.ghosts))]
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
