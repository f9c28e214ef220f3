package usher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/usherkit/usher/token"
)

// keyring is what the process knows of the signing keys.
type keyring struct {
	version int64
	keys    []*token.SigningKey
	// stale is true when one of them was sealed under an older secret.
	stale bool
}

// KeyRotation says how keys change out of their turn.
type KeyRotation struct {
	// Compromised removes every present key at once: all tokens that they
	// signed are refused from now on, and everyone signs in again. Defaults to
	// false: the new key is published first, and nobody notices.
	Compromised bool
}

// RotateKeys makes a new signing key now instead of at the end of its turn.
// Any machine may call it; the others follow within a minute, and within a
// second if a token names a key that they do not know.
func (s *Service) RotateKeys(ctx context.Context, r KeyRotation) error {
	_, err := s.turnKeys(ctx, &r)
	return err
}

// turnKeys reads the keys, brings them to what the rotation plans for now, and
// uses them. Of several machines that change them at once one wins; the others
// read again.
func (s *Service) turnKeys(ctx context.Context, forced *KeyRotation) (changed bool, err error) {
	for range 10 {
		ring, err := s.loadKeys(ctx)
		if err != nil {
			return false, err
		}
		next, changed, err := s.planKeys(ring, forced)
		if err != nil {
			return false, err
		}
		if changed || ring.stale {
			event := s.newEvent(EventKeysRotated, "", "", "", Client{})
			if !changed {
				event.Reason = "new_secret"
			} else if forced != nil {
				event.Reason = "forced"
			}
			err := s.saveKeys(ctx, ring.version+1, next, event)
			if errors.Is(err, ErrConflict) {
				continue
			}
			if err != nil {
				return false, err
			}
			ring = keyring{version: ring.version + 1, keys: next}
			s.announce(ctx, event)
		}
		return changed, s.useKeys(ring)
	}
	return false, fmt.Errorf("%w: the signing keys change too often", ErrUnavailable)
}

func (s *Service) planKeys(ring keyring, forced *KeyRotation) ([]*token.SigningKey, bool, error) {
	now := s.now()
	switch {
	case forced == nil:
		return s.cfg.Rotation.Plan(now, ring.keys, s.cfg.Algorithm)
	case forced.Compromised:
		next, _, err := s.cfg.Rotation.Plan(now, nil, s.cfg.Algorithm)
		return next, true, err
	default:
		return s.planSuccessor(now, ring.keys)
	}
}

// planSuccessor is the plan with one more key, published now and used as soon
// as everybody may have read it.
func (s *Service) planSuccessor(now time.Time, keys []*token.SigningKey) ([]*token.SigningKey, bool, error) {
	next, _, err := s.cfg.Rotation.Plan(now, keys, s.cfg.Algorithm)
	if err != nil {
		return nil, false, err
	}
	k, err := token.GenerateKey(s.cfg.Algorithm, now)
	if err != nil {
		return nil, false, err
	}
	if len(keys) > 0 {
		k.ActiveAt = now.Add(s.cfg.Rotation.PublishAhead)
	}
	return append(next, k), true, nil
}

func (s *Service) loadKeys(ctx context.Context) (keyring, error) {
	stored, err := s.store.SigningKeys(ctx)
	if err != nil {
		return keyring{}, s.outage(err)
	}
	ring := keyring{version: stored.Version}
	for _, k := range stored.Keys {
		der, secret, err := s.keyBox.OpenAt(k.Private, k.ID)
		if err != nil {
			return keyring{}, fmt.Errorf("usher: signing key %s was sealed under another secret: add that one to Config.OldSecrets", k.ID)
		}
		key, err := token.ParseSigningKey(k.ID, token.Algorithm(k.Algorithm), der)
		if err != nil {
			return keyring{}, fmt.Errorf("usher: signing key %s: %w", k.ID, err)
		}
		key.CreatedAt, key.ActiveAt, key.RetiredAt, key.RemovedAt = k.CreatedAt, k.ActiveAt, k.RetiredAt, k.RemovedAt
		ring.keys = append(ring.keys, key)
		ring.stale = ring.stale || secret > 0
	}
	return ring, nil
}

func (s *Service) saveKeys(ctx context.Context, version int64, keys []*token.SigningKey, event Event) error {
	stored := StoredKeys{Version: version}
	for _, k := range keys {
		der, err := k.MarshalPrivate()
		if err != nil {
			return fmt.Errorf("usher: signing key %s: %w", k.ID, err)
		}
		stored.Keys = append(stored.Keys, StoredKey{
			ID: k.ID, Algorithm: string(k.Algorithm), Private: s.keyBox.Seal(der, k.ID),
			CreatedAt: k.CreatedAt, ActiveAt: k.ActiveAt, RetiredAt: k.RetiredAt, RemovedAt: k.RemovedAt,
		})
	}
	return s.outage(s.store.SaveSigningKeys(ctx, stored, Effects{Events: []Event{event}}))
}

func (s *Service) useKeys(ring keyring) error {
	if now := s.signing.Load(); now != nil && now.version == ring.version {
		return nil
	}
	public := make([]token.PublicKey, len(ring.keys))
	for i, k := range ring.keys {
		public[i] = k.Public()
	}
	if err := s.keys.Replace(public...); err != nil {
		return fmt.Errorf("usher: signing keys: %w", err)
	}
	s.signing.Store(&ring)
	return nil
}

// signingKey returns the key that signs now.
func (s *Service) signingKey(now time.Time) (*token.SigningKey, error) {
	if ring := s.signing.Load(); ring != nil {
		if k := token.SigningKeyAt(now, ring.keys); k != nil {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%w: no signing key", ErrUnavailable)
}
