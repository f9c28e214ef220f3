package audit

import (
	"sync"
	"time"
)

const (
	maxRecentKeys  = 10_000
	recentInterval = time.Minute
)

// recentKeys remembers for which keys an event was stored within recentInterval.
type recentKeys struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// addIfNew adds the key and returns true, unless an event was stored for the key within
// recentInterval. When there are too many keys it forgets all of them.
func (r *recentKeys) addIfNew(key string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.seen[key]; ok && now.Sub(at) < recentInterval {
		return false
	}
	if r.seen == nil || len(r.seen) >= maxRecentKeys {
		r.seen = make(map[string]time.Time)
	}
	r.seen[key] = now
	return true
}
