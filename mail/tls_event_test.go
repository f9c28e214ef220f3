package mail_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/store/memory"
)

// until waits for what happens beside the test.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A server without TLS, or with a wrong certificate, gets nothing; each try is
// in the log, with its step, and the end is an event.
func TestML03_NotSentIsLoggedAndAnEvent(t *testing.T) {
	for name, options := range map[string]inboxOptions{
		"no STARTTLS":       {noTLS: true},
		"wrong certificate": {certFor: "other.test"},
	} {
		t.Run(name, func(t *testing.T) {
			in := newInbox(t, options)
			sender, err := mail.SMTP(config(in))
			if err != nil {
				t.Fatal(err)
			}
			var moved atomic.Int64
			var log lines
			s, err := usher.New(memory.New(), usher.Config{
				Secret: "wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa", BaseURL: "https://app.example.com", Mailer: sender,
				Now:    func() time.Time { return at.Add(time.Duration(moved.Load())) },
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if _, err := s.ImportUser(t.Context(), usher.UserImport{LoginIDs: []string{addressCanary}, EmailVerified: true}); err != nil {
				t.Fatal(err)
			}
			ask := func() {
				c := usher.Client{Address: netip.MustParseAddr("192.0.2.1")}
				if err := s.SendPasswordReset(t.Context(), usher.SendPasswordReset{LoginID: addressCanary}, c); err != nil {
					t.Fatal(err)
				}
			}
			ask()
			until(t, "a line for the try", func() bool { return strings.Contains(log.String(), "mail not delivered") })
			if !strings.Contains(log.String(), "TLS") {
				t.Errorf("the line does not say why:\n%s", log.String())
			}
			moved.Store(int64(time.Hour)) // the link has ended, so the next look gives up
			ask()                         // wakes the sender
			until(t, "an event for the end", func() bool {
				events, err := s.Events(context.WithoutCancel(t.Context()), usher.EventQuery{Name: usher.EventMailGivenUp})
				return err == nil && len(events) == 1
			})
			if all := in.deliveries(); len(all) != 0 {
				t.Errorf("%d mails were sent", len(all))
			}
			noCanary(t, log.String())
		})
	}
}
