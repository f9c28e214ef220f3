package usher

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/usherkit/usher/internal/audit"
	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/keyring"
	"github.com/usherkit/usher/internal/outbox"
	"github.com/usherkit/usher/internal/revocation"
	"github.com/usherkit/usher/internal/seal"
	"github.com/usherkit/usher/internal/signing"
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
	// admission holds a place for each attempt that is being counted.
	admission chan struct{}

	verifier    *token.Verifier
	keys        *keyring.Keyring
	revocations *token.Revocations
	audit       *audit.Log
	outbox      *outbox.Outbox
	background  *background.Group

	emailBox, deviceBox  *seal.Box
	limitMAC, refreshMAC *seal.MAC

	clockAhead atomic.Int64 // how far the clock is ahead of the store's, in nanoseconds
}

// New returns a Service on a store. It makes the first signing key if there is none,
// reads the revocations in force, and starts the background work: following
// revocations, rotating keys, sending emails, removing expired rows. ctx bounds the
// start alone, which takes at most 30 seconds; [Service.Close] ends the background
// work.
//
// An error names the setting that is missing or wrong, or says that the store cannot
// be reached, or that the clock of this instance differs from the store's by more
// than a minute.
func New(ctx context.Context, st store.Store, cfg Config) (*Service, error) {
	if st == nil {
		return nil, errors.New("usher: New needs a Store: sqlite.Open opens one")
	}
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	s := &Service{
		cfg:         cfg,
		store:       st,
		revocations: token.NewRevocations(),
		admission:   make(chan struct{}, maxConcurrentAttempts),
	}
	s.audit = audit.NewLog(st, cfg.OnEvent, cfg.Logger, s.now)
	if s.hasher, err = password.NewHasher(cfg.Hashing); err != nil {
		return nil, fmt.Errorf("usher: Config.Hashing: %w", err)
	}
	if err := s.deriveKeys(); err != nil {
		return nil, err
	}
	s.outbox = outbox.New(outbox.Config{Store: st, Send: s.deliver, Audit: s.audit, Logger: cfg.Logger, Now: s.now})
	if s.verifier, err = s.newVerifier(); err != nil {
		return nil, fmt.Errorf("usher: %w", err)
	}
	cfg.logWarnings()
	s.background = background.NewGroup(cfg.Logger)
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.background.Close(ctx))
	}
	return s, nil
}

// newVerifier returns the verifier of the tokens that this program issues.
func (s *Service) newVerifier() (*token.Verifier, error) {
	return token.NewVerifier(token.VerifierConfig{
		Issuers: []token.Issuer{{
			URL:        s.cfg.BaseURL,
			Audiences:  s.cfg.Audience,
			Algorithms: []token.Algorithm{token.ES256, token.EdDSA, token.RS256},
			Keys:       s.keys,
		}},
		Revocations: s.revocations,
		Now:         s.cfg.Now,
	})
}

// startTimeout bounds what New does.
const startTimeout = 30 * time.Second

// start reads what the instance needs from the store and starts the background work.
func (s *Service) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := errors.Join(s.checkClock(ctx), s.clockUsable()); err != nil {
		return err
	}
	readKeys := s.keys.Rotate
	if s.cfg.NoBackground {
		readKeys = s.keys.Load
	}
	if err := readKeys(ctx); err != nil {
		return fmt.Errorf("usher: signing keys: %w", err)
	}
	notifier, _ := store.Find[store.Notifier](s.store)
	follower := revocation.NewFollower(revocation.Config{
		Store: s.store, Notifier: notifier, List: s.revocations, Logger: s.cfg.Logger, Now: s.now,
		Until: func() time.Time { return s.revokedUntil(s.now()) },
	})
	if err := follower.Poll(ctx); err != nil {
		return fmt.Errorf("usher: revocations: %w", err)
	}
	if s.cfg.NoBackground {
		return nil
	}
	follower.Follow(s.background)
	s.background.Every("rotate keys", keysInterval, s.keys.Rotate)
	s.background.Every("remove expired rows", cleanInterval, s.deleteExpired)
	s.background.Every("compare clocks", clockInterval, s.checkClock)
	s.background.RunQueue()
	s.outbox.Deliver(s.background)
	return nil
}

// Close ends the background work and waits for it, at most until ctx ends; then it
// returns the error of ctx. Emails that were not sent yet stay in the outbox. Close
// does not close the Store, which belongs to the caller.
func (s *Service) Close(ctx context.Context) error { return s.background.Close(ctx) }

// How often the background work runs.
const (
	keysInterval  = 5 * time.Second
	cleanInterval = time.Minute
)

// enqueue runs do soon after the answer. With Config.NoBackground, where nothing
// runs later, it runs do now.
func (s *Service) enqueue(ctx context.Context, name string, do func(context.Context) error) {
	if !s.cfg.NoBackground {
		s.background.Enqueue(name, do)
		return
	}
	if err := background.Guard(func() error { return do(ctx) }); err != nil {
		s.cfg.Logger.Error("usher: queued work fails", "work", name, "error", err)
	}
}

