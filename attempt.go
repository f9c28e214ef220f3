package usher

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/usherkit/usher/internal/ipaddr"
	"github.com/usherkit/usher/internal/recent"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
)

// attempt is one attempt to prove a password. Sign-in, replacement, update, change
// of address and verification all use it, so they count against the same limits and
// compute exactly one hash.
type attempt struct {
	account   store.Account // zero if there is no such user
	canonical string
	client    Client
	device    string // id of the browser, if it is known

	backoffLimits []namedLimit // failures of the login id in the client's networks, or of the known browser
	networkFails  []namedLimit // failures of the networks; none for a known browser
	lockLimits    []namedLimit // consecutive failures: of the known browser, if any, and over all networks
	failures      int          // consecutive failures before this attempt, over all networks
	lockFailures  int          // those that may lock the password for this client
	rehash        bool         // the stored hash has outdated costs
}

// beginAttempt reads the account of a canonical login id and counts the attempt,
// before anything is checked.
func (s *Service) beginAttempt(ctx context.Context, canonical string, c Client) (*attempt, error) {
	a := &attempt{canonical: canonical, client: c}
	_, known := s.openDevice(c)
	err := s.admitAttempt(s.withHashQueue(ctx, canonical, known, c), c, func() (*refusedLimit, error) {
		account, err := s.store.AccountByLoginID(ctx, canonical)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, s.storeError(err)
		}
		a.account = account
		if known && s.knownDeviceID(account, c) == "" {
			// The device token is of another user or of an earlier password, so the hash
			// waits in the queue of unknown browsers.
			known = false
			if err := s.hasher.Busy(s.withHashQueue(ctx, canonical, false, c)); err != nil {
				return nil, err
			}
		}
		return s.countAttempt(ctx, a)
	})
	return a, s.countRefusedByQueue(a, known, err)
}

// beginAttemptFor is beginAttempt for an account that was already read, from a
// session or an emailed link.
func (s *Service) beginAttemptFor(ctx context.Context, account store.Account, c Client) (*attempt, error) {
	canonical, err := canonicalLoginID(account.User.LoginID(), true)
	if err != nil {
		canonical = account.User.ID
	}
	a := &attempt{account: account, canonical: canonical, client: c}
	_, known := s.openDevice(c)
	err = s.admitAttempt(s.withHashQueue(ctx, canonical, known, c), c, func() (*refusedLimit, error) { return s.countAttempt(ctx, a) })
	return a, s.countRefusedByQueue(a, known, err)
}

// countAttempt takes all limits of the attempt in one transaction. A known browser
// has counters of its own, so that an attacker cannot lock the owner out.
func (s *Service) countAttempt(ctx context.Context, a *attempt) (*refusedLimit, error) {
	l := s.cfg.Limits
	own := store.Limit{Max: l.FreeFailures, Window: 24 * time.Hour, Backoff: l.Wait, MaxBackoff: l.MaxWait}
	if a.accountExists() {
		a.device = s.knownDeviceID(a.account, a.client)
	}
	if a.device != "" {
		own.Key = s.limitKey("device", a.account.User.ID, a.device)
		a.backoffLimits = []namedLimit{{limitLoginID, own}}
	} else {
		a.backoffLimits = s.networkLimits(limitLoginID, own, a.client, a.canonical)
		a.networkFails = s.networkLimits(limitNetwork, store.Limit{Max: l.NetworkFailures, Window: l.NetworkWindow}, a.client)
	}
	a.lockLimits = s.lockLimits(a)
	counts, refused, err := s.takeLimits(ctx, append(s.attemptLimits(a), a.failureLimits()...)...)
	if err != nil || refused != nil {
		return refused, err
	}
	locks := counts[len(counts)-len(a.lockLimits):]
	a.lockFailures, a.failures = max(0, locks[0]-1), max(0, locks[len(locks)-1]-1)
	return nil, nil
}

// knownAttemptsFactor is how many times Limits.NetworkAttempts the known browsers of a
// network have together.
const knownAttemptsFactor = 5

// attemptLimits returns the limits on password checks, right or wrong: each costs a hash,
// and a client with an account must not occupy all slots with its right password. An
// unknown browser counts on the limit of its network. A known browser counts on a limit of
// its account, so that other clients in the network cannot use it up, and on a higher one
// for all known browsers of the network, so that many accounts of one client do not add up.
// These limits are never released.
func (s *Service) attemptLimits(a *attempt) []namedLimit {
	l := store.Limit{Max: s.cfg.Limits.NetworkAttempts, Window: s.cfg.Limits.NetworkWindow}
	if a.device == "" {
		return s.networkLimits(limitAttempts, l, a.client, "network")
	}
	user, together := l, l
	user.Key = s.limitKey(limitAttempts, "user", a.account.User.ID)
	together.Max *= knownAttemptsFactor
	return append([]namedLimit{{limitAttempts, user}}, s.networkLimits(limitAttempts, together, a.client, "known browsers")...)
}

