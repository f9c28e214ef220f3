package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/usherkit/usher/internal/tokencache"
)

const (
	defaultLeeway     = 5 * time.Second
	maxLeeway         = time.Minute
	defaultCacheBytes = 32 << 20
)

// Issuer configures one trusted issuer. Its keys verify only its own tokens.
type Issuer struct {
	// URL is the value of iss, compared byte for byte. Required.
	URL string
	// Audiences are the accepted values of aud. A token must have at least one of them.
	// Required.
	Audiences []string
	// Algorithms are the accepted values of alg. HS256 must be the only one, and needs
	// Keys from SharedSecret. Defaults to ES256, EdDSA and RS256.
	Algorithms []Algorithm
	// Keys finds the issuer's keys. Required.
	Keys KeySource
	// SessionTypes are the values of the typ header of a session token, compared byte
	// for byte: "at+jwt" for an issuer that follows RFC 9068, "JWT" for many others. If
	// the issuer also puts "JWT" on ID tokens, only aud distinguishes them: set an
	// audience that ID tokens do not have. Defaults to "session+jwt".
	SessionTypes []string
}

// VerifierConfig configures a Verifier.
type VerifierConfig struct {
	// Issuers are the trusted issuers, each URL once. At least one is required.
	Issuers []Issuer
	// Leeway is the accepted difference between the clocks of issuer and verifier, at
	// most one minute. Defaults to 5 seconds.
	Leeway time.Duration
	// Revocations is the list of revoked sessions that ValidateSession consults.
	// Defaults to none: a session token is then valid until it expires.
	Revocations *Revocations
	// CacheBytes is the size of the cache of verified session tokens, at least 1 MiB. A
	// negative number turns the cache off. Defaults to 32 MiB.
	CacheBytes int
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	issuers     map[string]*issuer
	leeway      time.Duration
	revocations *Revocations
	cache       *tokencache.Cache[*cached] // nil if it is turned off
	now         func() time.Time
}

// issuer is an Issuer with its defaults and its validator.
type issuer struct {
	algorithms   []Algorithm
	sessionTypes []string
	keys         KeySource
	generations  generationSource // keys, if it has generations
	validator    *jwt.Validator
}

// NewVerifier checks the configuration and returns a Verifier. The error names the
// field that is missing or invalid.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	if cfg.Leeway == 0 {
		cfg.Leeway = defaultLeeway
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = defaultCacheBytes
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Leeway < 0 || cfg.Leeway > maxLeeway {
		return nil, fmt.Errorf("token: VerifierConfig.Leeway of %v is not within 0 and %v", cfg.Leeway, maxLeeway)
	}
	if cfg.CacheBytes > 0 && cfg.CacheBytes < tokencache.MinBytes {
		return nil, fmt.Errorf("token: VerifierConfig.CacheBytes of %d is less than %d", cfg.CacheBytes, tokencache.MinBytes)
	}
	if len(cfg.Issuers) == 0 {
		return nil, errors.New("token: VerifierConfig.Issuers is empty: name the issuer to trust")
	}
	if cfg.Revocations == nil {
		cfg.Revocations = NewRevocations() // stays empty
	}
	v := &Verifier{
		issuers:     make(map[string]*issuer, len(cfg.Issuers)),
		leeway:      cfg.Leeway,
		revocations: cfg.Revocations,
		now:         cfg.Now,
	}
	for n, i := range cfg.Issuers {
		ready, err := i.prepare(cfg)
		if err != nil {
			return nil, fmt.Errorf("token: VerifierConfig.Issuers[%d]: %w", n, err)
		}
		if _, twice := v.issuers[i.URL]; twice {
			return nil, fmt.Errorf("token: VerifierConfig.Issuers[%d]: URL %q is given twice", n, i.URL)
		}
		v.issuers[i.URL] = ready
	}
	if cfg.CacheBytes > 0 {
		v.cache = tokencache.New[*cached](cfg.CacheBytes, cfg.Now)
	}
	return v, nil
}

