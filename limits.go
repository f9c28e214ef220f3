package usher

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/ipaddr"
	"github.com/usherkit/usher/store"
)

// The names of the limits, for LimitError.Limit and the reasons of events.
const (
	limitLoginID        = "login_id"
	limitNetwork        = "network"
	limitAttempts       = "network_tries"
	limitSignUps        = "sign_ups"
	limitSignUpRequests = "sign_up_requests"
	limitResetRequests  = "reset_requests"
	limitEmails         = "mails"
	limitResetEmails    = "reset_mails"
	limitNotices        = "notices"
	limitLock           = "lock"
	limitChanges        = "password_changes"
	limitHashing        = "hashing"
	limitLinks          = "links"
	limitDeletions      = "deletions"
	limitDownloads      = "downloads"
	limitProfile        = "profile_changes"
	limitCodes          = "codes"
	limitNetworkCodes   = "network_codes"
	limitOperator       = "operator"
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

// networkLimits returns limits of the networks that a client may have: the given one for
// an IPv4 address or a /64 of IPv6, and four times as much for each wider network, the
// /56 and the /48. A customer with a /48 has 65,536 networks of a /64.
func (s *Service) networkLimits(name string, limit store.Limit, c Client, parts ...string) []namedLimit {
	var all []namedLimit
	for _, network := range ipaddr.Networks(c.Address) {
		limit.Key = s.limitKey(name, append(slices.Clip(parts), network)...)
		all = append(all, namedLimit{name, limit})
		limit.Max = min(limit.Max*4, math.MaxInt32)
	}
	return all
}

// hourlyNetworkLimits returns networkLimits of n in an hour.
func (s *Service) hourlyNetworkLimits(name string, n int, c Client) []namedLimit {
	return s.networkLimits(name, store.Limit{Max: n, Window: time.Hour}, c)
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
	if s.cfg.InsecureNoThrottle || len(limits) == 0 {
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
// counted but was not a guess.
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

// releaseAfterOutage releases limits if *err says that the store failed after they were
// counted. Otherwise the retries during an outage would count as too many. It is to be
// deferred.
func (s *Service) releaseAfterOutage(ctx context.Context, err *error, limits ...namedLimit) {
	if errors.Is(*err, ErrUnavailable) {
		s.releaseUnlessHungUp(ctx, limits...)
	}
}

// releaseUnlessHungUp is releaseLimits for work that failed. Nothing is released for a
// client that hung up: its transaction may have committed, or its work was done, and
// hanging up at that moment must make neither free.
func (s *Service) releaseUnlessHungUp(ctx context.Context, limits ...namedLimit) {
	if !errors.Is(ctx.Err(), context.Canceled) {
		s.releaseLimits(ctx, limits...)
	}
}

// limitsOnSuccess returns the keys of the counters that the right password clears,
// and of those that it releases by one. It never clears a network's counter,
// because an attacker could then reset it with an account of their own.
func (s *Service) limitsOnSuccess(a *attempt) (clear, release []string) {
	if s.cfg.InsecureNoThrottle {
		return nil, nil
	}
	return limitKeys(slices.Concat(a.backoffLimits, a.lockLimits)), limitKeys(a.networkFails)
}

// resetLimits applies limitsOnSuccess where no other transaction does. A later call for the
// same attempt changes nothing.
func (s *Service) resetLimits(ctx context.Context, a *attempt) {
	clear, release := s.limitsOnSuccess(a)
	a.backoffLimits, a.networkFails, a.lockLimits, a.failures = nil, nil, nil, 0
	ctx, cancel := background.Detach(ctx)
	defer cancel()
	if len(clear) > 0 {
		if err := s.store.ClearLimits(ctx, clear); err != nil {
			s.cfg.Logger.Warn("usher: a limit could not be cleared", "error", err)
		}
	}
	if len(release) > 0 {
		if err := s.store.ReleaseLimits(ctx, release); err != nil {
			s.cfg.Logger.Warn("usher: a limit could not be released", "error", err)
		}
	}
}

func limitKeys(limits []namedLimit) []string {
	keys := make([]string, len(limits))
	for i, l := range limits {
		keys[i] = l.Key
	}
	return keys
}

// LimitConfig holds the limits on attempts and emails. A zero field means its
// default.
//
// A network is an IPv4 address or the /64 prefix of an IPv6 address. A known
// browser is one that has signed in to the account since its last password change.
// The store keeps the counters, so all instances with the same [Config.Secret]
// share them.
type LimitConfig struct {
	// FreeFailures is how many consecutive failures one login id may have from one
	// network, or from one known browser, before further attempts must wait. Defaults
	// to 5.
	FreeFailures int
	// Wait is the first waiting time. It doubles with each failure, up to MaxWait.
	// They default to 30 seconds and 1 hour.
	Wait, MaxWait time.Duration
	// NetworkFailures is how many failures a network may have within NetworkWindow, over all
	// login ids. Defaults to 20.
	NetworkFailures int
	// NetworkWindow is the time in which the failures and the attempts of a network are
	// counted. Defaults to 5 minutes; from 1 second to 24 hours.
	NetworkWindow time.Duration
	// NetworkAttempts is how many passwords are checked for one network within
	// NetworkWindow, right or wrong, so that one client cannot keep the instance
	// hashing. Known browsers are counted by account instead, and those of one network
	// have five times as many together. Raise it if more users than that sign in behind
	// one address at the same time. Defaults to 300.
	NetworkAttempts int
	// SignUps is how many sign-ups a network may make in an hour. It may send three times
	// as many requests, because those that the program refuses do not count as sign-ups.
	// Defaults to 10.
	SignUps int
	// ResetEmails is how many reset emails an account gets in an hour at the request
	// of unknown browsers, and how many more at the request of known browsers.
	// Further requests send nothing and get the same answer. Defaults to 3.
	ResetEmails int
	// ResetRequests is how many reset requests a network may make in an hour. A known
	// browser has as many of its own. Defaults to 10.
	ResetRequests int
	// Emails is how many emails of all kinds an address gets in an hour. The last of them
	// is reserved for a reset, and a known browser may cause one more reset email. In an
	// hour a user may request at most Emails minus 2 links that prove the stored address,
	// and the same number of links that change it. Notices of a changed password or address
	// do not count if the address is proven; at most 20 of them are sent in an hour.
	// Notices of a sign-in after failures do not count either; at most 3 of them are sent
	// in an hour. Defaults to 5.
	Emails int
	// OutboxSize is how many emails may wait in the outbox. Defaults to 10,000.
	OutboxSize int
}

func (c LimitConfig) complete() LimitConfig {
	c.FreeFailures = cmp.Or(c.FreeFailures, 5)
	c.Wait = cmp.Or(c.Wait, 30*time.Second)
	c.MaxWait = cmp.Or(c.MaxWait, time.Hour)
	c.NetworkFailures = cmp.Or(c.NetworkFailures, 20)
	c.NetworkWindow = cmp.Or(c.NetworkWindow, 5*time.Minute)
	c.NetworkAttempts = cmp.Or(c.NetworkAttempts, 300)
	c.SignUps = cmp.Or(c.SignUps, 10)
	c.ResetEmails = cmp.Or(c.ResetEmails, 3)
	c.ResetRequests = cmp.Or(c.ResetRequests, 10)
	c.Emails = cmp.Or(c.Emails, 5)
	c.OutboxSize = cmp.Or(c.OutboxSize, 10000)
	return c
}
