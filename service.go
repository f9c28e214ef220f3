package usher

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/usherkit/usher/internal/audit"
	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/clock"
	"github.com/usherkit/usher/internal/keyring"
	"github.com/usherkit/usher/internal/outbox"
	"github.com/usherkit/usher/internal/recent"
	"github.com/usherkit/usher/internal/revocation"
	"github.com/usherkit/usher/internal/seal"
	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/internal/weburl"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// Service implements the rules of passwords and sessions on a [store.Store]. [New]
// returns one. All methods are safe for concurrent use, and any number of instances
// may share one store.
//
// Its methods, in groups:
//
//   - Accounts: SignUp, Me, UpdateProfile, AccountData, DeleteAccount
//   - Passwords: SignIn, Reauthenticate, UpdatePassword, ReplacePassword,
//     PasswordPolicy, RecentSignIn, HasPassword
//   - Other proofs: EnsureUser, StartSession, SignInWithToken
//   - Invitations: InvitationLink, AcceptInvitation
//   - Resets: SendPasswordReset, ResetLink, ResetPassword, VerifyReset,
//     ValidateReset
//   - Email addresses: SendEmailVerification, VerificationLink, VerifyEmail,
//     ChangeEmail, PendingEmail, CancelEmailChange
//   - Sessions: ValidateSession, ValidateRefresh, RefreshSession, RefreshTokens,
//     SessionToken, SelectTenant, CurrentClaims, ReissueSessionToken, WatchSession,
//     Sessions, SignInHistory, RevokeSession, SignOut, SignOutEverywhere
//   - Other verifiers: JWKS, Revocations
//   - Administration: Operator
//   - Running: Ping, RunBackground, Hashes, CookieSecrets, Now, Close
//   - Settings: Name, Issuer, BaseURL, PagesURL, Links, ConfirmFirst, NoEmailCodes,
//     SignUpClosed, SignUpFields
//
// Methods that require a signed-in user take the verified claims of a token, from
// [Service.ValidateSession] or from package middleware. Methods that count attempts
// or record events take a [Client].
//
// The comment of each method ends with its errors. They may be wrapped.
// [ErrUnavailable] means that the call authenticated no client, but its change may
// have been stored.
type Service struct {
	cfg          Config
	store        store.Store
	hasher       *password.Hasher
	attemptSlots *attemptSlots
	recent       *recent.Counts // attempts by unknown browsers, for the hashing queue
	refused      *recent.Counts // those that it refused
	lookedUp     *recent.Counts // passwords that were looked up at a sign-in, and that may sign in
	lockNotices  *recent.Counts // users whose locked password was reported

	verifier    *token.Verifier // of session tokens
	ownVerifier *token.Verifier // of the tokens that only the Service accepts
	keys        *keyring.Keyring
	revocations *token.Revocations
	settings    *passwordSettings
	audit       *audit.Log
	outbox      *outbox.Outbox
	follower    *revocation.Follower
	background  *background.Group

	emailBox, deviceBox, cursorBox *seal.Box
	limitMAC, refreshMAC, codeMAC  *seal.MAC

	clockAhead atomic.Int64        // how far this instance's clock is ahead of the store's, in nanoseconds
	jumps      *clock.JumpDetector // nil if the store has a clock, or with Config.Now
}

// New returns a Service on a store. It makes the first signing key if there is
// none, reads the revocations in force, and starts the background work: it follows
// revocations, rotates keys, sends emails and removes expired rows. ctx applies
// only to the start, which takes at most 30 seconds. [Service.Close] ends the
// background work.
//
// Errors: an error that names a missing or wrong setting; [ErrUnavailable] if the
// store cannot be reached or the clock of this instance differs from the store's by
// more than a minute.
func New(ctx context.Context, st store.Store, cfg Config) (*Service, error) {
	if st == nil {
		return nil, errors.New("usher: New needs a Store: sqlite.Open opens one")
	}
	var jumps *clock.JumpDetector
	if _, ok := store.Find[store.Clock](st); !ok && cfg.Now == nil {
		jumps = clock.NewJumpDetector()
	}
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	s := &Service{
		cfg:          cfg,
		store:        st,
		revocations:  token.NewRevocations(),
		attemptSlots: newAttemptSlots(),
		recent:       recent.New(time.Hour, 1<<16),
		refused:      recent.New(time.Hour, 1<<16),
		lookedUp:     recent.New(24*time.Hour, 1<<16),
		lockNotices:  recent.New(24*time.Hour, 1<<16),
		jumps:        jumps,
	}
	s.audit = audit.NewLog(st, cfg.OnEvent, cfg.Logger, s.now)
	if s.hasher, err = password.NewHasher(cfg.Hashing); err != nil {
		return nil, fmt.Errorf("usher: Config.Hashing: %w", err)
	}
	if err := s.deriveKeys(); err != nil {
		return nil, err
	}
	s.settings = newPasswordSettings(st, cfg)
	s.outbox = outbox.New(outbox.Config{Ready: s.clockFits, Store: st, Send: s.deliver, Audit: s.audit, Logger: cfg.Logger, Now: s.now})
	if s.verifier, err = s.newVerifier(cfg.Audience); err != nil {
		return nil, fmt.Errorf("usher: %w", err)
	}
	if s.ownVerifier, err = s.newVerifier(cfg.ownAudience()); err != nil {
		return nil, fmt.Errorf("usher: %w", err)
	}
	cfg.logWarnings()
	s.background = background.NewGroup(cfg.Logger)
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.background.Close(ctx))
	}
	return s, nil
}

