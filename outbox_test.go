package usher_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// attemptMailer is a Mailer that records each attempt and returns the result of answer.
type attemptMailer struct {
	mu     sync.Mutex
	at     []time.Time
	all    []usher.Message
	answer func(ctx context.Context, attempt int) error
}

func (m *attemptMailer) Send(ctx context.Context, msg usher.Message) error {
	m.mu.Lock()
	m.at, m.all = append(m.at, time.Now()), append(m.all, msg)
	n := len(m.at)
	m.mu.Unlock()
	if m.answer == nil {
		return nil
	}
	return m.answer(ctx, n)
}

// times returns the time of each attempt.
func (m *attemptMailer) times() []time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.at)
}

// waiting returns how many emails are in the outbox.
func (k *kit) waiting() int { return usher.Must(k.store.EmailCount(ctx)) }

func withMailer(m usher.Mailer) func(*usher.Config) { return func(c *usher.Config) { c.Mailer = m } }

type permanent struct{}

func (permanent) Error() string   { return "no such mailbox" }
func (permanent) Permanent() bool { return true }

func TestOutboxRetriesAndGivesUpOnce(t *testing.T) {
	t.Parallel()
	never := func(context.Context, int) error { return errors.New("not now") }
	for name, c := range map[string]struct {
		answer func(context.Context, int) error
		waits  []time.Duration // between the attempts
		event  string
	}{
		"delivered at the fourth attempt": {func(_ context.Context, n int) error {
			if n < 4 {
				return errors.New("not now")
			}
			return nil
		}, []time.Duration{10 * time.Second, 30 * time.Second, time.Minute}, ""},
		"never": {never, []time.Duration{
			10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour,
			time.Hour, time.Hour, time.Hour, time.Hour, time.Hour,
		}, "mail_given_up:too_many_tries verify_email"},
		"refused for good": {func(context.Context, int) error {
			return fmt.Errorf("delivery: %w", permanent{})
		}, nil, "mail_given_up:refused verify_email"},
		"panics, then delivers": {func(_ context.Context, n int) error {
			if n == 1 {
				panic("mailer")
			}
			return nil
		}, []time.Duration{10 * time.Second}, ""},
		"hangs, then delivers": {func(ctx context.Context, n int) error {
			if n == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}, []time.Duration{time.Minute + 10*time.Second}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &attemptMailer{answer: func(ctx context.Context, n int) error {
					time.Sleep(time.Millisecond) // the bubble's clock: until the sign-up is done
					return c.answer(ctx, n)
				}}
				k := newInstance(t, memory.New(), withMailer(m))
				k.signUp(ann)
				k.events.reset()
				time.Sleep(2*time.Hour + time.Duration(len(c.waits))*45*time.Minute) // the bubble's clock: an hour and more after the last
				if len(m.at) != len(c.waits)+1 {
					t.Fatalf("%d attempts, want %d", len(m.at), len(c.waits)+1)
				}
				for i, wait := range c.waits {
					if got := m.at[i+1].Sub(m.at[i]); got < wait || got > wait+5*time.Second {
						t.Errorf("attempt %d came after %s, want %s", i+2, got, wait)
					}
					if m.all[i].ID == "" || m.all[i].ID != m.all[i+1].ID {
						t.Error("an attempt has another id")
					}
				}
				k.wantEvents(c.event)
				if k.waiting() != 0 {
					t.Error("the outbox is not empty")
				}
				events := usher.Must(k.Operator("test").Events(ctx, usher.EventQuery{Name: usher.EventEmailGivenUp})).Events
				if want := strings.Count(c.event, "given_up"); len(events) != want {
					t.Errorf("%d stored events", len(events))
				}
				for _, e := range events {
					if u := usher.Must(k.Operator("test").UserByLoginID(ctx, ann)); e.UserID != u.ID {
						t.Errorf("it is about the user %q", e.UserID)
					}
				}
			})
		})
	}
}

