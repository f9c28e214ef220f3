package ushertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usherkit/usher"
)

// mailWait is how long Mailbox.Next waits for an email.
const mailWait = 10 * time.Second

// Mailbox is a [usher.Mailer] that keeps what it gets. It is safe for concurrent use.
type Mailbox struct {
	t       testing.TB
	mu      sync.Mutex
	changed chan struct{} // closed and replaced when an email arrives
	all     []usher.Message
	taken   map[string]bool // by Message.ID
	err     error
}

var _ usher.Mailer = (*Mailbox)(nil)

func newMailbox(t testing.TB) *Mailbox {
	return &Mailbox{t: t, changed: make(chan struct{}), taken: map[string]bool{}}
}

// Send implements [usher.Mailer].
func (m *Mailbox) Send(_ context.Context, msg usher.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.all = append(m.all, msg)
	close(m.changed)
	m.changed = make(chan struct{})
	return nil
}

// Fail makes the delivery of emails fail with err, until Fail(nil). The Service tries again
// later by its clock; see [Clock.Add].
func (m *Mailbox) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// All returns every email that was delivered so far, in order.
func (m *Mailbox) All() []usher.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.all)
}

// Next returns the first email of the kind to the address that it has not returned before,
// and waits for it, because emails are delivered after the answer to the request. After 10
// seconds without one the test fails, with a list of what was delivered instead.
func (m *Mailbox) Next(to string, kind usher.MessageKind) usher.Message {
	m.t.Helper()
	deadline := time.After(mailWait)
	for {
		msg, changed := m.take(to, kind)
		if changed == nil {
			return msg
		}
		select {
		case <-changed:
		case <-deadline:
			m.t.Fatalf("ushertest: no email of kind %q to %s within %s. The mailbox has:\n%s", kind, to, mailWait, m)
		}
	}
}

// take returns the email, or a channel that is closed when another one arrives.
func (m *Mailbox) take(to string, kind usher.MessageKind) (usher.Message, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, msg := range m.all {
		if msg.Kind == kind && strings.EqualFold(msg.To, to) && !m.taken[msg.ID] {
			m.taken[msg.ID] = true
			return msg, nil
		}
	}
	return usher.Message{}, m.changed
}

// String lists the emails, without their secrets.
func (m *Mailbox) String() string {
	var list strings.Builder
	for _, msg := range m.All() {
		fmt.Fprintf(&list, "  %s to %s\n", msg.Kind, msg.To)
	}
	if list.Len() == 0 {
		return "  nothing"
	}
	return list.String()
}
