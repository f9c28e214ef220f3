package usher

import (
	"context"
	"fmt"
	"time"

	"github.com/usherkit/usher/internal/signing"
)

// KeyRotation says how keys are replaced outside of their plan.
type KeyRotation struct {
	// Compromised removes all present keys at once: every token that they signed is
	// refused from then on, and all users have to sign in again. Defaults to false:
	// the new key is published first, and no user notices.
	Compromised bool
}

// RotateKeys makes a new signing key now instead of at the end of its plan. Any
// instance may call it; the others follow within seconds, and at once when a token
// names a key that they do not know. ErrUnavailable if the store cannot be reached.
func (s *Service) RotateKeys(ctx context.Context, r KeyRotation) error {
	if err := s.keys.Replace(ctx, r.Compromised); err != nil {
		return s.outage(err)
	}
	return nil
}

// signingKey returns the key that signs now.
func (s *Service) signingKey(now time.Time) (*signing.Key, error) {
	if k := s.keys.SigningKey(now); k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("%w: no signing key", ErrUnavailable)
}