// lockLimits returns the counters of consecutive failures (NIST SP 800-63B-4 §3.2.2): of
// a known browser, which alone can lock the password for that browser, and of the
// account over all networks. They never refuse, because a locked password must look like
// a wrong one. A login id without a user counts for its network, so that the store does
// the same work.
func (s *Service) lockLimits(a *attempt) []namedLimit {
	if !a.accountExists() {
		key := s.limitKey(limitLock, "", ipaddr.Network(a.client.Address))
		return []namedLimit{{limitLock, store.Limit{Key: key, Max: math.MaxInt32, Window: 24 * time.Hour}}}
	}
	all := namedLimit{limitLock, store.Limit{Key: s.lockKey(a.account.User.ID), Max: math.MaxInt32}}
	if a.device == "" {
		return []namedLimit{all}
	}
	key := s.limitKey(limitLock, a.account.User.ID, a.device)
	return []namedLimit{{limitLock, store.Limit{Key: key, Max: math.MaxInt32, Window: deviceLifetime}}, all}
}

// failureLimits returns the limits that count failures. lockLimits are the last.
func (a *attempt) failureLimits() []namedLimit {
	return slices.Concat(a.backoffLimits, a.networkFails, a.lockLimits)
}

// passwordLocked reports whether consecutive failures have locked the password for the
// client: those of a known browser for that browser, and those over all networks for all
// unknown browsers.
func (s *Service) passwordLocked(a *attempt) bool {
	return a.accountExists() && a.lockFailures >= s.PasswordPolicy().LockAttempts
}

// accountExists reports whether the login id has a user.
func (a *attempt) accountExists() bool { return a.account.User.ID != "" }

