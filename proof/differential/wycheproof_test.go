package differential

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/usherkit/usher/token"
)

// methods are the methods of golang-jwt that package token verifies signatures with. The
// salt of PSS has the length of the hash (RFC 7518 §3.5).
var methods = map[string]jwt.SigningMethod{
	"ES256": jwt.SigningMethodES256, "ES384": jwt.SigningMethodES384, "ES512": jwt.SigningMethodES512, "EdDSA": jwt.SigningMethodEdDSA,
	"RS256": jwt.SigningMethodRS256, "RS384": jwt.SigningMethodRS384, "RS512": jwt.SigningMethodRS512,
	"PS256": pss(jwt.SigningMethodPS256), "PS384": pss(jwt.SigningMethodPS384), "PS512": pss(jwt.SigningMethodPS512), "HS256": jwt.SigningMethodHS256,
}

func pss(m *jwt.SigningMethodRSAPSS) *jwt.SigningMethodRSAPSS {
	return &jwt.SigningMethodRSAPSS{SigningMethodRSA: m.SigningMethodRSA, Options: m.Options}
}

// keySet returns a JWK or a JWK Set as a JWK Set. A JWK without kid gets one.
func keySet(t *testing.T, raw json.RawMessage) []byte {
	t.Helper()
	var m map[string]any
	must(t, json.Unmarshal(raw, &m))
	if _, isSet := m["keys"]; isSet {
		return raw
	}
	if m["kid"] == nil {
		m["kid"] = "none"
	}
	set, err := json.Marshal(map[string]any{"keys": []any{m}})
	must(t, err)
	return set
}

// usable returns the keys of a JWK or a JWK Set that ours takes.
func usable(t *testing.T, raw json.RawMessage) []token.PublicKey {
	t.Helper()
	if len(raw) == 0 {
		return nil
	}
	keys, err := token.ParseKeys(keySet(t, raw))
	if err != nil {
		t.Errorf("the JWK Set is refused as a whole: %v", err)
	}
	return keys
}

// keyVerdicts says for each group of the JWK vectors whether ours can use its key.
var keyVerdicts = map[string]bool{
	"jws_mixedSymmetryKeyset": true,  // the EC key; a shared secret in a JWK Set is skipped, so the HS256 of the vector has no key
	"jws_keyset":              false, // shared secrets: they never come from a JWK Set
	"jws_duplicate_kid":       false,
	"HS256":                   false,
	"HS384":                   false,
	"HS512":                   false,
	"invalid_aes_gcm_key":     false,
	"invalid_aes_kw_key":      false,
	"rs256":                   true, // but not the group of an encryption key
	"jws_rsa_roca_key":        true, // ours trusts the issuer to make its keys well, and does not look for the fault of one brand of smart card
	"keysize_too_small":       false,
	"exponentOne":             false,
	"wrong_algorithm":         false,
	"invalid_algorithm":       false,
	"invalid_use":             false,
	"invalid_point":           false,
	"wrong_curve":             false,
	"wrong_kty":               false,
}

// Ours takes the keys that can verify tokens, and skips weak, ambiguous, private and
// malformed ones.
func TestTV19_WycheproofKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range readVectors(t, "json_web_key_test.json").TestGroups {
		want, known := keyVerdicts[g.Comment]
		if seen[g.Comment] = true; !known {
			t.Errorf("no verdict for the group %s", g.Comment)
		}
		raw := g.Public
		if raw == nil {
			raw = g.Private
		} else if len(usable(t, g.Private)) > 0 {
			t.Errorf("%s: a private key is taken", g.Comment)
		}
		want = want && !strings.Contains(string(raw), `"enc"`)
		if got := len(usable(t, raw)) > 0; got != want {
			t.Errorf("%s: a usable key: %t, want %t: %s", g.Comment, got, want, raw)
		}
	}
	if len(seen) != len(keyVerdicts) {
		t.Errorf("%d groups, and verdicts for %d", len(seen), len(keyVerdicts))
	}
}

// signatureFiles are the vectors of the algorithms that ours accepts.
var signatureFiles = map[string][]string{
	"ES256": {"ecdsa_secp256r1_sha256_p1363_test.json"},
	"ES384": {"ecdsa_secp384r1_sha384_p1363_test.json"},
	"ES512": {"ecdsa_secp521r1_sha512_p1363_test.json"},
	"EdDSA": {"ed25519_test.json"},
	"RS256": {"rsa_signature_2048_sha256_test.json", "rsa_signature_3072_sha256_test.json", "rsa_signature_8192_sha256_test.json"},
	"RS384": {"rsa_signature_2048_sha384_test.json", "rsa_signature_3072_sha384_test.json", "rsa_signature_8192_sha384_test.json"},
	"RS512": {"rsa_signature_2048_sha512_test.json", "rsa_signature_3072_sha512_test.json", "rsa_signature_4096_sha512_test.json", "rsa_signature_8192_sha512_test.json"},
	"PS256": {"rsa_pss_2048_sha256_mgf1_32_test.json", "rsa_pss_3072_sha256_mgf1_32_test.json", "rsa_pss_4096_sha256_mgf1_32_test.json"},
	"PS384": {"rsa_pss_2048_sha384_mgf1_48_test.json", "rsa_pss_4096_sha384_mgf1_48_test.json"},
	"PS512": {"rsa_pss_4096_sha512_mgf1_64_test.json"},
}

