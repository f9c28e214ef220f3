package token

import (
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

const revocationShards = 64

// Revocations is a list of sessions that ended before their tokens expire. A session
// is listed by its id (sid), and a token without a session by its own id (jti). Every token
// with that id is then refused, whatever its exact text.
//
// It is safe for concurrent use; lookups do not wait for each other. Make one with
// NewRevocations.
type Revocations struct {
	seed      maphash.Seed
	count     atomic.Int64
	additions atomic.Uint64
	shards    [revocationShards]revocationShard
}

type revocationShard struct {
	mu       sync.RWMutex
	until    map[string]time.Time
	watchers map[string]map[*func()]struct{}
	_        [24]byte // keeps two locks off the same cache line
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

// Add puts a session on the list until the given time, at which its last token has
// expired. If it is added twice, the later time counts. An empty id is ignored.
func (r *Revocations) Add(sessionID string, until time.Time) {
	r.add(sessionID, until)
}

// add is Add, and reports whether the list had no entry that lasts as long.
func (r *Revocations) add(sessionID string, until time.Time) (changed bool) {
	if sessionID == "" {
		return false
	}
	s := r.shard(sessionID)
	s.mu.Lock()
	old, known := s.until[sessionID]
	changed = !known || until.After(old)
	if changed {
		s.until[sessionID] = until
	}
	var watchers map[*func()]struct{}
	if !known {
		r.count.Add(1)
		r.additions.Add(1) // after the entry, so that a caller that sees the new version finds it
		watchers = s.watchers[sessionID]
		delete(s.watchers, sessionID)
	}
	s.mu.Unlock()
	for ended := range watchers {
		(*ended)()
	}
	return changed
}

// all yields the entries in no order. The loop must not change the list.
func (r *Revocations) all() iter.Seq2[string, time.Time] {
	return func(yield func(string, time.Time) bool) {
		for i := range r.shards {
			s := &r.shards[i]
			s.mu.RLock()
			for id, until := range s.until {
				if !yield(id, until) {
					s.mu.RUnlock()
					return
				}
			}
			s.mu.RUnlock()
		}
	}
}

// Watch calls ended once when the session is put on the list, on the goroutine that does
// so, or at once if it is listed already. stop ends the watch and does not wait for
// ended.
func (r *Revocations) Watch(sessionID string, ended func()) (stop func()) {
	s, watcher := r.shard(sessionID), &ended
	s.mu.Lock()
	_, revoked := s.until[sessionID]
	if !revoked {
		if s.watchers == nil {
			s.watchers = map[string]map[*func()]struct{}{}
		}
		if s.watchers[sessionID] == nil {
			s.watchers[sessionID] = map[*func()]struct{}{}
		}
		s.watchers[sessionID][watcher] = struct{}{}
	}
	s.mu.Unlock()
	if revoked {
		ended()
	}
	return func() { s.unwatch(sessionID, watcher) }
}

func (s *revocationShard) unwatch(sessionID string, watcher *func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	watchers := s.watchers[sessionID] // nil after the session was revoked; deletes from nil are no-ops
	delete(watchers, watcher)
	if len(watchers) == 0 {
		delete(s.watchers, sessionID)
	}
}

// version changes whenever a session is added. A caller that reads it, and then finds
// that a session is not revoked, need not search again until it changes.
func (r *Revocations) version() uint64 { return r.additions.Load() }

// Revoked reports whether the session is on the list. It stays there until Prune drops
// it, even if the clock is set back.
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

// Prune drops the sessions whose time has passed. Call it from time to time, with the
// current time less the verifier's leeway, because a token is accepted that long after
// its exp.
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
