package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// SigningKey is a private key with its id and the instants of its life, which a
// Rotation sets. No fmt verb, log or JSON encoder shows the private half.
type SigningKey struct {
	// ID is the kid header of the tokens that it signs.
	ID string
	// Algorithm is ES256, EdDSA or RS256.
	Algorithm Algorithm
	// CreatedAt is when the key was made and first published, ActiveAt when it
	// signs first. RetiredAt is when a successor took over and RemovedAt when it
	// leaves the published set; both are zero before that.
	CreatedAt, ActiveAt, RetiredAt, RemovedAt time.Time

	// A pointer, so that fmt shows an address at most, even for a verb such as %p
	// that bypasses the methods below.
	private *privateHalf
}

type privateHalf struct{ crypto.Signer }

// GenerateKey makes a key with a random id, active from now on. alg is ES256,
// EdDSA or RS256 (of 3072 bits); any other is an error.
func GenerateKey(alg Algorithm, now time.Time) (*SigningKey, error) {
	switch alg {
	case ES256:
		signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("token: generate %s key: %w", alg, err)
		}
		return newSigningKey(alg, signer, now), nil
	case EdDSA:
		_, signer, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("token: generate %s key: %w", alg, err)
		}
		return newSigningKey(alg, signer, now), nil
	case RS256:
		return GenerateRSAKey(minSignRSABits, now)
	}
	return nil, fmt.Errorf("token: algorithm %q cannot sign here: use ES256, EdDSA or RS256", alg)
}

// GenerateRSAKey makes an RS256 key of the given size, which is at least 3072
// bits and at most 8192.
func GenerateRSAKey(bits int, now time.Time) (*SigningKey, error) {
	if bits < minSignRSABits || bits > maxVerifyRSABits {
		return nil, fmt.Errorf("token: RSA key of %d bits: want %d to %d", bits, minSignRSABits, maxVerifyRSABits)
	}
	signer, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("token: generate %s key: %w", RS256, err)
	}
	return newSigningKey(RS256, signer, now), nil
}

func newSigningKey(alg Algorithm, signer crypto.Signer, now time.Time) *SigningKey {
	return &SigningKey{ID: rand.Text(), Algorithm: alg, CreatedAt: now, ActiveAt: now, private: &privateHalf{signer}}
}

// ParseSigningKey reads what MarshalPrivate wrote, a PKCS #8 DER. It refuses a key
// that does not belong to the algorithm, RSA below 3072 bits, and an id that is no
// safe kid. The caller sets the instants.
func ParseSigningKey(id string, alg Algorithm, der []byte) (*SigningKey, error) {
	if !validKeyID(id) {
		return nil, fmt.Errorf("token: key id must have 1 to %d letters, digits or any of -_.~=+:", maxKeyID)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("token: key %s is not PKCS #8: %w", id, err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("token: key %s of type %T cannot sign", id, parsed)
	}
	switch alg {
	case ES256, EdDSA, RS256:
	default:
		return nil, fmt.Errorf("token: key %s: algorithm %q cannot sign here", id, alg)
	}
	if err := checkPublicKey(alg, signer.Public()); err != nil {
		return nil, fmt.Errorf("token: key %s: %w", id, err)
	}
	if k, ok := signer.(*rsa.PrivateKey); ok && k.N.BitLen() < minSignRSABits {
		return nil, fmt.Errorf("token: key %s: RSA key of %d bits, want at least %d to sign", id, k.N.BitLen(), minSignRSABits)
	}
	return &SigningKey{ID: id, Algorithm: alg, private: &privateHalf{signer}}, nil
}

// MarshalPrivate returns the private key as PKCS #8 DER (RFC 5958). Seal it before
// it is stored.
func (k *SigningKey) MarshalPrivate() ([]byte, error) {
	if k.private == nil {
		return nil, errors.New("token: signing key has no private half")
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.private.Signer)
	if err != nil {
		return nil, fmt.Errorf("token: marshal key %s: %w", k.ID, err)
	}
	return der, nil
}

// Public returns the half that is published.
func (k *SigningKey) Public() PublicKey {
	p := PublicKey{ID: k.ID, Algorithm: k.Algorithm}
	if k.private != nil {
		p.Key = k.private.Public()
	}
	return p
}

// String names the key by id and algorithm.
func (k SigningKey) String() string { return "signing key " + k.ID + " (" + string(k.Algorithm) + ")" }

// Format writes String for every verb, so that none reaches the private half.
func (k SigningKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue makes log/slog write the id and the algorithm.
func (k SigningKey) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", k.ID), slog.String("algorithm", string(k.Algorithm)))
}