// clean removes expired rows, in transactions so small that no other caller waits for
// them noticeably.
func (s *Service) deleteExpired(ctx context.Context) error {
	const rows, transactions = 1000, 20
	now := s.now()
	s.revocations.Prune(now)
	for range transactions {
		n, err := s.store.DeleteExpired(ctx, now, now.Add(-s.cfg.EventRetention), rows)
		if err != nil || n < rows {
			return err
		}
	}
	return nil
}

// secrets returns the secrets, newest first.
func (s *Service) secrets() []string {
	all := []string{s.cfg.Secret.Reveal()}
	for _, old := range s.cfg.OldSecrets {
		all = append(all, old.Reveal())
	}
	return all
}

// CookieSecrets returns one secret of 32 bytes for each of [Config.Secret] and
// [Config.OldSecrets], newest first, from which package handlers derives the keys
// of the cookies. A program may use them for a cookies.Jar of its own. They differ
// from every other key of the Service.
func (s *Service) CookieSecrets() []Secret {
	keys, err := seal.DeriveKeys(s.secrets(), "cookies", 32)
	if err != nil {
		panic("usher: " + err.Error()) // New has derived keys from the same secrets
	}
	secrets := make([]Secret, len(keys))
	for i, key := range keys {
		secrets[i] = Secret(key)
	}
	return secrets
}

// deriveKeys makes the key of each use from the secrets.
func (s *Service) deriveKeys() error {
	secrets := s.secrets()
	var errs [5]error
	keyBox, err := seal.NewBox(secrets, "signing keys")
	errs[0] = err
	s.emailBox, errs[1] = seal.NewBox(secrets, "outbox")
	s.deviceBox, errs[2] = seal.NewBox(secrets, "device")
	s.limitMAC, errs[3] = seal.NewMAC(secrets, "limits")
	s.refreshMAC, errs[4] = seal.NewMAC(secrets, "refresh tokens")
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	s.keys, err = keyring.New(keyring.Config{
		Store: s.store, Box: keyBox, Rotation: signing.Rotation(s.cfg.Rotation), Algorithm: s.cfg.Algorithm,
		Audit: s.audit, Now: s.now,
	})
	return err
}

// now is the time as the store keeps it.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// JWKS returns the JWK Set (RFC 7517) by which anyone can verify the tokens:
// public keys only.
func (s *Service) JWKS() []byte { return s.keys.JSON() }

// Revocations returns, as JSON, which sessions ended before their tokens expired:
// what other programs need beside [Service.JWKS] to refuse a session as soon as this
// one does. It does not ask the database. See [token.Revocations.JSON].
func (s *Service) Revocations() []byte { return s.revocations.JSON() }

// PasswordPolicy returns the policy for new passwords, every default filled in.
func (s *Service) PasswordPolicy() password.Policy { return s.cfg.Password }

// Hashes returns how many password hashes this process has computed: for
// metrics.
func (s *Service) Hashes() uint64 { return s.hasher.Count() }

// RecentSignIn returns how old a sign-in may be for [Service.UpdatePassword]
// by token alone.
func (s *Service) RecentSignIn() time.Duration { return s.cfg.Sessions.Recent }

// Ping reports whether this machine should serve: the store answers, and the
// clock does not differ from the store's by more than a minute (see [store.Clock]).
func (s *Service) Ping(ctx context.Context) error {
	if err := s.clockUsable(); err != nil {
		return err
	}
	return s.storeError(s.store.Ping(ctx))
}

// outage returns err as it is when it is one of the store's named answers, and
// as ErrUnavailable when it is not.
func (s *Service) storeError(err error) error {
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) || errors.Is(err, ErrLoginIDTaken) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// random returns n random bytes as unpadded base64url.
func randomString(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

// hashOf is how random secrets are stored: they need no salt and no stretching.
func hashOf(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

// newEvent returns an event that was caused by a client.
func (s *Service) newEvent(name EventName, userID, sessionID, reason string, c Client) Event {
	return s.audit.NewEvent(name, userID, sessionID, reason,
		audit.Client{Address: c.Address, UserAgent: c.UserAgent, RequestID: c.RequestID, Actor: c.actor})
}

// encode and decode are how random and sealed bytes travel.
func encode(b []byte) string          { return base64.RawURLEncoding.EncodeToString(b) }
func decode(s string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(s) }

// Name returns the program's name: [Config.Name], or else the host of
// [Config.BaseURL].
func (s *Service) Name() string { return s.cfg.Name }

// PagesURL is the address of the pages that people see, without a slash at its
// end: [Config.BaseURL] and [Config.PagesPath].
func (s *Service) PagesURL() string { return s.cfg.BaseURL + strings.TrimSuffix(s.cfg.PagesPath, "/") }

// ConfirmsFirst reports whether sign-up answers with a mail alone
// ([Config.ConfirmFirst]).
func (s *Service) ConfirmsFirst() bool { return s.cfg.ConfirmFirst }

// SignUpClosed reports whether nobody can sign up ([Config.SignUpClosed]).
func (s *Service) SignUpClosed() bool { return s.cfg.SignUpClosed }