// refusedKeys says for each file how many of its groups have a key that ours does not
// take: an exponent of 3 (RFC 8017 permits it, and NIST SP 800-56B does not).
var refusedKeys = map[string]int{
	"rsa_signature_2048_sha256_test.json": 2,
	"rsa_signature_3072_sha256_test.json": 1,
	"rsa_signature_2048_sha512_test.json": 1,
	"rsa_signature_3072_sha512_test.json": 1,
}

// Each signature has the expected result. An acceptable one is refused: it departs from
// the standard. Put on a token of another text, each of them is refused.
func TestTV19_WycheproofSignatures(t *testing.T) {
	for alg, files := range signatureFiles {
		for _, file := range files {
			refused, checked := 0, 0
			for i, g := range readVectors(t, file).TestGroups {
				key, err := g.key(t, alg)
				if err != nil {
					if refused++; refused > refusedKeys[file] {
						t.Errorf("%s, group %d: the key is refused: %v", file, i, err)
					}
					continue
				}
				v := verifierOf(t, key)
				for _, x := range g.Tests {
					msg, sig := unhex(t, x.Msg), unhex(t, x.Sig)
					if got := methods[alg].Verify(string(msg), sig, key.Key) == nil; got != (x.Result == "valid") {
						t.Errorf("%s %d (%s, %v): verified: %t, want %s", file, x.ID, x.Comment, x.Flags, got, x.Result)
					}
					refuses(t, v, unsigned(alg, key.ID)+"."+b64(sig), fmt.Sprintf("%s %d", file, x.ID), reasonFor(sig))
					checked++
				}
			}
			if refused < refusedKeys[file] {
				t.Errorf("%s: %d groups have a key that is refused, want %d", file, refused, refusedKeys[file])
			}
			if checked == 0 {
				t.Errorf("%s has no vectors", file)
			}
			t.Logf("%s: %d vectors", file, checked)
		}
	}
}

// key returns the key of the group, from its JWK if it has one.
func (g vectorGroup) key(t *testing.T, alg string) (token.PublicKey, error) {
	t.Helper()
	for _, raw := range []json.RawMessage{g.PublicKeyJWK, g.KeyJWK} {
		if raw == nil {
			continue
		}
		keys := usable(t, raw)
		if len(keys) == 0 {
			return token.PublicKey{}, fmt.Errorf("skipped: %.120s", raw)
		}
		return keys[0], nil
	}
	public, err := x509.ParsePKIXPublicKey(unhex(t, g.PublicKeyDER))
	if err != nil {
		return token.PublicKey{}, err
	}
	key := token.PublicKey{ID: "none", Algorithm: token.Algorithm(alg), Key: public}
	return key, key.Validate()
}

// verifierOf returns a verifier with one key, which accepts all algorithms.
func verifierOf(t *testing.T, key token.PublicKey) *token.Verifier {
	t.Helper()
	keys, err := token.NewKeySet(key)
	must(t, err)
	return verifierWith(t, keys, key.Algorithm)
}

func verifierWith(t *testing.T, keys token.KeySource, alg token.Algorithm) *token.Verifier {
	t.Helper()
	v, err := token.NewVerifier(token.VerifierConfig{
		Issuers: []token.Issuer{{URL: issuer, Audiences: []string{audience}, Keys: keys, Algorithms: []token.Algorithm{alg}}},
		Now:     clock,
	})
	must(t, err)
	return v
}

// unsigned returns the header and the payload of a good token.
func unsigned(alg, kid string) string {
	header, _ := json.Marshal(map[string]string{"alg": alg, "typ": "session+jwt", "kid": kid})
	return b64(header) + "." + b64([]byte(goodPayload))
}

func refuses(t *testing.T, v *token.Verifier, raw, name string, reasons ...string) {
	t.Helper()
	_, err := v.Verify(context.Background(), token.Secret(raw), token.TypeSession)
	var refusal *token.Error
	if !errors.As(err, &refusal) || !slices.Contains(reasons, refusal.Reason) {
		t.Errorf("%s: %v, want the reason %v", name, err, reasons)
	}
}

// reasonFor returns the reason for which ours refuses a token with a wrong signature.
func reasonFor(signature []byte) string {
	if len(signature) == 0 {
		return token.ReasonMalformed
	}
	return token.ReasonSignature
}

