package usher

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/recent"
)

// A flood of attempts is seldom served, so the attempts that find the queue full make it a
// flood of repeated attempts, too.
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
		s := &Service{recent: recent.New(time.Hour, 100), cfg: Config{Now: time.Now}}
		a := &attempt{canonical: "ann@example.com", client: Client{Address: netip.MustParseAddr("192.0.2.1")}}
		if err := s.rememberBusy(a, c.known, c.err); !errors.Is(err, c.err) {
			t.Errorf("%s: the error is %v", name, err)
		}
		for _, key := range []string{"login id ann@example.com", "network " + widestNetwork(a.client)} {
			if n := s.recent.Count(time.Now(), key); n != c.count {
				t.Errorf("%s: %s counts %d, want %d", name, key, n, c.count)
			}
		}
	}
}