// verifyAttempt computes the one hash of the attempt. It returns nil if the
// password is right, whatever the status of the user, and ErrInvalidCredentials
// after every failure.
func (s *Service) verifyAttempt(ctx context.Context, a *attempt, pw Secret) error {
	ctx = s.withHashQueue(ctx, a.canonical, a.device != "", a.client)
	reason := ""
	switch {
	case !a.accountExists():
		reason = "unknown_login_id"
	case s.passwordLocked(a):
		reason = "locked"
	case s.temporaryPasswordExpired(a.account.Password):
		reason = "temporary_expired"
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
	s.rememberAttempt(a, 1)
	return nil
}

// lockKey returns the key of the counter in lockLimits that is over all networks. It does
// not depend on Config.Secret, so that a new secret unlocks no password. A plain hash of
// the user id reveals nothing, because the id is random.
func (s *Service) lockKey(userID string) string { return encode(hashOf(limitLock + " " + userID)[:18]) }

// failAttempt records a failure and returns ErrInvalidCredentials, whatever the
// reason. Further events are stored in the same transaction.
func (s *Service) failAttempt(ctx context.Context, a *attempt, reason string, events ...Event) error {
	s.rememberAttempt(a, repeatedAttempts)
	events = append(events, s.newEvent(EventSignInFailed, a.account.User.ID, "", reason, a.client))
	if lock := s.PasswordPolicy().LockAttempts; a.accountExists() && a.failures+1 >= lock {
		locks := a.failures+1 == lock
		if locks {
			events = append(events, s.newEvent(EventPasswordLocked, a.account.User.ID, "", "", a.client))
		}
		s.notifyOfLock(ctx, a, locks)
	}
	s.audit.Store(ctx, events...)
	return ErrInvalidCredentials
}

// abandonAttempt releases the limits, because no hash was computed and nothing was
// guessed, and returns the error.
func (s *Service) abandonAttempt(ctx context.Context, a *attempt, err error) error {
	s.releaseLimits(ctx, a.failureLimits()...)
	return s.countRefusedByQueue(a, a.device != "", s.hashError(ctx, err, a.client))
}

// hashError returns an error of the Hasher as one of this package. A full queue is
// a LimitError and not an outage.
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

// repeatedAttempts is how many successful or refused attempts by unknown browsers make
// further ones repeated attempts. One failure is enough, too.
const repeatedAttempts = 5

// knownBrowsers is a group of clients in the hashing queue.
const knownBrowsers = "known browsers"

// withHashQueue returns a context whose hashes wait in the queue of the client's network.
// Networks take turns, so that one with many requests delays no other. Three groups of
// them take turns as well, so that a botnet delays neither known browsers nor first
// attempts: known browsers, repeated attempts, and all others. An attempt is a repeated
// one if, within the last hour or two in this instance, its login id or its network had a
// failed attempt by an unknown browser, or five that succeeded or found the queue full.
// That does not depend on whether the login id has a user.
func (s *Service) withHashQueue(ctx context.Context, canonical string, known bool, c Client) context.Context {
	group, network, now := "", widestNetwork(c), s.now()
	count := func(key string) int { return s.recent.Count(now, key) + s.refused.Count(now, key) }
	switch {
	case known:
		group = knownBrowsers
	case max(count("login id "+canonical), count("network "+network)) >= repeatedAttempts:
		group = "repeated attempts"
	}
	return password.WithClient(ctx, group, network)
}

// withProvenHashQueue is withHashQueue for a client that a session, the current password or an
// emailed link has proven. It waits with the known browsers.
func withProvenHashQueue(ctx context.Context, c Client) context.Context {
	return password.WithClient(ctx, knownBrowsers, widestNetwork(c))
}

// rememberAttempt counts an attempt of an unknown browser for withHashQueue.
func (s *Service) rememberAttempt(a *attempt, n uint8) { s.remember(s.recent, a, n) }

func (s *Service) remember(in *recent.Counts, a *attempt, n uint8) {
	if a.device == "" {
		now := s.now()
		in.Add(now, "login id "+a.canonical, n)
		in.Add(now, "network "+widestNetwork(a.client), n)
	}
}

// countRefusedByQueue counts an attempt that the full hashing queue refused, because a flood of
// attempts is seldom served. It costs the client no hash, so it is counted apart: a flood
// with made-up login ids does not displace other counts. countRefusedByQueue returns err.
func (s *Service) countRefusedByQueue(a *attempt, known bool, err error) error {
	var limit *LimitError
	if !known && errors.As(err, &limit) && limit.Limit == limitHashing {
		s.remember(s.refused, a, 1)
	}
	return err
}

// widestNetwork returns the largest network that the customer behind a client may have.
func widestNetwork(c Client) string {
	networks := ipaddr.Networks(c.Address)
	return networks[len(networks)-1]
}

// maxConcurrentAttempts is how many attempts are looked up and counted at the same
// time. A store handles more than a thousand a second, and no instance hashes that
// many, so attempts wait here only under a flood of them.
const maxConcurrentAttempts = 32

// admitAttempt runs the look-up and count of an attempt in one of maxConcurrentAttempts
// slots. ctx is from withHashQueue. Further attempts wait in order. An attempt that could
// not be hashed within Config.Hashing.QueueWait is refused before anything is read or
// written, and is not counted. The refusal is the same as that of the hashing queue, so it
// reveals nothing about the login id. If the store does not answer the attempts in the
// slots, the error is ErrUnavailable.
//
// A refused attempt gives up its slot before the hook and the log are called. A
// hook that hangs therefore delays only refused attempts.
func (s *Service) admitAttempt(ctx context.Context, c Client, work func() (*refusedLimit, error)) error {
	refused, err := s.inAttemptSlot(ctx, work)
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

// inAttemptSlot runs work in one of the slots.
func (s *Service) inAttemptSlot(ctx context.Context, work func() (*refusedLimit, error)) (*refusedLimit, error) {
	slot, err := s.attemptSlots.take(ctx, s.cfg.Hashing.QueueWait)
	if err != nil {
		return nil, err
	}
	defer s.attemptSlots.release(slot)
	if err := s.hasher.Busy(ctx); err != nil {
		return nil, err
	}
	return work()
}

// attemptSlots are the slots of attempts that are being looked up and counted.
type attemptSlots struct {
	free  chan int                                         // slots that no attempt has
	since [maxConcurrentAttempts]atomic.Pointer[time.Time] // when an attempt took the slot; nil if free

	waiting, taken atomic.Int64 // attempts that wait for a slot, and that have got one so far
}

func newAttemptSlots() *attemptSlots {
	q := &attemptSlots{free: make(chan int, maxConcurrentAttempts)}
	for i := range q.since {
		q.free <- i
	}
	return q
}

var errStoreHangs = errors.New("the store does not answer other attempts")

// take waits for a slot, at most for the given time. After that the error is
// errStoreHangs if an attempt has had its slot for as long, because an attempt with a slot waits
// only for the store. Otherwise it returns a *password.BusyError. Attempts that are refused
// together get different times to wait, at the pace at which attempts have got slots.
func (q *attemptSlots) take(ctx context.Context, wait time.Duration) (slot int, err error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	before := q.taken.Load()
	q.waiting.Add(1)
	select {
	case slot = <-q.free:
		q.waiting.Add(-1)
		q.taken.Add(1)
	case <-ctx.Done():
		q.waiting.Add(-1)
		return 0, ctx.Err()
	case <-timer.C:
		ahead := float64(q.waiting.Add(-1) + 1)
		for i := range q.since {
			if since := q.since[i].Load(); since != nil && time.Since(*since) > wait*9/10 {
				return 0, errStoreHangs
			}
		}
		seconds := ahead * wait.Seconds() / float64(max(q.taken.Load()-before, 1))
		return 0, &password.BusyError{RetryAfter: time.Duration(math.Ceil(min(seconds, 10))) * time.Second}
	}
	now := time.Now()
	q.since[slot].Store(&now)
	return slot, nil
}

func (q *attemptSlots) release(slot int) {
	q.since[slot].Store(nil)
	q.free <- slot
}