// HS256 takes the whole tag and a secret of at least 32 bytes.
func TestTV19_WycheproofHMAC(t *testing.T) {
	checked := 0
	for _, g := range readVectors(t, "hmac_sha256_test.json").TestGroups {
		for _, x := range g.Tests {
			secret, tag := unhex(t, x.Key), unhex(t, x.Tag)
			keys, err := token.SharedSecret("none", token.Secret(secret))
			if (err == nil) != (len(secret) >= 32) {
				t.Errorf("vector %d: a secret of %d bytes: %v", x.ID, len(secret), err)
			}
			if err != nil {
				continue
			}
			want := x.Result == "valid" && g.TagSize == 256 // RFC 7518 §3.2 does not truncate
			if got := methods["HS256"].Verify(string(unhex(t, x.Msg)), tag, secret) == nil; got != want {
				t.Errorf("vector %d (%s): verified: %t, want %t", x.ID, x.Comment, got, want)
			}
			refuses(t, verifierWith(t, keys, token.HS256), unsigned("HS256", "none")+"."+b64(tag), x.Comment, token.ReasonSignature)
			checked++
		}
	}
	if checked == 0 {
		t.Error("there are no vectors")
	}
	t.Logf("%d vectors", checked)
}

// jwsVerdicts lists the JWS vectors on which ours differs from Wycheproof, and why.
var jwsVerdicts = map[int]string{
	345: "the kid has a @, which ours does not take in a kid",
	346: "as 345, and the alg of the key is PS256, that of the token PS384",
	347: "as 345, and the alg of the key is ES521, which does not exist",
	349: "as 345",
	350: "as 346",
	351: "as 347",
	367: "the text is that of the valid vector 357: it has no padding",
	370: "the text is that of the valid vector 357: it has no padding",
	372: "a question mark is no base64url (RFC 7515 §2), although the vector is called valid",
	373: "a question mark is no base64url (RFC 7515 §2), although the vector is called valid",
}

// The JWS of Wycheproof contain texts that are no claims, so ours refuses each of them
// before it looks at the signature. Their parts are checked: the key by ParseKeys, form
// and header by the rules of Verify, and the signature.
func TestTV19_WycheproofJWS(t *testing.T) {
	differs := map[int]bool{}
	checked := 0
	for _, g := range readVectors(t, "json_web_signature_test.json").TestGroups {
		var keys []token.PublicKey
		if g.Public != nil {
			keys = usable(t, g.Public)
		} else {
			keys = sharedSecret(t, g.Private)
		}
		for _, x := range g.Tests {
			var text string
			must(t, json.Unmarshal(x.JWS, &text))
			if checked++; verifyJWS(keys, text) != (x.Result == "valid") {
				if differs[x.ID] = true; jwsVerdicts[x.ID] == "" {
					t.Errorf("%s %d (%s): want %s: %.100s", g.Comment, x.ID, x.Comment, x.Result, text)
				}
			}
			for _, key := range keys {
				if key.Algorithm == token.HS256 {
					continue // TestTV19_WycheproofHMAC has more of them
				}
				v := verifierOf(t, key)
				refuses(t, v, text, x.Comment, token.ReasonMalformed, token.ReasonType, token.ReasonAlgorithm, token.ReasonKey)
				if i := strings.LastIndexByte(text, '.'); i >= 0 {
					refuses(t, v, unsigned(string(key.Algorithm), key.ID)+text[i:], x.Comment, token.ReasonSignature, token.ReasonMalformed)
				}
			}
		}
	}
	for id := range jwsVerdicts {
		if !differs[id] {
			t.Errorf("vector %d has the expected result, and is in jwsVerdicts", id)
		}
	}
	if checked == 0 {
		t.Error("there are no vectors")
	}
	t.Logf("%d vectors", checked)
}

func sharedSecret(t *testing.T, raw json.RawMessage) []token.PublicKey {
	t.Helper()
	var m struct{ Alg, Kid, K string }
	must(t, json.Unmarshal(raw, &m))
	secret, err := encoding.Strict().DecodeString(m.K)
	must(t, err)
	if m.Alg != "HS256" {
		return nil
	}
	return []token.PublicKey{{ID: m.Kid, Algorithm: token.HS256, Key: secret}}
}

// verifyJWS verifies a compact JWS by the rules of Verify, except for those on claims and
// on typ.
func verifyJWS(keys []token.PublicKey, text string) bool {
	part := strings.Split(text, ".")
	if len(part) != 3 || strings.ContainsAny(text, "\r\n") {
		return false
	}
	var raw [3][]byte
	for i := range part {
		var err error
		if raw[i], err = encoding.Strict().DecodeString(part[i]); err != nil {
			return false
		}
	}
	var header map[string]any
	if json.Unmarshal(raw[0], &header) != nil || header["crit"] != nil {
		return false
	}
	for _, key := range keys {
		alg, method := string(key.Algorithm), methods[string(key.Algorithm)]
		if kid, given := header["kid"]; header["alg"] == alg && (!given || kid == key.ID) {
			return method.Verify(part[0]+"."+part[1], raw[2], key.Key) == nil
		}
	}
	return false
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	must(t, err)
	return b
}
