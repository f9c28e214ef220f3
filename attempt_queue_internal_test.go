package usher

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/recent"
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
