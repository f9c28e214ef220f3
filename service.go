package usher

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usherkit/usher/internal/seal"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// Service signs people up and in, and keeps their sessions. It knows nothing
// of HTTP: package handlers is its face there. All methods may be called at
// once from many goroutines, and any number of Services on any number of
// machines may share one Store.
//
// Every error is one of the sentinels of this package, a [*FieldError], a
// [*LimitError], a [*password.PolicyError] or [*InputErrors], possibly wrapped, or
// comes from [Config.Claims]. ErrUnavailable means that nothing is known to have happened:
// nobody was let in.
type Service struct {
	cfg    Config
	store  store.Store
	hasher *password.Hasher
	// admission has a place for each try that is being counted.
	admission chan struct{}

	verifier    *token.Verifier
	keys        *token.KeySet
	signing     atomic.Pointer[keyring]
	keysMu      sync.Mutex // orders changes of keys and signing
	revocations *token.Revocations

	keyBox, mailBox, deviceBox *seal.Box
	limitMAC, refreshMAC       *seal.MAC

	noted  notedLimits
	offBy  atomic.Int64  // how far the clock is ahead of the store's, in nanoseconds
	outbox chan struct{} // wakes a sender
	later  chan deferred
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// New returns a Service on store. It makes the first signing key if there is
// none, reads the live list of revocations, and starts what runs beside the
// requests: following revocations, turning keys, sending mail, removing what
// has expired. An error names the setting that is missing or wrong, or says
// that the store is out of reach, or that the clock of this machine is off by
// more than a minute.
func New(store store.Store, cfg Config) (*Service, error) {
	if store == nil {
		return nil, errors.New("usher: New needs a Store: sqlite.Open opens one")
	}
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	s := &Service{
		cfg:         cfg,
		store:       store,
		revocations: token.NewRevocations(),
		outbox:      make(chan struct{}, 1),
		later:       make(chan deferred, laterQueue),
		admission:   make(chan struct{}, admitted),
	}
	if s.hasher, err = password.NewHasher(cfg.Hashing); err != nil {
		return nil, fmt.Errorf("usher: Config.Hashing: %w", err)
	}
	if err := s.deriveKeys(); err != nil {
		return nil, err
	}
	if s.keys, err = token.NewKeySet(); err != nil {
		return nil, fmt.Errorf("usher: %w", err)
	}
	s.verifier, err = token.NewVerifier(token.VerifierConfig{
		Issuers: []token.Issuer{{
			URL:        cfg.BaseURL,
			Audiences:  cfg.Audience,
			Algorithms: []token.Algorithm{token.ES256, token.EdDSA, token.RS256},
			Keys:       &followedKeys{KeySet: s.keys, read: s.readKeys},
		}},
		Revocations: s.revocations,
		Now:         cfg.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("usher: %w", err)
	}
	cfg.warn()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := errors.Join(s.checkClock(ctx), s.clockFit()); err != nil {
		return nil, err
	}
	if _, err := s.turnKeys(ctx, nil); err != nil {
		return nil, fmt.Errorf("usher: signing keys: %w", err)
	}
	follower := &follower{s: s}
	if err := follower.poll(ctx); err != nil {
		return nil, fmt.Errorf("usher: revocations: %w", err)
	}
	background, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.follow(background, follower)
	s.every(background, "turn keys", keysEvery, func(ctx context.Context) error {
		_, err := s.turnKeys(ctx, nil)
		return err
	})
	s.every(background, "remove expired rows", cleanEvery, s.clean)
	s.every(background, "compare clocks", clockEvery, s.checkClock)
	s.sendMail(background)
	s.done.Go(func() { s.doLater(background) })
	return s, nil
}

// Close ends what runs beside the requests and waits for it. It does not close
// the Store, which is the caller's. Mail that was not sent yet stays in the
// outbox.
func (s *Service) Close() error {
	s.stop()
	s.done.Wait()
	return nil
}

// How often the background work looks.
const (
	pollEvery  = time.Second
	keysEvery  = 5 * time.Second
	cleanEvery = time.Minute
	// wakeRest is how long work that was woken is not woken again.
	wakeRest = 100 * time.Millisecond
)

// storeTimeout is how long a step of the background work may take.
const storeTimeout = 10 * time.Second

// asideTimeout is how long what follows a decision may keep it waiting.
const (
	asideTimeout = 2 * time.Second
	asideLeast   = 100 * time.Millisecond
)

// aside is a context for what follows a decision, such as its line in the audit
// table: it goes on when the client hangs up, but keeps to the time that there was
// for the answer, or hardly longer.
func (s *Service) aside(ctx context.Context) (context.Context, context.CancelFunc) {
	patience := asideTimeout
	if deadline, ok := ctx.Deadline(); ok {
		patience = min(patience, max(time.Until(deadline), asideLeast))
	}
	return context.WithTimeout(context.WithoutCancel(ctx), patience)
}

// every runs do at intervals until ctx ends. A failure is logged once until it
// succeeds again.
func (s *Service) every(ctx context.Context, name string, interval time.Duration, do func(context.Context) error) {
	s.onEvery(ctx, name, interval, nil, do)
}

// onEvery is every for work that is also done when wake says so, but then not
// again for a moment, however often it is woken.
func (s *Service) onEvery(ctx context.Context, name string, interval time.Duration, wake <-chan struct{}, do func(context.Context) error) {
	s.done.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		var resting <-chan time.Time
		failing := false
		for {
			woken := wake
			if resting != nil {
				woken = nil
			}
			select {
			case <-ctx.Done():
				return
			case <-resting:
				resting = nil
				continue
			case <-tick.C:
			case <-woken:
				resting = time.After(wakeRest)
			}
			call, cancel := context.WithTimeout(ctx, storeTimeout)
			err := s.guard(func() error { return do(call) })
			cancel()
			switch {
			case err != nil && ctx.Err() == nil && !failing:
				s.cfg.Logger.Error("usher: background work fails", "work", name, "error", err)
				failing = true
			case err == nil && failing:
				s.cfg.Logger.Info("usher: background work succeeds again", "work", name)
				failing = false
			}
		}
	})
}

