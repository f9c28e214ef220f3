package handlers_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/usherkit/usher"
)

// clock is a clock that moves only when told to.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// mailbox is a Mailer that keeps what it is given.
type mailbox struct {
	mu  sync.Mutex
	all []usher.Message
}

func (m *mailbox) Send(_ context.Context, msg usher.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, msg)
	return nil
}

func (m *mailbox) messages() []usher.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.all)
}

func (m *mailbox) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = nil
}

// recorder keeps the names of events, with their reasons.
type recorder struct {
	mu  sync.Mutex
	all []string
}

func (r *recorder) hook(_ context.Context, e usher.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := string(e.Name)
	if e.Reason != "" {
		name += ":" + e.Reason
	}
	r.all = append(r.all, name)
}

// take returns the events since the last take, in order.
func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := strings.Join(r.all, " ")
	r.all = nil
	return all
}

// lockedWriter lets many goroutines log into one buffer.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
