package webtest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/usherkit/usher"
)

// Clock is a clock that moves only by Add.
type Clock struct {
	Mu sync.Mutex
	At time.Time
}

// NewClock returns a clock at a fixed time.
func NewClock() *Clock { return &Clock{At: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

// Now returns the time of the clock.
func (c *Clock) Now() time.Time {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	return c.At
}

// Add moves the clock.
func (c *Clock) Add(d time.Duration) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.At = c.At.Add(d)
}

// Mailbox is a Mailer that keeps the messages.
type Mailbox struct {
	Mu  sync.Mutex
	All []usher.Message
}

// Send keeps a message.
func (m *Mailbox) Send(_ context.Context, msg usher.Message) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	m.All = append(m.All, msg)
	return nil
}

// Messages returns the kept messages, oldest first.
func (m *Mailbox) Messages() []usher.Message {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	return slices.Clone(m.All)
}

// Reset drops all messages.
func (m *Mailbox) Reset() {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	m.All = nil
}

// Recorder keeps the names of events, with their reasons.
type Recorder struct {
	Mu  sync.Mutex
	All []string
}

// Hook records an event. It is a function for usher.Config.OnEvent.
func (r *Recorder) Hook(_ context.Context, e usher.Event) {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	name := string(e.Name)
	if e.Reason != "" {
		name += ":" + e.Reason
	}
	r.All = append(r.All, name)
}

// Take returns the events since the last Take, in order.
func (r *Recorder) Take() string {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	all := strings.Join(r.All, " ")
	r.All = nil
	return all
}

// Log is a buffer for what goroutines and programs write at the same time.
type Log struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write adds to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns what was written since the last Take.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Take returns what was written since the last Take.
func (l *Log) Take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}
