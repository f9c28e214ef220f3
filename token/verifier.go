package token

import (
	"context"
	"time"
)

const maxDate = 253402300799

// Issuer is an issuer that is trusted.
type Issuer struct {
	URL          string
	Audiences    []string
	Algorithms   []Algorithm
	Keys         KeySource
	SessionTypes []string
}

// VerifierConfig is what a Verifier trusts.
type VerifierConfig struct {
	Issuers     []Issuer
	Leeway      time.Duration
	Revocations *Revocations
	CacheBytes  int
	Now         func() time.Time
}

// Verifier verifies tokens.
type Verifier struct{}

// NewVerifier returns a Verifier.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) { return &Verifier{}, nil }

// Verify verifies a token of the given type.
func (v *Verifier) Verify(ctx context.Context, raw string, typ Type) (*Claims, error) {
	return nil, refuse(ReasonUnavailable, "skeleton")
}

// ValidateSession verifies a session token and that its session has not ended.
func (v *Verifier) ValidateSession(ctx context.Context, raw string) (*Claims, error) {
	return v.Verify(ctx, raw, TypeSession)
}
