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
	mu sync.Mutex
	// current has the keys since began, and previous those of the recentInterval before.
	current, previous map[string]time.Time
	began             time.Time
}

// addIfNew adds the key and returns true, unless an event was stored for the key within
// recentInterval. After maxRecentKeys keys in one recentInterval it returns false for
// every further key: if it dropped old ones instead, an attacker who alternates between
// more keys would get a row for each event.
func (r *recentKeys) addIfNew(key string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	// After the clock was set back, the age is negative, and the times of all keys are in
	// the future.
	if age := now.Sub(r.began); r.current == nil || age >= recentInterval || age <= -recentInterval {
		r.previous = r.current
		if age.Abs() >= 2*recentInterval {
			r.previous = nil
		}
		r.current, r.began = make(map[string]time.Time), now
	}
	for _, seen := range []map[string]time.Time{r.current, r.previous} {
		if at, ok := seen[key]; ok && now.Sub(at).Abs() < recentInterval {
			return false
		}
	}
	if len(r.current) >= maxRecentKeys {
		return false
	}
	r.current[key] = now
	return true
}
