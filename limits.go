package usher

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/store"
)

// The names of the limits, for LimitError.Limit and the reasons of events.
const (
	limitLoginID       = "login_id"
	limitNetwork       = "network"
	limitAttempts      = "network_tries"
	limitSignUps       = "sign_ups"
	limitResetRequests = "reset_requests"
	limitEmails        = "mails"
	limitResetEmails   = "reset_mails"
	limitNotices       = "notices"
	limitLock          = "lock"
	limitChanges       = "password_changes"
	limitHashing       = "hashing"
	limitLinks         = "links"
)

// limitKey returns the key of a counter: a MAC, so that the key does not reveal
// whose counter it is.
func (s *Service) limitKey(kind string, parts ...string) string {
	all := make([][]byte, 0, len(parts)+1)
	all = append(all, []byte(kind))
	for _, p := range parts {
		all = append(all, []byte(p))
	}
	return base64.RawURLEncoding.EncodeToString(s.limitMAC.Sum(all...)[:18])
}

// namedLimit is a limit with the name that errors and events use.
type namedLimit struct {
	name string
	store.Limit
}

// hourlyLimit returns a limit of n in an hour.
func (s *Service) hourlyLimit(name string, n int, parts ...string) namedLimit {
	return namedLimit{name, store.Limit{Key: s.limitKey(name, parts...), Max: n, Window: time.Hour}}
}

// emailLimit returns the limit on emails of all kinds to an address.
func (s *Service) emailLimit(address string) namedLimit {
	canonical, err := canonicalLoginID(address, true)
	if err != nil {
		canonical = address
	}
	return s.hourlyLimit(limitEmails, s.cfg.Limits.Emails, canonical)
}

// refusedLimit is a limit that was exhausted.
type refusedLimit struct {
	namedLimit
	retryAfter time.Duration
}

// takeLimits counts one on all limits and returns the counts in the order of the
// limits, or the limit that refuses. If one refuses, none is counted.
func (s *Service) takeLimits(ctx context.Context, limits ...namedLimit) ([]int, *refusedLimit, error) {
	if s.cfg.InsecureNoThrottle {
		return make([]int, len(limits)), nil, nil
	}
	list := make([]store.Limit, len(limits))
	for i, l := range limits {
		list[i] = l.Limit
	}
	r, err := s.store.TakeLimits(ctx, s.now(), list)
	if err != nil {
		return nil, nil, s.storeError(err)
	}
	if r.Refused < 0 {
		return r.Counts, nil, nil
	}
	return nil, &refusedLimit{limits[r.Refused], r.RetryAfter}, nil
}

// takeLimitsOrError is takeLimits, except that it records a refusal and returns it as
// a *LimitError.
func (s *Service) takeLimitsOrError(ctx context.Context, c Client, limits ...namedLimit) ([]int, error) {
	counts, refused, err := s.takeLimits(ctx, limits...)
	if err == nil && refused != nil {
		err = s.limitExceeded(ctx, refused, c)
	}
	return counts, err
}

// limitExceeded records a refusal and returns it as a *LimitError.
func (s *Service) limitExceeded(ctx context.Context, r *refusedLimit, c Client) error {
	s.audit.StoreSampled(ctx, r.Key, s.newEvent(EventThrottled, "", "", r.name, c))
	return &LimitError{RetryAfter: r.retryAfter, Limit: r.name}
}

// releaseLimits lowers each counter by one. Callers use it for an attempt that was
// counted but was not a guess, and for an email that was not sent.
func (s *Service) releaseLimits(ctx context.Context, limits ...namedLimit) {
	if s.cfg.InsecureNoThrottle || len(limits) == 0 {
		return
	}
	ctx, cancel := background.Detach(ctx)
	defer cancel()
	if err := s.store.ReleaseLimits(ctx, limitKeys(limits)); err != nil {
		s.cfg.Logger.Warn("usher: a limit could not be released", "error", err)
	}
}

func limitKeys(limits []namedLimit) []string {
	keys := make([]string, len(limits))
	for i, l := range limits {
		keys[i] = l.Key
	}
	return keys
}