// newVerifier returns a verifier of the tokens that this Service issues for one of the
// audiences.
func (s *Service) newVerifier(audiences []string) (*token.Verifier, error) {
	return token.NewVerifier(token.VerifierConfig{
		Issuers: []token.Issuer{{
			URL:        s.cfg.Issuer,
			Audiences:  audiences,
			Algorithms: []token.Algorithm{token.ES256, token.EdDSA, token.RS256},
			Keys:       s.keys,
		}},
		Revocations: s.revocations,
		Now:         s.cfg.Now,
	})
}

// secrets returns Config.Secret and Config.OldSecrets, newest first.
func (s *Service) secrets() []string {
	all := []string{s.cfg.Secret.Reveal()}
	for _, old := range s.cfg.OldSecrets {
		all = append(all, old.Reveal())
	}
	return all
}

// CookieSecrets returns a secret of 32 bytes for each of [Config.Secret] and
// [Config.OldSecrets], newest first. Package handlers derives the keys of the
// cookies from them, and a program may use them for a cookies.Jar of its own. They
// differ from every other key of the Service.
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

// deriveKeys derives one key for each use from the secrets.
func (s *Service) deriveKeys() error {
	secrets := s.secrets()
	var errs [7]error
	keyBox, err := seal.NewBox(secrets, "signing keys")
	errs[0] = err
	s.emailBox, errs[1] = seal.NewBox(secrets, "outbox")
	s.deviceBox, errs[2] = seal.NewBox(secrets, "device")
	s.limitMAC, errs[3] = seal.NewMAC(secrets, "limits")
	s.refreshMAC, errs[4] = seal.NewMAC(secrets, "refresh tokens")
	s.cursorBox, errs[5] = seal.NewBox(secrets, "cursors")
	s.codeMAC, errs[6] = seal.NewMAC(secrets, "codes")
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	s.keys, err = keyring.New(keyring.Config{
		Store: s.store, Box: keyBox, Rotation: signing.Rotation(s.cfg.Rotation), Algorithm: s.cfg.Algorithm,
		Audit: s.audit, Now: s.now,
	})
	return err
}

// Now returns the current time by [Config.Now]. Package handlers uses it, so that a
// program and its tests have one clock.
func (s *Service) Now() time.Time { return s.cfg.Now() }

// now returns the current time with the precision of the store.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// JWKS returns the JWK Set (RFC 7517) that verifies the tokens. It has only public
// keys.
func (s *Service) JWKS() []byte { return s.keys.JSON() }

// Revocations returns, as JSON, the sessions that ended before their tokens
// expired. With it and [Service.JWKS] another program refuses a session as soon as
// this one does. It does not query the database. See [token.Revocations.JSON].
func (s *Service) Revocations() []byte { return s.revocations.JSON() }

// Name returns the program's name: [Config.Name], or the host of [Config.BaseURL]
// if that is empty.
func (s *Service) Name() string { return s.cfg.Name }

// BaseURL returns [Config.BaseURL] without a slash at its end.
func (s *Service) BaseURL() string { return s.cfg.BaseURL }

// Issuer returns the iss claim of the tokens: [Config.Issuer], or [Config.BaseURL] if that
// is empty.
func (s *Service) Issuer() string { return s.cfg.Issuer }

// PagesURL returns the URL of the HTML pages, [Config.BaseURL] and
// [Config.PagesPath], without a slash at its end.
func (s *Service) PagesURL() string { return weburl.Join(s.cfg.BaseURL, s.cfg.PagesPath) }

// NoEmailCodes returns [Config.NoEmailCodes].
func (s *Service) NoEmailCodes() bool { return s.cfg.NoEmailCodes }

// ConfirmFirst returns [Config.ConfirmFirst].
func (s *Service) ConfirmFirst() bool { return s.cfg.ConfirmFirst }

// SignUpClosed returns [Config.SignUpClosed].
func (s *Service) SignUpClosed() bool { return s.cfg.SignUpClosed }

// PasswordPolicy returns the policy for new passwords, with every default filled
// in: [Config.Password] with what operators have set ([Operator.SetPasswordSettings]).
func (s *Service) PasswordPolicy() password.Policy { return s.settings.policy() }

// Hashes returns how many password hashes this instance has computed, for metrics.
func (s *Service) Hashes() uint64 { return s.hasher.Count() }

// RecentSignIn returns [SessionConfig.Recent] with its default filled in.
func (s *Service) RecentSignIn() time.Duration { return s.cfg.Sessions.Recent }

// Ping returns an error if this instance should not serve: the store does not
// answer, or the clock differs from the store's by more than a minute (see
// [store.Clock]).
//
// Errors: [ErrUnavailable].
func (s *Service) Ping(ctx context.Context) error {
	if err := s.clockUsable(); err != nil {
		return err
	}
	return s.storeError(s.store.Ping(ctx))
}

// storeError returns ErrNotFound, ErrConflict, ErrLoginIDTaken and a *Rejection of the
// store as they are, and any other error as ErrUnavailable.
func (s *Service) storeError(err error) error {
	var rejection *Rejection
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) || errors.Is(err, ErrLoginIDTaken) || errors.As(err, &rejection) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// randomString returns n random bytes as unpadded base64url.
func randomString(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

// hashOf returns the hash under which a random secret is stored. A random secret
// needs neither salt nor stretching.
func hashOf(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

// newEvent returns an event that a client caused.
func (s *Service) newEvent(name EventName, userID, sessionID, reason string, c Client) Event {
	return s.audit.NewEvent(name, userID, sessionID, reason,
		audit.Client{Address: c.Address, UserAgent: c.UserAgent, RequestID: c.RequestID, Actor: c.actor})
}

// encode and decode convert bytes to and from unpadded base64url.
func encode(b []byte) string          { return base64.RawURLEncoding.EncodeToString(b) }
func decode(s string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(s) }