func (i Issuer) prepare(cfg VerifierConfig) (*issuer, error) {
	ready := &issuer{
		algorithms:   slices.Clone(i.Algorithms),
		sessionTypes: slices.Clone(i.SessionTypes),
		keys:         i.Keys,
	}
	if len(ready.algorithms) == 0 {
		ready.algorithms = []Algorithm{ES256, EdDSA, RS256}
	}
	if len(ready.sessionTypes) == 0 {
		ready.sessionTypes = []string{string(TypeSession)}
	}
	switch {
	case i.URL == "":
		return nil, errors.New("URL is required")
	case len(i.Audiences) == 0 || slices.Contains(i.Audiences, ""):
		return nil, errors.New("Audiences is required, without empty entries")
	case i.Keys == nil:
		return nil, errors.New("Keys is required")
	}
	for _, t := range ready.sessionTypes {
		if t == "" || t == string(TypeRefresh) || t == string(TypeReset) {
			return nil, fmt.Errorf("SessionTypes: %q cannot be the type of a session token", t)
		}
	}
	for _, alg := range ready.algorithms {
		if methods[alg] == nil {
			return nil, fmt.Errorf("Algorithms: %q is not supported", alg)
		}
	}
	_, shared := i.Keys.(sharedSecret)
	if slices.Contains(ready.algorithms, HS256) != shared || shared && len(ready.algorithms) > 1 {
		return nil, errors.New("Algorithms: HS256 must be the only one with Keys from SharedSecret, and needs them")
	}
	ready.generations, _ = i.Keys.(generationSource)
	ready.validator = jwt.NewValidator(
		jwt.WithIssuer(i.URL),
		jwt.WithAudience(slices.Clone(i.Audiences)...),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(cfg.Leeway),
		jwt.WithTimeFunc(cfg.Now),
	)
	return ready, nil
}

// generation returns zero if the source has no generations, or no keys now.
func (i *issuer) generation() uint64 {
	if i.generations == nil {
		return 0
	}
	return i.generations.Generation()
}

// accepts reports whether a token with this typ header is a token of type want.
func (i *issuer) accepts(typ string, want Type) bool {
	switch want {
	case TypeSession:
		return slices.Contains(i.sessionTypes, typ)
	case TypeRefresh, TypeReset:
		return typ == string(want)
	}
	return false
}

// Verify checks a token of the given type and returns its claims. It does not look at
// revocations. The error is an *Error: ErrInvalid if the token is refused, or
// ErrUnavailable if the issuer's keys are not available. The caller may change the
// claims.
func (v *Verifier) Verify(ctx context.Context, raw Secret, typ Type) (*Claims, error) {
	found, err := v.verify(ctx, raw.Reveal(), typ)
	if err != nil {
		return nil, err
	}
	return found.claims, nil
}

// ValidateSession verifies a session token, and refuses it if its session is revoked. Call
// it for every request: a token that verified before is found in the cache, and only its
// times, its key and its revocation are checked again. Its errors are those of Verify.
//
// Other callers share the claims: do not change them, or Clone them first.
func (v *Verifier) ValidateSession(ctx context.Context, raw Secret) (*Claims, error) {
	if e := v.cachedToken(ctx, raw.Reveal()); e != nil {
		if e.revoked(v) {
			return nil, errRevoked
		}
		return e.claims, nil
	}
	version := v.revocations.version()
	found, err := v.verify(ctx, raw.Reveal(), TypeSession)
	if found.claims != nil && v.revoked(found.claims) {
		return nil, errRevoked // even if the token has also expired
	}
	if err != nil {
		return nil, err
	}
	if v.cache != nil {
		v.cacheToken(raw.Reveal(), found, version)
	}
	return found.claims, nil
}

// WatchSession calls ended when the session of the claims, or the token alone, is revoked,
// on the goroutine that revokes it. If it is revoked already, WatchSession calls ended at
// once. It may call ended twice. stop ends the watch and does not wait for ended.
func (v *Verifier) WatchSession(claims *Claims, ended func()) (stop func()) {
	session, token := v.revocations.Watch(claims.SessionID, ended), v.revocations.Watch(claims.ID, ended)
	return func() { session(); token() }
}

var errRevoked = refuse(ReasonRevoked, "the session is revoked")

func (v *Verifier) revoked(c *Claims) bool {
	return v.revocations.Revoked(c.SessionID) || v.revocations.Revoked(c.ID)
}
