package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"

	"github.com/usherkit/usher/internal/strictjson"
)

// ParseKeys reads a JWK Set (RFC 7517 §5) and returns the keys that can verify tokens,
// in order. As that section asks, it skips the keys that it cannot use: weak keys,
// unknown types and curves, shared and private keys, keys for another use than
// signatures, keys without a safe kid, and all keys that share a kid. An RSA key
// without alg counts as RS256. A text that is not a JWK Set is an error; a set without
// a usable key is not.
func ParseKeys(set []byte) ([]PublicKey, error) {
	return parseKeys(set, defaultMaxKeys)
}

func parseKeys(set []byte, maxKeys int) ([]PublicKey, error) {
	members, err := strictjson.Parse(set)
	if err != nil {
		return nil, fmt.Errorf("token: JWK Set: %w", err)
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(members.Get("keys"), &raws); err != nil || raws == nil {
		return nil, errors.New(`token: JWK Set: "keys" is not an array`)
	}
	if len(raws) > maxKeys {
		return nil, fmt.Errorf("token: JWK Set: %d keys are over the limit of %d", len(raws), maxKeys)
	}
	var keys []PublicKey
	count := make(map[string]int, len(raws))
	for _, raw := range raws {
		var m jwkset.JWKMarshal
		if json.Unmarshal(raw, &m) != nil || !forSignatures(m) {
			continue
		}
		count[m.KID]++ // a key that is skipped makes the kid ambiguous, too
		if _, err := strictjson.Parse(raw); err != nil {
			continue // encoding/json ignores the case of names, and takes the last one
		}
		if key, ok := publicKey(m); ok {
			keys = append(keys, key)
		}
	}
	return slices.DeleteFunc(keys, func(k PublicKey) bool { return count[k.ID] > 1 }), nil
}

func forSignatures(m jwkset.JWKMarshal) bool {
	return (m.USE == "" || m.USE == jwkset.UseSig) &&
		(len(m.KEYOPS) == 0 || slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify))
}

// publicKey converts one JWK. Only its public members reach the library, so that
// neither a private half nor a certificate or its URL has any effect.
func publicKey(m jwkset.JWKMarshal) (PublicKey, bool) {
	if m.D != "" || m.K != "" || m.P != "" || m.Q != "" {
		return PublicKey{}, false
	}
	jwk, err := jwkset.NewJWKFromMarshal(jwkset.JWKMarshal{
		KTY: m.KTY, ALG: m.ALG, KID: m.KID, CRV: m.CRV, X: m.X, Y: m.Y, N: m.N, E: m.E,
	}, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return PublicKey{}, false
	}
	key := PublicKey{ID: m.KID, Algorithm: Algorithm(m.ALG), Key: jwk.Key()}
	if key.Algorithm == "" {
		switch k := key.Key.(type) {
		case *ecdsa.PublicKey:
			key.Algorithm = ecAlgorithm(k.Curve)
		case ed25519.PublicKey:
			key.Algorithm = EdDSA
		default:
			key.Algorithm = RS256
		}
	}
	return key, key.Validate() == nil
}

func marshalKeys(keys []PublicKey) ([]byte, error) {
	set := jwkset.JWKSMarshal{Keys: make([]jwkset.JWKMarshal, 0, len(keys))}
	for _, k := range keys {
		jwk, err := jwkset.NewJWKFromKey(k.Key, jwkset.JWKOptions{
			Metadata: jwkset.JWKMetadataOptions{ALG: jwkset.ALG(k.Algorithm), KID: k.ID, USE: jwkset.UseSig},
		})
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.ID, err)
		}
		set.Keys = append(set.Keys, jwk.Marshal())
	}
	return json.Marshal(set)
}