// guard turns a panic of a store, a mailer or a hook into an error.
func (s *Service) guard(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("usher: panic: %v", p)
		}
	}()
	return do()
}

// clean removes what no longer means anything, in steps small enough that
// nobody waits for them.
func (s *Service) clean(ctx context.Context) error {
	const step, steps = 1000, 20
	now := s.now()
	s.revocations.Prune(now)
	for range steps {
		n, err := s.store.DeleteExpired(ctx, now, now.Add(-s.cfg.EventsKept), step)
		if err != nil || n < step {
			return err
		}
	}
	return nil
}

// deriveKeys makes the key of each use from the secrets.
func (s *Service) deriveKeys() error {
	secrets := []string{s.cfg.Secret.Reveal()}
	for _, old := range s.cfg.OldSecrets {
		secrets = append(secrets, old.Reveal())
	}
	var errs [5]error
	s.keyBox, errs[0] = seal.NewBox(secrets, "signing keys")
	s.mailBox, errs[1] = seal.NewBox(secrets, "outbox")
	s.deviceBox, errs[2] = seal.NewBox(secrets, "device")
	s.limitMAC, errs[3] = seal.NewMAC(secrets, "limits")
	s.refreshMAC, errs[4] = seal.NewMAC(secrets, "refresh tokens")
	return errors.Join(errs[:]...)
}

// now is the time as the store keeps it.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// JWKS returns the JWK Set (RFC 7517) by which anyone can verify the tokens:
// public keys only.
func (s *Service) JWKS() []byte { return s.keys.JSON() }

// PasswordPolicy returns the policy for new passwords, every default filled in.
func (s *Service) PasswordPolicy() password.Policy { return s.cfg.Password }

// Hashes returns how many password hashes this process has computed: for
// metrics.
func (s *Service) Hashes() uint64 { return s.hasher.Count() }

// RecentSignIn returns how old a sign-in may be for [Service.UpdatePassword]
// by token alone.
func (s *Service) RecentSignIn() time.Duration { return s.cfg.Sessions.Recent }

// Ping reports whether this machine should serve: the store answers, and the
// clock does not differ from the store's by more than a minute (see [StoreClock]).
func (s *Service) Ping(ctx context.Context) error {
	if err := s.clockFit(); err != nil {
		return err
	}
	return s.outage(s.store.Ping(ctx))
}

// Events reads the audit trail back, newest first.
func (s *Service) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	events, err := s.store.Events(ctx, q)
	return events, s.outage(err)
}

// outage returns err as it is when it is one of the store's named answers, and
// as ErrUnavailable when it is not.
func (s *Service) outage(err error) error {
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) || errors.Is(err, ErrLoginIDTaken) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// random returns n random bytes as unpadded base64url.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

// hashOf is how random secrets are stored: they need no salt and no stretching.
func hashOf(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

// newEvent describes what happened to whom, by whose request.
func (s *Service) newEvent(name EventName, userID, sessionID, reason string, c Client) Event {
	address := ""
	if c.Address.IsValid() {
		address = c.Address.String()
	}
	return Event{
		ID: random(16), At: s.now(), Name: name, UserID: userID, SessionID: sessionID,
		Address: address, UserAgent: cut(c.UserAgent, 256), RequestID: cut(c.RequestID, 64), Reason: reason,
	}
}

// announce tells the hook and the log of events that are stored by now.
func (s *Service) announce(ctx context.Context, events ...Event) {
	for _, e := range events {
		s.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "usher: "+string(e.Name), slog.Any("audit", e))
		if s.cfg.OnEvent == nil {
			continue
		}
		err := s.guard(func() error { s.cfg.OnEvent(ctx, e); return nil })
		if err != nil {
			s.cfg.Logger.Error("usher: Config.OnEvent", "event", e.Name, "error", err)
		}
	}
}

// record stores events that belong to no other step, and announces them. What
// they tell of has been decided: if the store fails, that is logged and the
// decision stands. A client who hangs up leaves his trace all the same.
func (s *Service) record(ctx context.Context, events ...Event) {
	after, cancel := s.aside(ctx)
	defer cancel()
	if err := s.store.Record(after, store.Effects{Events: events}); err != nil {
		s.cfg.Logger.Error("usher: an event could not be stored", "event", events[0].Name, "error", err)
	}
	s.announce(ctx, events...)
}

// encode and decode are how random and sealed bytes travel.
func encode(b []byte) string          { return base64.RawURLEncoding.EncodeToString(b) }
func decode(s string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(s) }
