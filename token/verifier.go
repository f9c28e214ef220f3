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

// Issuer is an issuer that is trusted, and for what. Its keys count for it alone.
type Issuer struct {
	// URL is compared with iss byte for byte. Required.
	URL string
	// Audiences are the values of aud of which a token must name at least one. Required.
	Audiences []string
	// Algorithms are the values of alg that are accepted. HS256 stands alone and
	// needs the Keys of SharedSecret. Defaults to ES256, EdDSA and RS256.
	Algorithms []Algorithm
	// Keys finds the issuer's keys. Required.
	Keys KeySource
	// SessionTypes are the values of the typ header that make a session token, byte
	// for byte: "at+jwt" for an issuer of RFC 9068, "JWT" for many others. An issuer
	// that puts "JWT" on ID tokens too tells them apart by aud alone; give it an
	// audience that ID tokens do not have. Defaults to "session+jwt".
	SessionTypes []string
}

// VerifierConfig is what a Verifier trusts.
type VerifierConfig struct {
	// Issuers are the trusted ones, at least one, each URL once.
	Issuers []Issuer
	// Leeway is how far the clocks of issuer and verifier may differ, at most one
	// minute. Defaults to 5 seconds.
	Leeway time.Duration
	// Revocations is the list that ValidateSession looks at. Defaults to none: a
	// session then lasts until its token expires.
	Revocations *Revocations
	// CacheBytes bounds the memory of the cache of verified session tokens, at least
	// 1 MiB. A negative number turns the cache off. Defaults to 32 MiB.
	CacheBytes int
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	issuers     map[string]*issuer
	leeway      time.Duration
	revocations *Revocations
	cache       *tokencache.Cache[*cached] // nil where it is turned off
	now         func() time.Time
}

// issuer is an Issuer made ready.
type issuer struct {
	algorithms   []Algorithm
	sessionTypes []string
	keys         KeySource
	generations  generational // keys, where it has generations
	validator    *jwt.Validator
}

// NewVerifier checks the configuration and returns a Verifier. What is missing or
// contradicts itself is an error that names the field.
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
		cfg.Revocations = NewRevocations() // which stays empty
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
			return nil, fmt.Errorf("token: VerifierConfig.Issuers[%d]: URL %q is there twice", n, i.URL)
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
	ready.generations, _ = i.Keys.(generational)
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

// generation is zero where the source has none, or has no keys now.
func (i *issuer) generation() uint64 {
	if i.generations == nil {
		return 0
	}
	return i.generations.Generation()
}

// accepts reports whether a token with the header typ serves as want.
func (i *issuer) accepts(typ string, want Type) bool {
	switch want {
	case TypeSession:
		return slices.Contains(i.sessionTypes, typ)
	case TypeRefresh, TypeReset:
		return typ == string(want)
	}
	return false
}

// Verify checks everything about a token but revocation and returns its claims.
// The error is an *Error: a refusal, of which errors.Is ErrInvalid is true, or
// ErrUnavailable where the issuer's keys are not at hand.
//
// The claims are the caller's own here, but see ValidateSession.
func (v *Verifier) Verify(ctx context.Context, raw string, typ Type) (*Claims, error) {
	found, err := v.verify(ctx, raw, typ)
	if err != nil {
		return nil, err
	}
	return found.claims, nil
}

// ValidateSession is Verify for session tokens, and refuses one whose session is
// on the list of revocations. It is made to be called for every request: a token
// that verified before is found in a cache, and only its time, its key and its
// revocation are looked at again.
//
// The claims are shared with other callers and must not be changed; Clone them.
func (v *Verifier) ValidateSession(ctx context.Context, raw string) (*Claims, error) {
	if e := v.recall(ctx, raw); e != nil {
		if e.revoked(v) {
			return nil, errRevoked
		}
		return e.claims, nil
	}
	version := v.revocations.version()
	found, err := v.verify(ctx, raw, TypeSession)
	if found.claims != nil && v.revoked(found.claims) {
		return nil, errRevoked // also where it has expired: that is then not its only fault
	}
	if err != nil {
		return nil, err
	}
	if v.cache != nil {
		v.remember(raw, found, version)
	}
	return found.claims, nil
}

var errRevoked = refuse(ReasonRevoked, "the session ended early")

func (v *Verifier) revoked(c *Claims) bool {
	return v.revocations.Revoked(c.SessionID) || v.revocations.Revoked(c.ID)
}
