package usher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher/internal/recent"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store/memory"
)

// Most attempts of a flood find the queue full. Such attempts are counted, too, so the
// flood waits with the repeated attempts.
func TestLM08_ARefusedAttemptCounts(t *testing.T) {
	t.Parallel()
	full := &LimitError{Limit: limitHashing, RetryAfter: time.Second}
	for name, c := range map[string]struct {
		known bool
		err   error
		count int
	}{
		"an unknown browser":             {false, full, 1},
		"a known browser":                {true, full, 0},
		"another limit":                  {false, &LimitError{Limit: limitNetwork, RetryAfter: time.Second}, 0},
		"an outage":                      {false, ErrUnavailable, 0},
		"an attempt that is not refused": {false, nil, 0},
	} {
		s := &Service{recent: recent.New(time.Hour, 100), refused: recent.New(time.Hour, 100), cfg: Config{Now: time.Now}}
		a := &attempt{canonical: "ann@example.com", client: Client{Address: netip.MustParseAddr("192.0.2.1")}}
		if err := s.countRefusedByQueue(a, c.known, c.err); !errors.Is(err, c.err) {
			t.Errorf("%s: the error is %v", name, err)
		}
		for _, key := range []string{"login id ann@example.com", "network " + widestNetwork(a.client)} {
			if n := s.refused.Count(time.Now(), key); n != c.count {
				t.Errorf("%s: %s counts %d, want %d", name, key, n, c.count)
			}
		}
	}
}

// A refused attempt costs the client no hash. So a flood of refused attempts with made-up
// login ids makes no instance forget the attempts that it has hashed.
func TestLM08_RefusedAttemptsMakeNoOthersForgotten(t *testing.T) {
	t.Parallel()
	s := &Service{recent: recent.New(time.Hour, 100), refused: recent.New(time.Hour, 100), cfg: Config{Now: time.Now}}
	guessed := &attempt{canonical: "ann@example.com", client: Client{Address: netip.MustParseAddr("192.0.2.1")}}
	s.rememberAttempt(guessed, repeatedAttempts)
	for i := range 1000 {
		a := &attempt{canonical: strconv.Itoa(i), client: Client{Address: netip.MustParseAddr("198.51.100.7")}}
		_ = s.countRefusedByQueue(a, false, &LimitError{Limit: limitHashing, RetryAfter: time.Second})
	}
	if n := s.recent.Count(time.Now(), "login id ann@example.com"); n != repeatedAttempts {
		t.Errorf("the failure counts %d, want %d", n, repeatedAttempts)
	}
	if in := fmt.Sprintf("%#v", s.withHashQueue(t.Context(), "ann@example.com", false, Client{})); !strings.Contains(in, "repeated attempts") {
		t.Errorf("a guess at the account waits in %s", in)
	}
}

// A slow store lets 320 attempts a second through. Of 2,000 at once the others come back one
// after the other, and not all in the same second.
func TestLM02_AttemptsWithoutASlotGetDifferentRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const served = 10 * maxConcurrentAttempts
		q := newAttemptSlots()
		var returns [11]atomic.Int64
		for range 2000 {
			go func() {
				slot, err := q.take(t.Context(), time.Second)
				var busy *password.BusyError
				switch {
				case err == nil:
					time.Sleep(100 * time.Millisecond)
					q.release(slot)
				case errors.As(err, &busy) && busy.RetryAfter >= time.Second && busy.RetryAfter <= 10*time.Second:
					returns[busy.RetryAfter/time.Second].Add(1)
				default:
					t.Errorf("got %v", err)
				}
			}()
		}
		time.Sleep(time.Minute)
		for i := range returns {
			if n := returns[i].Load(); n > served+maxConcurrentAttempts {
				t.Errorf("%d attempts come back after %d seconds, want at most %d", n, i, served)
			}
		}
		if n := returns[6].Load(); n == 0 {
			t.Error("the attempts come back faster than they can be served")
		}
	})
}

// A client with the device token of another account waits with the unknown browsers, and is
// counted as one if their queue is full.
func TestLM08_ARefusedAttemptWithTheTokenOfAnotherAccountCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Must(New(t.Context(), memory.New(), Config{
			Secret: "wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa", BaseURL: "https://app.example", NoBackground: true,
			Mailer: MailerFunc(func(context.Context, Message) error { return nil }),
			Logger: slog.New(slog.DiscardHandler), Hashing: func() password.HasherConfig {
				c := testhash.Config()
				c.Slots, c.QueueWait = 1, 2*time.Second
				return c
			}(),
		}))
		if err := s.keys.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		signIn := func(loginID, network string, device Secret) error {
			c := Client{Address: netip.MustParseAddr(network), Device: device}
			_, err := s.SignIn(t.Context(), SignInParams{LoginID: loginID, Password: "a wrong password"}, c)
			return err
		}
		device := Must(s.SignUp(t.Context(), SignUpParams{LoginID: "mallory@example.com", Password: "vast otter sings low"}, Client{})).Authentication.Device
		Must(s.SignUp(t.Context(), SignUpParams{LoginID: "ann@example.com", Password: "vast otter sings low"}, Client{}))
		// A hash takes a second, and two further ones wait.
		release := testhash.Hold(t)
		go func() { _ = signIn("a@example.com", "192.0.2.1", "") }()
		time.Sleep(time.Second)
		release()
		synctest.Wait()
		release = testhash.Hold(t)
		for i := range 3 {
			go func() { _ = signIn(fmt.Sprint(i, "@example.com"), fmt.Sprint("192.0.2.", 10+i), "") }()
			synctest.Wait()
		}
		before := s.refused.Count(s.now(), "login id ann@example.com")
		var limit *LimitError
		if err := signIn("ann@example.com", "198.51.100.7", device); !errors.As(err, &limit) || limit.Limit != limitHashing {
			t.Errorf("the error is %v", err)
		}
		if n := s.refused.Count(s.now(), "login id ann@example.com") - before; n != 1 {
			t.Errorf("counted %d times, want once", n)
		}
		release()
	})
}
