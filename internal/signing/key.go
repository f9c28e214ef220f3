package signing

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

	"github.com/usherkit/usher/token"
)

const (
	minRSABits = 3072 // NIST SP 800-57: 128 bits of strength
	maxRSABits = 8192 // the largest that a Verifier accepts
)

// Key is a private signing key with its id and the times of its phases, which a
// Rotation sets. No fmt verb, logger or JSON encoder shows the private half.
type Key struct {
	// ID is the kid header of the tokens that the key signs.
	ID string
	// Algorithm is ES256, EdDSA or RS256.
	Algorithm token.Algorithm
	// CreatedAt is when the key was made and first published, ActiveAt when it
	// starts to sign, RetiredAt when a successor took over, and RemovedAt when it
	// leaves the published set. The last two are zero until a successor takes over.
	CreatedAt, ActiveAt, RetiredAt, RemovedAt time.Time

	// A pointer, so that fmt shows at most an address, even for a verb such as %p
	// that bypasses the methods below.
	private *privateHalf
}

type privateHalf struct{ crypto.Signer }

// GenerateKey makes a key with a random id that is active from now on. alg is
// ES256, EdDSA or RS256 (of 3072 bits); any other is an error.
func GenerateKey(alg token.Algorithm, now time.Time) (*Key, error) {
	switch alg {
	case token.ES256:
		signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("signing: generate %s key: %w", alg, err)
		}
		return newKey(alg, signer, now), nil
	case token.EdDSA:
		_, signer, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("signing: generate %s key: %w", alg, err)
		}
		return newKey(alg, signer, now), nil
	case token.RS256:
		return GenerateRSAKey(minRSABits, now)
	}
	return nil, fmt.Errorf("signing: algorithm %q cannot sign: use ES256, EdDSA or RS256", alg)
}

// GenerateRSAKey makes an RS256 key of 3072 to 8192 bits.
func GenerateRSAKey(bits int, now time.Time) (*Key, error) {
	if bits < minRSABits || bits > maxRSABits {
		return nil, fmt.Errorf("signing: RSA key of %d bits: want %d to %d", bits, minRSABits, maxRSABits)
	}
	signer, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("signing: generate %s key: %w", token.RS256, err)
	}
	return newKey(token.RS256, signer, now), nil
}

func newKey(alg token.Algorithm, signer crypto.Signer, now time.Time) *Key {
	return &Key{ID: rand.Text(), Algorithm: alg, CreatedAt: now, ActiveAt: now, private: &privateHalf{signer}}
}

// ParseKey reads the PKCS #8 DER that MarshalPrivate writes. It fails for a key
// that does not belong to the algorithm, an RSA key below 3072 bits, and an id that
// is not a safe kid. The caller sets the times.
func ParseKey(id string, alg token.Algorithm, der []byte) (*Key, error) {
	if methodOf(alg) == nil {
		return nil, fmt.Errorf("signing: key %q: algorithm %q cannot sign: use ES256, EdDSA or RS256", id, alg)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("signing: key %q is not PKCS #8: %w", id, err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("signing: key %q of type %T cannot sign", id, parsed)
	}
	k := &Key{ID: id, Algorithm: alg, private: &privateHalf{signer}}
	if err := k.Public().Validate(); err != nil {
		return nil, fmt.Errorf("signing: key %q: %w", id, err)
	}
	if r, ok := signer.(*rsa.PrivateKey); ok && r.N.BitLen() < minRSABits {
		return nil, fmt.Errorf("signing: key %q: RSA key of %d bits, want at least %d to sign", id, r.N.BitLen(), minRSABits)
	}
	return k, nil
}

// MarshalPrivate returns the private key as PKCS #8 DER (RFC 5958). Encrypt it
// before storing it.
func (k *Key) MarshalPrivate() ([]byte, error) {
	if k.private == nil {
		return nil, errors.New("signing: key has no private half")
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.private.Signer)
	if err != nil {
		return nil, fmt.Errorf("signing: marshal key %s: %w", k.ID, err)
	}
	return der, nil
}

// Public returns the public half.
func (k *Key) Public() token.PublicKey {
	p := token.PublicKey{ID: k.ID, Algorithm: k.Algorithm}
	if k.private != nil {
		p.Key = k.private.Public()
	}
	return p
}

// String returns the id and the algorithm.
func (k Key) String() string { return "signing key " + k.ID + " (" + string(k.Algorithm) + ")" }

// Format writes String for every verb, so that no verb shows the private half.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue makes log/slog write the id and the algorithm.
func (k Key) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", k.ID), slog.String("algorithm", string(k.Algorithm)))
}
