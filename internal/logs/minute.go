package logs

import (
	"sync"
	"time"
)

// Minute limits a line that any client can cause to one a minute. The zero value is ready to
// use. It is safe for concurrent use.
type Minute struct {
	mu   sync.Mutex
	last time.Time
}

// Passed reports whether a minute has passed since it last returned true.
func (m *Minute) Passed(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if age := now.Sub(m.last); age >= 0 && age < time.Minute {
		return false
	}
	m.last = now
	return true
}
