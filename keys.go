package usher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// keyring is what the process knows of the signing keys.
type keyring struct {
	version int64
	keys    []*signing.Key
	// stale is true when one of them was sealed under an older secret.
	stale bool
}

// is reports whether the store holds these keys. A version alone does not say so:
// a backup may have led to it a second time, with other keys.
func (k *keyring) is(stored store.SigningKeys) bool {
	return k.version == stored.Version && slices.EqualFunc(k.keys, stored.Keys,
		func(a *signing.Key, b store.SigningKey) bool { return a.ID == b.ID })
}

func (k *keyring) same(other keyring) bool {
	return k.version == other.version && slices.EqualFunc(k.keys, other.keys,
		func(a, b *signing.Key) bool { return a.ID == b.ID })
}

// KeyRotation says how keys change out of their turn.
type KeyRotation struct {
	// Compromised removes every present key at once: all tokens that they
	// signed are refused from now on, and everyone signs in again. Defaults to
	// false: the new key is published first, and nobody notices.
	Compromised bool
}

// RotateKeys makes a new signing key now instead of at the end of its turn.
// Any machine may call it; the others follow within seconds, and at once when a
// token names a key that they do not know.
func (s *Service) RotateKeys(ctx context.Context, r KeyRotation) error {
	_, err := s.turnKeys(ctx, &r)
	return err
}

// turnKeys reads the keys, brings them to what the rotation plans for now, and
// uses them. Of several machines that change them at once one wins; the others
// read again.
func (s *Service) turnKeys(ctx context.Context, forced *KeyRotation) (changed bool, err error) {
	for range 10 {
		before := s.signing.Load()
		ring, err := s.loadKeys(ctx, before)
		if err != nil {
			return false, err
		}
		// Only a start seals anew: of two machines that run with their secrets in
		// different order each would undo the other's work for ever.
		reseal := ring.stale && before == nil
		next, changed, err := s.planKeys(ring, forced)
		if err != nil {
			return false, err
		}
		if changed || reseal {
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
		return changed, s.useKeys(before, ring)
	}
	return false, fmt.Errorf("%w: the signing keys change too often", ErrUnavailable)
}

func (s *Service) planKeys(ring keyring, forced *KeyRotation) ([]*signing.Key, bool, error) {
	now := s.now()
	switch {
	case forced == nil:
		return signing.Rotation(s.cfg.Rotation).Plan(now, ring.keys, s.cfg.Algorithm)
	case forced.Compromised:
		next, _, err := signing.Rotation(s.cfg.Rotation).Plan(now, nil, s.cfg.Algorithm)
		return next, true, err
	default:
		return s.planSuccessor(now, ring.keys)
	}
}

// planSuccessor is the plan with one more key, published now and used as soon
// as everybody may have read it.
func (s *Service) planSuccessor(now time.Time, keys []*signing.Key) ([]*signing.Key, bool, error) {
	next, _, err := signing.Rotation(s.cfg.Rotation).Plan(now, keys, s.cfg.Algorithm)
	if err != nil {
		return nil, false, err
	}
	k, err := signing.GenerateKey(s.cfg.Algorithm, now)
	if err != nil {
		return nil, false, err
	}
	if len(keys) > 0 {
		k.ActiveAt = now.Add(s.cfg.Rotation.PublishAhead)
	}
	return append(next, k), true, nil
}

// loadKeys reads the keys from the store, or returns those in use if they are
// the same.
func (s *Service) loadKeys(ctx context.Context, used *keyring) (keyring, error) {
	stored, err := s.store.SigningKeys(ctx)
	if err != nil {
		return keyring{}, s.outage(err)
	}
	if used != nil && used.is(stored) {
		return *used, nil
	}
	ring := keyring{version: stored.Version}
	for _, k := range stored.Keys {
		der, secret, err := s.keyBox.OpenAt(k.Private, k.ID)
		if err != nil {
			return keyring{}, fmt.Errorf("usher: signing key %s was sealed under another secret: add that one to Config.OldSecrets", k.ID)
		}
		key, err := signing.ParseKey(k.ID, token.Algorithm(k.Algorithm), der)
		if err != nil {
			return keyring{}, fmt.Errorf("usher: signing key %s: %w", k.ID, err)
		}
		key.CreatedAt, key.ActiveAt, key.RetiredAt, key.RemovedAt = k.CreatedAt, k.ActiveAt, k.RetiredAt, k.RemovedAt
		ring.keys = append(ring.keys, key)
		ring.stale = ring.stale || secret > 0
	}
	return ring, nil
}

func (s *Service) saveKeys(ctx context.Context, version int64, keys []*signing.Key, event Event) error {
	stored := store.SigningKeys{Version: version}
	for _, k := range keys {
		der, err := k.MarshalPrivate()
		if err != nil {
			return fmt.Errorf("usher: signing key %s: %w", k.ID, err)
		}
		stored.Keys = append(stored.Keys, store.SigningKey{
			ID: k.ID, Algorithm: string(k.Algorithm), Private: s.keyBox.Seal(der, k.ID),
			CreatedAt: k.CreatedAt, ActiveAt: k.ActiveAt, RetiredAt: k.RetiredAt, RemovedAt: k.RemovedAt,
		})
	}
	return s.outage(s.store.SaveSigningKeys(ctx, stored, store.Effects{Events: []Event{event}}))
}

// useKeys puts keys in the place of those that were in use before they were
// read, unless somebody else has put newer ones there.
func (s *Service) useKeys(before *keyring, ring keyring) error {
	s.keysMu.Lock()
	defer s.keysMu.Unlock()
	now := s.signing.Load()
	if now != nil && (now.same(ring) || now != before && now.version > ring.version) {
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

// readKeys uses the keys as they are in the store, and changes nothing there.
func (s *Service) readKeys(ctx context.Context) error {
	before := s.signing.Load()
	ring, err := s.loadKeys(ctx, before)
	if err != nil {
		return err
	}
	return s.useKeys(before, ring)
}

// followedKeys are the keys of the store. One that is not known yet makes it
// read them again, at most once a second whoever asks: after a key was replaced
// at once, the first token of another machine is accepted.
type followedKeys struct {
	*token.KeySet
	read func(context.Context) error

	mu   sync.Mutex
	at   time.Time // of the last reading
	last error     // of the last reading
}

// PublicKey implements [token.KeySource].
func (f *followedKeys) PublicKey(ctx context.Context, kid string) (token.PublicKey, error) {
	k, err := f.KeySet.PublicKey(ctx, kid)
	if err == nil {
		return k, nil
	}
	if err := f.readAgain(ctx); err != nil {
		return token.PublicKey{}, err
	}
	return f.KeySet.PublicKey(ctx, kid)
}

func (f *followedKeys) readAgain(ctx context.Context) error {
	const pause, patience = time.Second, 500 * time.Millisecond
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.at.IsZero() && time.Since(f.at) < pause {
		return f.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	f.last = f.read(ctx)
	f.at = time.Now()
	return f.last
}

// signingKey returns the key that signs now.
func (s *Service) signingKey(now time.Time) (*signing.Key, error) {
	if ring := s.signing.Load(); ring != nil {
		if k := signing.KeyAt(now, ring.keys); k != nil {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%w: no signing key", ErrUnavailable)
}
