package usher

import (
	"context"
	"encoding/base64"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/usherkit/usher/store"
)

// Names of limits, for LimitError and events.
const (
	limitLoginID = "login_id"
	limitNetwork = "network"
	limitTries   = "network_tries"
	limitSignUps = "sign_ups"
	limitResets  = "reset_requests"
	limitTokens  = "one_time_tokens"
	limitMails   = "mails"
	limitToUser  = "reset_mails"
	limitNotices = "notices"
	limitLock    = "lock"
	limitReuse   = "reused_passwords"
	limitHashing = "hashing"
	limitLinks   = "links"
)

// limitKey names a counter without saying whose it is.
func (s *Service) limitKey(kind string, parts ...string) string {
	all := make([][]byte, 0, len(parts)+1)
	all = append(all, []byte(kind))
	for _, p := range parts {
		all = append(all, []byte(p))
	}
	return base64.RawURLEncoding.EncodeToString(s.limitMAC.Sum(all...)[:18])
}

// network is what a client is counted as: an IPv4 address, or the /64 of an
// IPv6 address, for anyone has as many addresses of it as he likes.
func network(c Client) string {
	a := c.Address.Unmap()
	switch {
	case !a.IsValid():
		return "unknown"
	case a.Is4():
		return a.String()
	}
	return netip.PrefixFrom(a.WithZone(""), 64).Masked().String()
}

// named is a limit with the name that errors and events give it.
type named struct {
	name string
	store.Limit
}

// perHour is a limit of n an hour.
func (s *Service) perHour(name string, n int, parts ...string) named {
	return named{name, store.Limit{Key: s.limitKey(name, parts...), Max: n, Window: time.Hour}}
}

// mailLimit is the limit on mails of all kinds to an address.
func (s *Service) mailLimit(address string) named {
	canonical, err := canonicalLoginID(address, true)
	if err != nil {
		canonical = address
	}
	return s.perHour(limitMails, s.cfg.Limits.Mails, canonical)
}

// refusal is a limit that is exhausted.
type refusal struct {
	named
	retryAfter time.Duration
}

// hit counts one on all limits, or returns the one that refuses. The counts are in
// the order of the limits.
func (s *Service) hit(ctx context.Context, limits ...named) ([]int, *refusal, error) {
	if s.cfg.InsecureNoThrottle {
		return make([]int, len(limits)), nil, nil
	}
	list := make([]store.Limit, len(limits))
	for i, l := range limits {
		list[i] = l.Limit
	}
	r, err := s.store.TakeLimits(ctx, s.now(), list)
	if err != nil {
		return nil, nil, s.outage(err)
	}
	if r.Refused < 0 {
		return r.Counts, nil, nil
	}
	return nil, &refusal{limits[r.Refused], r.RetryAfter}, nil
}

// take is hit, with a refusal told of and turned into a *LimitError.
func (s *Service) take(ctx context.Context, c Client, limits ...named) ([]int, error) {
	counts, refused, err := s.hit(ctx, limits...)
	if err == nil && refused != nil {
		err = s.refuse(ctx, refused, c)
	}
	return counts, err
}

func (s *Service) refuse(ctx context.Context, r *refusal, c Client) error {
	s.note(ctx, r.Key, s.newEvent(EventThrottled, "", "", r.name, c))
	return &LimitError{RetryAfter: r.retryAfter, Limit: r.name}
}

// note is record for what somebody can make happen without end: see notedLimits.
func (s *Service) note(ctx context.Context, key string, e Event) {
	if s.noted.first(key, s.now()) {
		s.record(ctx, e)
	} else {
		s.announce(ctx, e)
	}
}

// giveBack takes hits back that turned out not to be guesses.
func (s *Service) giveBack(ctx context.Context, limits ...named) {
	if s.cfg.InsecureNoThrottle || len(limits) == 0 {
		return
	}
	ctx, cancel := s.aside(ctx)
	defer cancel()
	if err := s.store.GiveBackLimits(ctx, keysOf(limits)); err != nil {
		s.cfg.Logger.Warn("usher: a limit could not be given back", "error", err)
	}
}

func keysOf(limits []named) []string {
	keys := make([]string, len(limits))
	for i, l := range limits {
		keys[i] = l.Key
	}
	return keys
}

// notedLimits remembers which refusals are in the audit table already, so that
// a flood of refused tries does not become a flood of rows: one row a minute
// for each limit. The hook hears of every one.
type notedLimits struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

func (n *notedLimits) first(key string, now time.Time) bool {
	const most, again = 10_000, time.Minute
	n.mu.Lock()
	defer n.mu.Unlock()
	if at, ok := n.seen[key]; ok && now.Sub(at) < again {
		return false
	}
	if n.seen == nil || len(n.seen) >= most {
		n.seen = make(map[string]time.Time)
	}
	n.seen[key] = now
	return true
}

// cut shortens text from strangers to n bytes of valid UTF-8 without control
// characters.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\uFFFD' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