// An email whose link has expired is not sent.
func TestOutboxGivesUpExpiredLinks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &attemptMailer{answer: func(context.Context, int) error { return errors.New("not now") }}
		k := newInstance(t, memory.New(), withMailer(m))
		k.importUser(ann)
		k.events.reset()
		k.requestReset(ann, home)
		time.Sleep(time.Hour) // the bubble's clock
		k.wantEvents("authn_password_reset_request mail_given_up:link_expired reset_password")
		// Attempts at 0 s, 10 s, 40 s, 100 s and 400 s; the next is due at 1300 s.
		if len(m.times()) != 5 || k.waiting() != 0 {
			t.Fatalf("%d attempts, %d waiting", len(m.times()), k.waiting())
		}
	})
}

// A mail server that hangs for some addresses does not delay other emails, and gets
// only a few deliveries at a time.
func TestOutboxContinuesWhileAServerHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			mu            sync.Mutex
			hanging, most int
			sent          = map[string]time.Time{}
		)
		k := newInstance(t, memory.New(), withMailer(usher.MailerFunc(func(ctx context.Context, m usher.Message) error {
			if strings.HasPrefix(m.To, "hangs") {
				mu.Lock()
				hanging++
				most = max(most, hanging)
				mu.Unlock()
				<-ctx.Done()
				mu.Lock()
				hanging--
				mu.Unlock()
				return ctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			sent[m.To] = time.Now()
			return nil
		})))
		asked := 0
		ask := func(to string) {
			asked++
			k.importUser(to)
			k.requestReset(to, nth(asked))
			synctest.Wait()
		}
		for i := range 3 {
			ask(fmt.Sprintf("hangs%d@example.com", i))
		}
		begin := time.Now()
		ask(ann)
		if at, ok := sent[ann]; !ok || at != begin {
			t.Fatalf("the email was not sent at once: %v", sent)
		}
		for i := 3; i < 9; i++ {
			ask(fmt.Sprintf("hangs%d@example.com", i))
		}
		ask("bob@example.com")
		time.Sleep(3 * time.Minute) // the bubble's clock
		synctest.Wait()
		if at, ok := sent["bob@example.com"]; !ok || at.Sub(begin) > 3*time.Minute {
			t.Errorf("behind nine that hang: %v", sent)
		}
		if most != 4 {
			t.Errorf("%d at once, want 4", most)
		}
	})
}

// If an instance dies after it sent an email and before it stored that, another
// instance sends the email again when the lease ends, with the same id.
func TestOutboxSurvivesTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		first, second := &attemptMailer{}, &attemptMailer{}
		dying := newInstance(t, &unableToFinish{store}, withMailer(first))
		dying.importUser(ann)
		dying.requestReset(ann, home)
		synctest.Wait()
		if len(first.times()) != 1 {
			t.Fatalf("%d attempts before the instance ended", len(first.times()))
		}
		dying.Close(ctx)
		k := newInstance(t, store, withMailer(second))
		time.Sleep(90 * time.Second) // the bubble's clock
		if len(second.times()) != 0 {
			t.Fatal("sent again within the lease")
		}
		time.Sleep(time.Minute)
		if len(second.times()) != 1 || second.all[0].ID != first.all[0].ID || k.waiting() != 0 {
			t.Fatalf("%d attempts after the lease", len(second.times()))
		}
		if err := k.checkLink(second.all[0]); err != nil {
			t.Fatalf("the link came too late: %v", err)
		}
	})
}

// checkLink looks up the reset link of an email.
func (k *kit) checkLink(m usher.Message) error {
	_, err := k.ResetLink(ctx, tokenIn(k.t, m), home)
	return err
}

// unableToFinish is a store that fails to store the result of a delivery.
type unableToFinish struct{ store.Store }

func (*unableToFinish) FinishEmail(context.Context, string, store.Effects) error {
	return errors.New("dead")
}
func (*unableToFinish) RetryEmail(context.Context, string, time.Time) error {
	return errors.New("dead")
}

// The messages in the outbox are sealed.
func TestOutboxRowsAreSealed(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.importUser(ann)
	k.Close(ctx) // no instance sends
	c := from("198.51.100.7")
	c.UserAgent = "a browser"
	k.requestReset(ann, c)
	rows := usher.Must(k.store.ClaimEmails(ctx, k.clock.now(), time.Minute, 10))
	if len(rows) != 1 {
		t.Fatalf("%d rows", len(rows))
	}
	text := allText(rows)
	for _, no := range []string{ann, "example.com", "?token=", "https://", "reset_password", "198.51.100.7", "a browser"} {
		if strings.Contains(text, no) {
			t.Errorf("the row shows %q", no)
		}
	}
	// A row copied to another id cannot be opened.
	rows[0].ID = "other"
	if err := k.store.Record(ctx, store.Effects{Emails: rows}); err != nil {
		t.Fatal(err)
	}
	k.clock.add(2 * time.Minute)
	again := newKitOn(t, k.store, k.clock)
	for again.waiting() != 1 { // the first was sent; the copied one cannot be opened
		time.Sleep(time.Millisecond)
	}
	if n := again.mail.has(usher.MessageResetPassword); n != 1 {
		t.Fatalf("%d emails", n)
	}
}

