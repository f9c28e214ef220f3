package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/usherkit/usher/token"
)

// jwk builds one key of a set, by hand.
func jwk(members map[string]string) string {
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// foreignSet returns a JWK Set with good keys among many that must be skipped, and the
// private keys and signing methods by kid.
func foreignSet(t testing.TB) (set string, keys map[string]any, methods map[string]jwt.SigningMethod) {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	keys, methods = map[string]any{}, map[string]jwt.SigningMethod{}
	var list []string
	ec := func(kid string, curve elliptic.Curve, name string, more ...string) {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := k.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		half := len(point) / 2
		m := map[string]string{"kty": "EC", "kid": kid, "use": "sig", "crv": name, "x": b64(point[1 : 1+half]), "y": b64(point[1+half:])}
		for i := 0; i+1 < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		keys[kid], methods[kid] = k, jwt.SigningMethodES256
		list = append(list, jwk(m))
	}
	rs := func(kid string, bits, e int, more ...string) {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		m := map[string]string{"kty": "RSA", "kid": kid, "alg": "RS256", "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(e)).Bytes())}
		for i := 0; i+1 < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		keys[kid], methods[kid] = k, jwt.SigningMethodRS256
		list = append(list, jwk(m))
	}
	ec("good", elliptic.P256(), "P-256", "alg", "ES256")
	ec("good-without-alg-and-use", elliptic.P256(), "P-256", "use", "")
	rs("good-rsa", 2048, 65537)
	ec("for-encryption", elliptic.P256(), "P-256", "use", "enc")
	ec("of-odd-use", elliptic.P256(), "P-256", "use", "SIG")
	ec("alg-of-another", elliptic.P256(), "P-256", "alg", "ES384")
	ec("alg-none", elliptic.P256(), "P-256", "alg", "none")
	ec("twin", elliptic.P256(), "P-256")
	ec("twin", elliptic.P256(), "P-256")
	ec("weak-twin", elliptic.P256(), "P-256")
	rs("weak-twin", 1024, 65537)
	ec("unknown-curve", elliptic.P256(), "secp256k1", "alg", "ES256K")
	ec("has-private-half", elliptic.P256(), "P-256", "d", "AAAA")
	ec("has-a-prime", elliptic.P256(), "P-256", "p", "AAAA")
	ec("has-the-other-prime", elliptic.P256(), "P-256", "q", "AAAA")
	ec("has-a-secret", elliptic.P256(), "P-256", "k", "AAAA")
	ec("points-at-certificate", elliptic.P256(), "P-256", "x5u", "https://127.0.0.1:1/cert") // the URL is not followed
	rs("weak-rsa", 1024, 65537)
	rs("e-is-3", 2048, 3)
	rs("e-is-1", 2048, 1)
	rs("for-pss", 2048, 65537, "alg", "PS256")
	secret := []byte(strings.Repeat("s", 32))
	keys["oct"], methods["oct"] = secret, jwt.SigningMethodHS256
	list = append(list, jwk(map[string]string{"kty": "oct", "kid": "oct", "alg": "HS256", "k": b64(secret)}))
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys["good-ed"], methods["good-ed"] = priv, jwt.SigningMethodEdDSA
	list = append(list, jwk(map[string]string{"kty": "OKP", "kid": "good-ed", "crv": "Ed25519", "alg": "EdDSA", "x": b64(pub)}))
	list = append(list, jwk(map[string]string{"kty": "OKP", "kid": "x25519", "crv": "X25519", "x": b64(pub)}),
		jwk(map[string]string{"kty": "OKP", "kid": "ed448", "crv": "Ed448", "x": b64(pub)}),
		jwk(map[string]string{"kty": "EC", "kid": "off-curve", "crv": "P-256", "x": b64(pub), "y": b64(pub)}),
		jwk(map[string]string{"kty": "EC", "kid": "../x"}), `{}`, `null`, `7`, `"x"`, `{"kty":7}`,
		`{"kty":"EC","kid":"ops","key_ops":["sign"]}`)
	return `{"keys":[` + strings.Join(list, ",") + `],"other":1}`, keys, methods
}

func TestJK05_WeakAndForeignKeysAreSkipped(t *testing.T) {
	text, private, methods := foreignSet(t)
	keys, err := token.ParseKeys([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	set := newKeySet(t, keys...)
	w := newWorld(t, func(c *token.VerifierConfig) { c.Issuers[0].Keys = set })
	for kid, key := range private {
		method := methods[kid]
		head := object{"alg": method.Alg(), "typ": "session+jwt", "kid": kid}.json(t)
		raw := craftWith(t, method, key, head, w.payload().json(t))
		_, err := w.verifier.ValidateSession(context.Background(), token.Secret(raw))
		good := strings.HasPrefix(kid, "good") || kid == "points-at-certificate"
		if good != (err == nil) || err != nil && !errors.Is(err, token.ErrInvalid) {
			t.Errorf("token of key %q: %v", kid, err)
		}
	}
	if len(keys) != 6 { // five good ones, and the PS256 key, whose alg the issuer does not allow
		t.Errorf("%d keys, want 6", len(keys))
	}
}

func TestParseKeys_RefusesWhatIsNoSet(t *testing.T) {
	for _, text := range []string{
		"", "null", "[]", "7", `"x"`, "{}", `{"keys":null}`, `{"keys":{}}`, `{"keys":[]`, `{"keys":[]}{}`, `{"Keys":[]}`,
		`{"keys":[],"keys":[]}`, `{"keys":[],"KEYS":[]}`, `{"keys":[{"kid":"a","kid":"b"}]}`, "<html>",
		`{"keys":[` + strings.Repeat("{},", 100) + `{}]}`,
	} {
		if keys, err := token.ParseKeys([]byte(text)); err == nil {
			t.Errorf("%.40q gave %v", text, keys)
		}
	}
	if keys, err := token.ParseKeys([]byte(`{"keys":[` + strings.Repeat("{},", 99) + `{}]}`)); err != nil || len(keys) != 0 {
		t.Errorf("100 useless keys: %v, %v", keys, err)
	}
}

func FuzzJWKS(f *testing.F) {
	text, _, _ := foreignSet(f)
	f.Add([]byte(text))
	for _, s := range []string{`{"keys":[]}`, `{"keys":[{"kty":"RSA","kid":"k","n":"AQAB","e":"AQAB"}]}`, `{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"AA","y":"AA"}]}`, "null"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := token.ParseKeys(data)
		if err != nil {
			return
		}
		set, err := token.NewKeySet(keys...) // what was admitted can be published again
		if err != nil {
			t.Fatal(err)
		}
		again, err := token.ParseKeys(set.JSON())
		if err != nil || len(again) != len(keys) {
			t.Fatalf("%d keys became %d: %v", len(keys), len(again), err)
		}
	})
}

// A key that two readers could read differently is skipped.
func TestJK05_AnAmbiguousKeyIsSkipped(t *testing.T) {
	key := newKey(t, token.ES256).Public()
	good := string(newKeySet(t, key).JSON())
	for _, twin := range []string{`"KID":"other",`, `"Alg":"ES384",`, `"kid":"other",`} {
		keys, err := token.ParseKeys([]byte(strings.Replace(good, `{"kty"`, `{`+twin+`"kty"`, 1)))
		if len(keys) != 0 {
			t.Errorf("%s: %d keys, %v", twin, len(keys), err)
		}
	}
	if keys, err := token.ParseKeys([]byte(good)); err != nil || len(keys) != 1 || !strings.Contains(good, `{"kty"`) {
		t.Errorf("%d keys, %v: %s", len(keys), err, good)
	}
}
