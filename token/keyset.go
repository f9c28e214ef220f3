package token

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/usherkit/usher/internal/seal"
)

// KeySource finds the key that verifies a token. It must be safe for concurrent use.
//
// An optional method Generation() uint64 makes cached validation faster: the Verifier
// asks for the key only if the number has changed. The number must change with the
// keys. While it is zero, the Verifier always asks.
type KeySource interface {
	// PublicKey returns the key with the given id. The error is ErrUnknownKey if the
	// set has no such key; the token is then refused. With ErrNoKeys or any other error
	// the token fails with ErrUnavailable.
	PublicKey(ctx context.Context, kid string) (PublicKey, error)
}

// generationSource is the optional method of KeySource. Zero means no generation.
type generationSource interface{ Generation() uint64 }

// KeySet is a set of public keys that the program provides. It is a KeySource, and
// publishes the keys as a JWK Set (RFC 7517). It is safe for concurrent use.
type KeySet struct {
	mu      sync.Mutex // orders Replace
	current atomic.Pointer[keySetState]
}

type keySetState struct {
	keys       map[string]PublicKey
	json       []byte
	generation uint64
}

// NewKeySet returns a set of the given keys. Each must be valid (see PublicKey.Validate)
// and have an id of its own. An empty set returns ErrNoKeys for every key.
func NewKeySet(keys ...PublicKey) (*KeySet, error) {
	s := &KeySet{}
	if err := s.Replace(keys...); err != nil {
		return nil, err
	}
	return s, nil
}

// Replace replaces all keys at once. On an error the set stays as it is.
func (s *KeySet) Replace(keys ...PublicKey) error {
	next := &keySetState{keys: make(map[string]PublicKey, len(keys)), generation: 1}
	for _, k := range keys {
		if err := k.Validate(); err != nil {
			return fmt.Errorf("token: key set: key %q: %w", k.ID, err)
		}
		if _, twice := next.keys[k.ID]; twice {
			return fmt.Errorf("token: key set: key id %s is given twice", k.ID)
		}
		next.keys[k.ID] = k
	}
	var err error
	if next.json, err = marshalKeys(keys); err != nil {
		return fmt.Errorf("token: key set: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.current.Load(); old != nil {
		next.generation = old.generation + 1
	}
	s.current.Store(next)
	return nil
}

// PublicKey implements KeySource.
func (s *KeySet) PublicKey(_ context.Context, kid string) (PublicKey, error) {
	state := s.current.Load()
	if len(state.keys) == 0 {
		return PublicKey{}, ErrNoKeys
	}
	key, ok := state.keys[kid]
	if !ok {
		return PublicKey{}, ErrUnknownKey
	}
	return key, nil
}

// Generation changes with each Replace.
func (s *KeySet) Generation() uint64 { return s.current.Load().generation }

// JSON returns the JWK Set: {"keys":[…]}, each key with kid, kty, alg, use "sig" and
// its public members, in the order given. The caller may change the bytes.
func (s *KeySet) JSON() []byte { return bytes.Clone(s.current.Load().json) }

type sharedSecret struct{ key PublicKey }

// SharedSecret returns the KeySource of an issuer that signs with HS256, under one key
// id. The secret must have at least 32 bytes (RFC 7518 §3.2), and they should be random:
// a program that can verify with it can also sign, and an attacker with one token can
// guess it offline.
func SharedSecret(kid string, secret Secret) (KeySource, error) {
	if !validKeyID(kid) {
		return nil, fmt.Errorf("token: shared secret: key id must have 1 to %d letters, digits or any of -_.~=+:", maxKeyID)
	}
	if err := seal.CheckSecret(secret.Reveal()); err != nil {
		return nil, fmt.Errorf("token: shared secret: the secret %w", err)
	}
	return sharedSecret{PublicKey{ID: kid, Algorithm: HS256, Key: secret}}, nil
}

// PublicKey implements KeySource.
func (s sharedSecret) PublicKey(_ context.Context, kid string) (PublicKey, error) {
	if kid != s.key.ID {
		return PublicKey{}, ErrUnknownKey
	}
	return s.key, nil
}

// Generation never changes.
func (sharedSecret) Generation() uint64 { return 1 }
