package token

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

const revocationShards = 64

// Revocations is the list of sessions that ended before their tokens did. A
// session is named by its id (sid); a token without one by its own id (jti). Since
// the list goes by id, no other encoding of the same token slips past it.
//
// It is safe for concurrent use; many lookups at once do not wait for each other.
// The zero value is not usable: call NewRevocations.
type Revocations struct {
	seed   maphash.Seed
	count  atomic.Int64
	grown  atomic.Uint64
	shards [revocationShards]revocationShard
}

type revocationShard struct {
	mu    sync.RWMutex
	until map[string]time.Time
	_     [32]byte // keeps neighbouring locks off one cache line
}

// NewRevocations returns an empty list.
func NewRevocations() *Revocations {
	r := &Revocations{seed: maphash.MakeSeed()}
	for i := range r.shards {
		r.shards[i].until = make(map[string]time.Time)
	}
	return r
}

func (r *Revocations) shard(id string) *revocationShard {
	return &r.shards[maphash.String(r.seed, id)%revocationShards]
}

// Add puts a session on the list until the given instant, which is when its last
// token has expired. Adding it twice keeps the later instant. An empty id is ignored.
func (r *Revocations) Add(sessionID string, until time.Time) {
	if sessionID == "" {
		return
	}
	s := r.shard(sessionID)
	s.mu.Lock()
	defer s.mu.Unlock()
	old, known := s.until[sessionID]
	if !known || until.After(old) {
		s.until[sessionID] = until
	}
	if !known {
		r.count.Add(1)
		r.grown.Add(1) // after the entry is there: who sees the new version finds it
	}
}

// version changes whenever a session comes onto the list. Who has read it, and then
// not found a session with Revoked, need not look again while it is the same.
func (r *Revocations) version() uint64 { return r.grown.Load() }

// Revoked reports whether the session is on the list. It is so until Prune takes
// it off: a clock that steps back revives nothing.
func (r *Revocations) Revoked(sessionID string) bool {
	if r.count.Load() == 0 {
		return false
	}
	s := r.shard(sessionID)
	s.mu.RLock()
	_, found := s.until[sessionID]
	s.mu.RUnlock()
	return found
}

// Prune drops the sessions whose instant has passed. Call it now and then, with
// now less the verifier's leeway, for a token is accepted that much past its exp.
func (r *Revocations) Prune(now time.Time) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for id, until := range s.until {
			if !now.Before(until) {
				delete(s.until, id)
				r.count.Add(-1)
			}
		}
		s.mu.Unlock()
	}
}

// Len returns how many sessions are on the list.
func (r *Revocations) Len() int { return int(r.count.Load()) }
