package main

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxAnswerTime is how long an answer may take: the deadline of a request, and
	// half a second for the network of a busy machine.
	maxAnswerTime = 5*time.Second + 500*time.Millisecond
	// revocationDelay is how long another instance may accept an ended session.
	revocationDelay = 2 * time.Second
)

// load is a number of users who use the instances and remember the answers.
type load struct {
	instances []string // their base URLs
	users     []*user
	client    *http.Client

	answered, unavailable, slowest atomic.Int64

	mu              sync.Mutex
	out             outcome
	lastUnavailable time.Time // of the last request without an answer, or with 503
}

func newLoad(n int, instances ...string) *load {
	l := &load{instances: instances, client: &http.Client{
		Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100},
	}}
	for i := range n {
		l.users = append(l.users, &user{load: l, n: i, id: fmt.Sprintf("p%d@example.com", i), next: i})
	}
	return l
}

// violation records that a guarantee did not hold, and counts it. Only the first
// descriptions are kept.
func (l *load) violation(counter *int, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if counter != nil {
		*counter++
	}
	if len(l.out.violations) < 10 {
		l.out.violations = append(l.out.violations, fmt.Sprintf(format, args...))
	}
}

// count records a reply and how long it took.
func (l *load) count(r reply, took time.Duration, path string) {
	for old := l.slowest.Load(); int64(took) > old && !l.slowest.CompareAndSwap(old, int64(took)); old = l.slowest.Load() {
	}
	if took > maxAnswerTime {
		l.violation(nil, "%s took %s", path, took.Round(time.Millisecond))
	}
	if r.outcomeUnknown() && r.status != http.StatusTooManyRequests { // 429 is an answer: try again later
		l.unavailable.Add(1)
		l.mu.Lock()
		l.lastUnavailable = time.Now()
		l.mu.Unlock()
		return
	}
	l.answered.Add(1)
}

// result returns the outcome so far. Recovery counts from repaired.
func (l *load) result(repaired time.Time) outcome {
	o := l.out
	o.answered, o.unavailable, o.slowest = l.answered.Load(), l.unavailable.Load(), time.Duration(l.slowest.Load())
	o.recovery = max(0, l.lastUnavailable.Sub(repaired))
	return o
}

// forEach runs do for all users at the same time.
func (l *load) forEach(do func(u *user)) {
	var all sync.WaitGroup
	for _, u := range l.users {
		all.Go(func() { do(u) })
	}
	all.Wait()
}
