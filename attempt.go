package usher

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
)

// attempt is one try to prove a password. Whatever asks for a password goes
// through it: sign-in, replace, update, change of address and verification count
// against the same limits and run exactly one hash.
type attempt struct {
	account   store.Account // zero if there is no such user
	canonical string
	client    Client
	device    string // id of the browser, if it has signed in to this account before

	ownLimit      namedLimit   // the counter of this login id, or of this browser
	networkLimits []namedLimit // the counter of this network; none for a known browser
	checksLimit   namedLimit   // the counter of checks, whatever comes of them
	lockLimit     namedLimit   // the counter of failures in a row, over all networks
	failures      int          // in a row, before this one
	rehash        bool
}

// begin reads the account of a canonical login id and counts the try before
// anything is checked.
func (s *Service) beginAttempt(ctx context.Context, canonical string, c Client) (*attempt, error) {
	a := &attempt{canonical: canonical, client: c}
	return a, s.withAdmission(ctx, c, func() (*refusedLimit, error) {
		account, err := s.store.AccountByLoginID(ctx, canonical)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, s.storeError(err)
		}
		a.account = account
		return s.countAttempt(ctx, a)
	})
}

// beginKnown is begin for an account that is known already: of a session, or of
// a mailed link.
func (s *Service) beginAttemptFor(ctx context.Context, account store.Account, c Client) (*attempt, error) {
	canonical, err := canonicalLoginID(account.User.LoginID(), true)
	if err != nil {
		canonical = account.User.ID
	}
	a := &attempt{account: account, canonical: canonical, client: c}
	return a, s.withAdmission(ctx, c, func() (*refusedLimit, error) { return s.countAttempt(ctx, a) })
}

// count takes the limits, all in one step. A browser that has signed in to the
// account before has a counter of its own, so that no stranger can keep the
// owner out.
func (s *Service) countAttempt(ctx context.Context, a *attempt) (*refusedLimit, error) {
	l := s.cfg.Limits
	waiting := store.Limit{Max: l.FreeFailures, Window: 24 * time.Hour, Backoff: l.Wait, MaxBackoff: l.MaxWait}
	if a.accountExists() {
		a.device = s.knownDeviceID(a.account, a.client)
	}
	if a.device != "" {
		waiting.Key = s.limitKey("device", a.account.User.ID, a.device)
	} else {
		waiting.Key = s.limitKey(limitLoginID, a.canonical, networkOf(a.client))
		a.networkLimits = []namedLimit{{limitNetwork, store.Limit{
			Key: s.limitKey(limitNetwork, networkOf(a.client)), Max: l.NetworkFailures, Window: l.NetworkWindow,
		}}}
	}
	a.ownLimit = namedLimit{limitLoginID, waiting}
	a.checksLimit = s.checksLimit(a)
	a.lockLimit = s.lockLimit(a)
	counts, refused, err := s.takeLimits(ctx, append([]namedLimit{a.checksLimit}, a.failureLimits()...)...)
	if err != nil || refused != nil {
		return refused, err
	}
	a.failures = max(0, counts[len(counts)-1]-1)
	return nil, nil
}

// checks is the counter of all checks of a password, right or wrong: each costs a
// hash, and one account must not keep all slots busy with its own password. It is
// that of the network; known browsers have the one of their account, so that no
// neighbour can use up what the owner needs. What it counts is never given back.
func (s *Service) checksLimit(a *attempt) namedLimit {
	whose := []string{"network", networkOf(a.client)}
	if a.device != "" {
		whose = []string{"user", a.account.User.ID}
	}
	return namedLimit{limitAttempts, store.Limit{
		Key: s.limitKey(limitAttempts, whose...), Max: s.cfg.Limits.NetworkAttempts, Window: s.cfg.Limits.NetworkWindow,
	}}
}

// failuresInARow is the counter of the whole run of failures of an account,
// over all networks (NIST SP 800-63B-4 §3.2.2). It never refuses: a password
// that is locked answers like a wrong one. A login id that nobody has counts
// as well, for its network, so that the store does the same work for it.
func (s *Service) lockLimit(a *attempt) namedLimit {
	if a.accountExists() {
		return namedLimit{limitLock, store.Limit{Key: s.lockKey(a.account.User.ID), Max: math.MaxInt32}}
	}
	key := s.limitKey(limitLock, "", networkOf(a.client))
	return namedLimit{limitLock, store.Limit{Key: key, Max: math.MaxInt32, Window: 24 * time.Hour}}
}

// taken are the counters of the attempt that count failures, the one of failures
// in a row last.
func (a *attempt) failureLimits() []namedLimit {
	return append(append([]namedLimit{a.ownLimit}, a.networkLimits...), a.lockLimit)
}

// locked reports whether the failures in a row have disabled the password.
func (s *Service) passwordLocked(a *attempt) bool {
	return a.accountExists() && a.failures >= s.cfg.Password.LockAttempts
}

func (a *attempt) accountExists() bool { return a.account.User.ID != "" }

