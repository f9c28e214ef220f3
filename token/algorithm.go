package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

// Algorithm is a JWS signature algorithm (RFC 7518 §3.1, RFC 8037).
type Algorithm string

// The algorithms. Usher signs with ES256, EdDSA or RS256. The others are for tokens of
// other issuers; HS256 needs a SharedSecret.
const (
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"
	EdDSA Algorithm = "EdDSA"
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256"
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	HS256 Algorithm = "HS256"
)

// methods is a table of our own, because other code in the same program can change the
// registry of golang-jwt.
var methods = map[Algorithm]jwt.SigningMethod{
	ES256: jwt.SigningMethodES256,
	ES384: jwt.SigningMethodES384,
	ES512: jwt.SigningMethodES512,
	EdDSA: jwt.SigningMethodEdDSA,
	RS256: jwt.SigningMethodRS256,
	RS384: jwt.SigningMethodRS384,
	RS512: jwt.SigningMethodRS512,
	PS256: exactSalt(jwt.SigningMethodPS256),
	PS384: exactSalt(jwt.SigningMethodPS384),
	PS512: exactSalt(jwt.SigningMethodPS512),
	HS256: jwt.SigningMethodHS256,
}

// exactSalt returns the PSS method that accepts only a salt of the length of the hash (RFC
// 7518 §3.5). The method of golang-jwt accepts any length.
func exactSalt(m *jwt.SigningMethodRSAPSS) *jwt.SigningMethodRSAPSS {
	return &jwt.SigningMethodRSAPSS{SigningMethodRSA: m.SigningMethodRSA, Options: m.Options}
}

const (
	minVerifyRSABits = 2048 // RFC 7518 §3.3
	maxVerifyRSABits = 8192 // a larger key makes one verification cost milliseconds
	minRSAExponent   = 1<<16 + 1
	maxKeyID         = 128
)

// PublicKey is the public half of a signing key.
type PublicKey struct {
	// ID is the kid header of the tokens that the key verifies.
	ID string
	// Algorithm is the only algorithm that the key may be used with (RFC 8725 §3.1).
	Algorithm Algorithm
	// Key is an *ecdsa.PublicKey, an ed25519.PublicKey or an *rsa.PublicKey. Only the
	// KeySource of SharedSecret puts a Secret here.
	Key crypto.PublicKey
}

// Validate checks that the key can verify tokens: its ID has 1 to 128 letters, digits
// or any of -_.~=+:, and Key is strong and belongs to the Algorithm.
func (k PublicKey) Validate() error {
	if !validKeyID(k.ID) {
		return fmt.Errorf("key id must have 1 to %d letters, digits or any of -_.~=+:", maxKeyID)
	}
	return checkPublicKey(k.Algorithm, k.Key)
}

// validKeyID reports whether the id is safe in a log, a path and a URL. This package
// uses a kid only as the key of a map.
func validKeyID(id string) bool {
	if id == "" || len(id) > maxKeyID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == '~', c == '=', c == '+', c == ':':
		default:
			return false
		}
	}
	return true
}

// checkPublicKey returns an error for a key that is weak or does not belong to the
// algorithm.
func checkPublicKey(alg Algorithm, key crypto.PublicKey) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k == nil || k.Curve == nil {
			return errors.New("no EC key")
		}
		if want := ecAlgorithm(k.Curve); want == "" || want != alg {
			return fmt.Errorf("EC key on %s cannot serve %q", k.Curve.Params().Name, alg)
		}
		if _, err := k.ECDH(); err != nil { // fails for points off the curve, too
			return errors.New("EC point is not on its curve")
		}
	case ed25519.PublicKey:
		if alg != EdDSA || len(k) != ed25519.PublicKeySize {
			return fmt.Errorf("Ed25519 key cannot serve %q", alg)
		}
	case *rsa.PublicKey:
		switch alg {
		case RS256, RS384, RS512, PS256, PS384, PS512:
		default:
			return fmt.Errorf("RSA key cannot serve %q", alg)
		}
		if k == nil || k.N == nil {
			return errors.New("no RSA key")
		}
		if bits := k.N.BitLen(); bits < minVerifyRSABits || bits > maxVerifyRSABits {
			return fmt.Errorf("RSA key of %d bits, want %d to %d", bits, minVerifyRSABits, maxVerifyRSABits)
		}
		if k.E < minRSAExponent || k.E > 1<<31-1 || k.E%2 == 0 {
			return errors.New("RSA exponent out of range")
		}
	default:
		return fmt.Errorf("key of type %T", key)
	}
	return nil
}

func ecAlgorithm(curve elliptic.Curve) Algorithm {
	switch curve {
	case elliptic.P256():
		return ES256
	case elliptic.P384():
		return ES384
	case elliptic.P521():
		return ES512
	}
	return ""
}

// equalKeys compares public keys. Two shared secrets are never equal.
func equalKeys(a, b PublicKey) bool {
	if a.ID != b.ID || a.Algorithm != b.Algorithm {
		return false
	}
	k, ok := a.Key.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b.Key)
}
