// Package seal derives keys from the program's secret and seals small values
// with them. The caller names the use of a value, and each use has its own key
// (HKDF-SHA-256, RFC 5869). Secrets come newest first: the first one seals, and all of
// them open.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
)

// minSecret is the minimum length of a secret in bytes (RFC 7518 §3.2 for HMAC-SHA-256).
const minSecret = 32

// CheckSecret returns an error for a secret that is too short, or that is one character
// repeated. The text continues the name of the setting, and never has the secret.
func CheckSecret(secret string) error {
	if len(secret) < minSecret {
		return fmt.Errorf("has %d bytes, must have at least %d random ones", len(secret), minSecret)
	}
	return CheckRandom(secret)
}

// CheckRandom returns an error for a key that is one character repeated.
func CheckRandom(key string) error {
	if key != "" && strings.Count(key, key[:1]) == len(key) {
		return errors.New("is one character repeated, must be random")
	}
	return nil
}

// ErrOpen means that a sealed value was not made under any of the secrets for
// this use and this context, or was changed.
var ErrOpen = errors.New("seal: cannot be opened")

// DeriveKeys returns one key of size bytes for each secret, in order.
func DeriveKeys(secrets []string, use string, size int) ([][]byte, error) {
	keys := make([][]byte, len(secrets))
	for i, s := range secrets {
		k, err := hkdf.Key(sha256.New, []byte(s), nil, "usher/v1/"+use, size)
		if err != nil {
			return nil, fmt.Errorf("seal: derive %s: %w", use, err)
		}
		keys[i] = k
	}
	return keys, nil
}

// Box seals and opens values of one use.
type Box struct{ aeads []cipher.AEAD }

// NewBox returns the Box of that use (AES-256-GCM with random nonces).
func NewBox(secrets []string, use string) (*Box, error) {
	keys, err := DeriveKeys(secrets, use, 32)
	if err != nil {
		return nil, err
	}
	b := &Box{}
	for _, k := range keys {
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		b.aeads = append(b.aeads, aead)
	}
	return b, nil
}

// Seal encrypts plaintext and binds it to context, which Open must be given
// again: an id or a purpose, so that a sealed value cannot be moved elsewhere.
func (b *Box) Seal(plaintext []byte, context string) []byte {
	return b.aeads[0].Seal(nil, nil, plaintext, []byte(context))
}

// Open decrypts what Seal returned, under any of the secrets.
func (b *Box) Open(sealed []byte, context string) ([]byte, error) {
	plain, _, err := b.OpenAt(sealed, context)
	return plain, err
}

// OpenAt is Open, and says which secret it was: 0 for the newest.
func (b *Box) OpenAt(sealed []byte, context string) ([]byte, int, error) {
	for i, aead := range b.aeads {
		if plain, err := aead.Open(nil, nil, sealed, []byte(context)); err == nil {
			return plain, i, nil
		}
	}
	return nil, -1, ErrOpen
}

// MAC computes keyed hashes of one use (HMAC-SHA-256).
type MAC struct{ keys [][]byte }

// NewMAC returns the MAC of that use.
func NewMAC(secrets []string, use string) (*MAC, error) {
	keys, err := DeriveKeys(secrets, use, 32)
	return &MAC{keys}, err
}

// Sum returns the keyed hash of parts, each bound by its length, under the
// newest secret.
func (m *MAC) Sum(parts ...[]byte) []byte { return sum(m.keys[0], parts) }

// Sums returns the keyed hash under each secret, newest first.
func (m *MAC) Sums(parts ...[]byte) [][]byte {
	all := make([][]byte, len(m.keys))
	for i, k := range m.keys {
		all[i] = sum(k, parts)
	}
	return all
}

func sum(key []byte, parts [][]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		n := len(p)
		h.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		h.Write(p)
	}
	return h.Sum(nil)
}
