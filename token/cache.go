package token

import (
	"container/list"
	"context"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxCached is how long a verified token is kept at most, so that one with a far
	// exp is verified again now and then and its text does not stay in memory.
	maxCached = time.Hour
	// sweepEvery is how often what has expired is dropped.
	sweepEvery = time.Minute
	// shardBytes is the least that a shard is given: some forty of the longest tokens.
	shardBytes = 1 << 20
	maxShards  = 64
)

// cache keeps session tokens that verified, under the whole credential: another
// signature, another header or one more byte is another entry. The hash only finds
// the place; it has a secret seed, and the text is then compared.
//
// Only verified tokens come in, so a flood of forged ones changes nothing. A flood
// of genuine ones that are each used once passes through a small probation segment
// and leaves the main one alone, where tokens go that were seen again.
type cache struct {
	seed   maphash.Seed
	now    func() time.Time
	shards []cacheShard
	armed  atomic.Bool // a sweep is due
}

// cacheShard holds its entries in two lists, oldest first. Main is a clock: an
// entry that was used since the hand passed gets another round.
type cacheShard struct {
	mu        sync.RWMutex
	entries   map[uint64]*entry
	probation segment
	main      segment
}

type segment struct {
	list        list.List
	bytes, most int
}

type entry struct {
	raw       string
	hash      uint64
	claims    *Claims
	issuer    *issuer
	key       PublicKey
	keySeen   atomic.Uint64 // generation of the key set that the key was last found in
	notBefore int64         // Unix nanoseconds, leeway included
	notAfter  int64
	bytes     int

	used    atomic.Bool
	proven  atomic.Bool // in main; written under the shard's lock
	segment *segment    // nil once removed
	element *list.Element
}

func newCache(most int, now func() time.Time) *cache {
	shards := 1
	for shards < maxShards && most/(2*shards) >= shardBytes {
		shards *= 2
	}
	c := &cache{seed: maphash.MakeSeed(), now: now, shards: make([]cacheShard, shards)}
	for i := range c.shards {
		s := &c.shards[i]
		s.entries = make(map[uint64]*entry)
		s.probation.most = most / shards / 8
		s.main.most = most/shards - s.probation.most
	}
	return c
}

func (c *cache) shard(hash uint64) *cacheShard {
	return &c.shards[hash&uint64(len(c.shards)-1)]
}

// get returns the entry of a token, which may have expired since.
func (c *cache) get(raw string) *entry {
	hash := maphash.String(c.seed, raw)
	s := c.shard(hash)
	s.mu.RLock()
	e := s.entries[hash]
	s.mu.RUnlock()
	if e == nil || e.raw != raw {
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

// add keeps a token that has just verified.
func (c *cache) add(raw string, v verified, leeway time.Duration) {
	claims := v.claims
	from := claims.IssuedAt
	if claims.NotBefore.After(from) {
		from = claims.NotBefore
	}
	until := claims.ExpiresAt.Add(leeway)
	if most := c.now().Add(maxCached); until.After(most) {
		until = most
	}
	e := &entry{
		raw:       strings.Clone(raw), // raw may be a piece of a large header
		hash:      maphash.String(c.seed, raw),
		claims:    claims,
		issuer:    v.issuer,
		key:       v.key,
		notBefore: from.Add(-leeway).UnixNano(),
		notAfter:  until.UnixNano(),
		bytes:     footprint(raw, claims),
	}
	e.keySeen.Store(v.generation)
	s := c.shard(e.hash)
	s.mu.Lock()
	if old := s.entries[e.hash]; old != nil {
		s.drop(old)
	}
	s.entries[e.hash] = e
	s.probation.push(e)
	s.shrinkProbation()
	s.mu.Unlock()
	if !c.armed.Swap(true) {
		time.AfterFunc(sweepEvery, c.sweep)
	}
}

func (c *cache) remove(e *entry) {
	s := c.shard(e.hash)
	s.mu.Lock()
	s.drop(e)
	s.mu.Unlock()
}

// sweep drops what has expired, so that no credential is kept for longer than it
// lives, and comes back while there is something left.
func (c *cache) sweep() {
	now := c.now().UnixNano()
	left := 0
	c.armed.Store(false)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for _, e := range s.entries {
			if now >= e.notAfter {
				s.drop(e)
			}
		}
		left += len(s.entries)
		s.mu.Unlock()
	}
	if left > 0 && !c.armed.Swap(true) {
		time.AfterFunc(sweepEvery, c.sweep)
	}
}

// promote moves an entry that was seen again from probation to main.
func (s *cacheShard) promote(e *entry) {
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
		oldest := s.main.list.Front().Value.(*entry)
		if oldest.used.Swap(false) {
			s.main.list.MoveToBack(oldest.element)
			continue
		}
		s.drop(oldest)
	}
}

func (s *cacheShard) shrinkProbation() {
	for s.probation.bytes > s.probation.most {
		s.drop(s.probation.list.Front().Value.(*entry))
	}
}

func (s *cacheShard) drop(e *entry) {
	if e.segment == nil {
		return
	}
	e.segment.pull(e)
	if s.entries[e.hash] == e {
		delete(s.entries, e.hash)
	}
}

func (g *segment) push(e *entry) {
	e.segment = g
	e.element = g.list.PushBack(e)
	g.bytes += e.bytes
}

func (g *segment) pull(e *entry) {
	g.list.Remove(e.element)
	g.bytes -= e.bytes
	e.segment, e.element = nil, nil
}

// keyHolds reports whether the issuer still has the key that verified the token.
func (e *entry) keyHolds(ctx context.Context) bool {
	generation := e.issuer.generation()
	if generation != 0 && generation == e.keySeen.Load() {
		return true
	}
	key, err := e.issuer.keys.PublicKey(ctx, e.key.ID)
	if err != nil || !equalKeys(key, e.key) {
		return false
	}
	e.keySeen.Store(generation)
	return true
}

// footprint estimates what an entry costs in memory: the text, the claims decoded
// from it, and the fixed parts.
func footprint(raw string, c *Claims) int {
	const fixed, perString, perMember = 1100, 16, 96
	n := fixed + 2*len(raw)
	n += perString * (len(c.Audience) + len(c.AMR) + len(c.Roles) + len(c.Permissions))
	n += perMember * (len(c.Extra) + len(c.Tenants))
	for _, t := range c.Tenants {
		n += perString * (len(t.Roles) + len(t.Permissions))
	}
	return n
}