// verify runs the one hash of the attempt. It returns nil after the right
// password of whatever user, and ErrInvalidCredentials after every failure.
func (s *Service) verifyAttempt(ctx context.Context, a *attempt, pw Secret) error {
	reason := ""
	switch {
	case !a.accountExists():
		reason = "unknown_login_id"
	case s.passwordLocked(a):
		reason = "locked"
	case a.account.Password.State == store.PasswordNone || a.account.Password.Hash == "":
		reason = "no_password"
	}
	if reason != "" {
		if err := s.hasher.VerifyDummy(ctx, pw.Reveal()); err != nil {
			return s.abandonAttempt(ctx, a, err)
		}
		return s.failAttempt(ctx, a, reason)
	}
	ok, rehash, err := s.hasher.Verify(ctx, a.account.Password.Hash, pw.Reveal())
	switch {
	case errors.Is(err, password.ErrDamagedHash):
		s.cfg.Logger.Error("usher: a stored password hash is damaged", "user_id", a.account.User.ID, "error", err)
		damage := s.newEvent(EventPasswordDamaged, a.account.User.ID, "", "", a.client)
		return s.failAttempt(ctx, a, "damaged_hash", damage)
	case err != nil:
		return s.abandonAttempt(ctx, a, err)
	case !ok:
		return s.failAttempt(ctx, a, "wrong_password")
	}
	a.rehash = rehash
	return nil
}

// lockKey does not depend on the secret, as other keys do: a locked password must
// not be open again because the secret was changed. A hash without a secret tells
// nothing of an id that is random.
func (s *Service) lockKey(userID string) string { return encode(hashOf(limitLock + " " + userID)[:18]) }

// failed says so to the audit trail, in one step with what else there is to
// say, and one and the same thing to the caller.
func (s *Service) failAttempt(ctx context.Context, a *attempt, reason string, events ...Event) error {
	events = append(events, s.newEvent(EventSignInFailed, a.account.User.ID, "", reason, a.client))
	if a.accountExists() && a.failures+1 == s.cfg.Password.LockAttempts {
		events = append(events, s.newEvent(EventPasswordLocked, a.account.User.ID, "", "", a.client))
	}
	s.audit.Store(ctx, events...)
	return ErrInvalidCredentials
}

// unjudged takes the try back: no hash was computed, so nothing was guessed.
func (s *Service) abandonAttempt(ctx context.Context, a *attempt, err error) error {
	s.releaseLimits(ctx, a.failureLimits()...)
	return s.hashError(ctx, err, a.client)
}

// hashing turns an error of the Hasher into one of ours: too many at once is a
// limit, not an outage.
func (s *Service) hashError(ctx context.Context, err error, c Client) error {
	var busy *password.BusyError
	switch {
	case errors.As(err, &busy):
		s.audit.Notify(ctx, s.newEvent(EventThrottled, "", "", limitHashing, c))
		return &LimitError{RetryAfter: max(busy.RetryAfter, time.Second), Limit: limitHashing}
	case errors.Is(err, password.ErrTooLong), errors.Is(err, password.ErrNotUTF8):
		return passwordFieldError("password", err)
	}
	return s.storeError(err)
}

// proven are the counters that the right password clears, and those that it
// gives one back to: a success never clears a network's counter, or an account
// of one's own would reset it.
func (s *Service) limitsOnSuccess(a *attempt) (clear, back []string) {
	if s.cfg.InsecureNoThrottle {
		return nil, nil
	}
	return limitKeys([]namedLimit{a.ownLimit, a.lockLimit}), limitKeys(a.networkLimits)
}

// settle does what proven says where no other step would.
func (s *Service) resetLimits(ctx context.Context, a *attempt) {
	clear, back := s.limitsOnSuccess(a)
	ctx, cancel := background.Detach(ctx)
	defer cancel()
	if len(clear) > 0 {
		if err := s.store.ClearLimits(ctx, clear); err != nil {
			s.cfg.Logger.Warn("usher: a limit could not be cleared", "error", err)
		}
	}
	if len(back) > 0 {
		if err := s.store.ReleaseLimits(ctx, back); err != nil {
			s.cfg.Logger.Warn("usher: a limit could not be given back", "error", err)
		}
	}
}

// maxConcurrentAttempts is how many tries to prove a password are looked up and counted at the
// same time. A store does more than a thousand a second, and no machine hashes as
// many, so nobody waits here but in a storm.
const maxConcurrentAttempts = 32

// admit looks a try to prove a password up and counts it by work. In a storm of them
// the rest waits in the order in which it came, and whoever could not be hashed in
// time is told so before anything is looked up or written: the answer is the same as
// from the queue of the hashes, and it says nothing of the login id. A try that is
// refused here was not judged, and is not counted.
//
// Nothing but the store is waited for with a place: a hook or a log that hangs holds
// up who is refused, and nobody else.
func (s *Service) withAdmission(ctx context.Context, c Client, work func() (*refusedLimit, error)) error {
	refused, err := s.withSlot(ctx, work)
	var busy *password.BusyError
	switch {
	case errors.As(err, &busy):
		return s.hashError(ctx, err, c)
	case err != nil && !errors.Is(err, ErrUnavailable):
		return s.storeError(err)
	case err != nil:
		return err
	case refused != nil:
		return s.limitExceeded(ctx, refused, c)
	}
	return nil
}

// inside does the work in one of the places.
func (s *Service) withSlot(ctx context.Context, work func() (*refusedLimit, error)) (*refusedLimit, error) {
	select {
	case s.admission <- struct{}{}:
	default:
		if err := s.waitForSlot(ctx); err != nil {
			return nil, err
		}
	}
	defer func() { <-s.admission }()
	if err := s.hasher.Busy(); err != nil {
		return nil, err
	}
	return work()
}

// waitForAdmission waits as long as for a hash.
func (s *Service) waitForSlot(ctx context.Context) error {
	timer := time.NewTimer(s.cfg.Hashing.QueueWait)
	defer timer.Stop()
	select {
	case s.admission <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return &password.BusyError{RetryAfter: time.Second}
	}
}