// has returns how many messages of a kind were delivered.
func (m *mailbox) has(kind usher.MessageKind) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, msg := range m.all {
		if msg.Kind == kind {
			n++
		}
	}
	return n
}

// One of two instances sends each email.
func TestOutboxOfTwoInstances(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, other := twoInstances(t, func(c *usher.Config) { c.InsecureNoThrottle, c.BaseURL = true, "https://localhost" })
		for i := range 64 {
			k.importUser(fmt.Sprintf("u%d@example.com", i))
		}
		concurrently(64, func(i int) {
			m := []*kit{k, other}[i%2]
			if err := m.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: fmt.Sprintf("u%d@example.com", i)}, home); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(10 * time.Second) // the bubble's clock
		seen := map[string]int{}
		for _, m := range append(k.inbox(), other.inbox()...) {
			seen[m.To]++
		}
		for to, n := range seen {
			if n != 1 {
				t.Errorf("%s got %d emails", to, n)
			}
		}
		if len(seen) != 64 {
			t.Fatalf("%d addresses got an email", len(seen))
		}
	})
}

// Close interrupts a delivery, keeps the email in the outbox and leaves no goroutine
// running.
func TestCloseLeavesNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	sending := make(chan struct{})
	m := &attemptMailer{answer: func(ctx context.Context, n int) error {
		if n > 1 {
			return nil
		}
		close(sending)
		<-ctx.Done()
		return ctx.Err()
	}}
	k := newKit(t, withMailer(m))
	k.signUp(ann)
	<-sending
	usher.Must(0, errors.Join(k.Close(ctx), k.Close(ctx)))
	goleak.VerifyNone(t, before)
	if k.waiting() != 1 {
		t.Fatal("the email is gone")
	}
	k.clock.add(time.Minute)
	next := k.secondInstance()
	next.inbox()
	if len(m.times()) != 2 || m.all[0].ID != m.all[1].ID {
		t.Fatalf("%d attempts", len(m.times()))
	}
}

// A shutdown that interrupts an attempt does not count as one: the next instance sends
// the email at once, with all attempts that were left.
func TestML05_AnInterruptedAttemptDoesNotCount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ failuresBefore, shutdowns, failuresAfter int }{
		"during the last attempt": {11, 1, 0},
		"again and again":         {0, 20, 11},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := make(chan struct{}, 100)
				m := &attemptMailer{answer: func(ctx context.Context, n int) error {
					if n -= c.failuresBefore; n > 0 && n <= c.shutdowns {
						begun <- struct{}{}
						<-ctx.Done()
						return ctx.Err()
					} else if n <= c.shutdowns+c.failuresAfter {
						return errors.New("not now")
					}
					return nil
				}}
				k := newInstance(t, memory.New(), withMailer(m))
				k.signUp(ann)
				for range c.shutdowns {
					select {
					case <-begun:
					case <-time.After(10 * time.Hour): // the bubble's clock
						t.Fatalf("no attempt after %d", len(m.times()))
					}
					k.Close(ctx)
					k = newInstance(t, k.store, withMailer(m))
					if synctest.Wait(); time.Now() != m.times()[len(m.times())-1] {
						t.Error("the next instance did not send at once")
					}
				}
				time.Sleep(10 * time.Hour) // the bubble's clock
				events := usher.Must(k.Operator("test").Events(ctx, usher.EventQuery{Name: usher.EventEmailGivenUp})).Events
				if want := c.failuresBefore + c.shutdowns + c.failuresAfter + 1; len(m.times()) != want || len(events) != 0 {
					t.Errorf("%d attempts, want %d; given up: %+v", len(m.times()), want, events)
				}
			})
		})
	}
}
