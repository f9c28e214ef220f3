package token_test

import (
	"context"
	"crypto"
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

func TestJK06_PublishedSetHasPublicMembersOnly(t *testing.T) {
	var keys []token.PublicKey
	for _, alg := range []token.Algorithm{token.ES256, token.EdDSA, token.RS256} {
		keys = append(keys, newKey(t, alg).Public())
	}
	var set map[string][]map[string]any
	text := newKeySet(t, keys...).JSON()
	if err := json.Unmarshal(text, &set); err != nil || len(set) != 1 || len(set["keys"]) != 3 {
		t.Fatalf("%v: %s", err, text)
	}
	members := map[string][]string{"EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}, "RSA": {"n", "e"}}
	for i, jwk := range set["keys"] {
		if jwk["kid"] != keys[i].ID || jwk["alg"] != string(keys[i].Algorithm) || jwk["use"] != "sig" {
			t.Errorf("key %d is %v", i, jwk)
		}
		allowed := append([]string{"kid", "alg", "use", "kty"}, members[jwk["kty"].(string)]...)
		if len(jwk) != len(allowed) {
			t.Errorf("members of key %d: %v, want %v", i, jwk, allowed)
		}
		for _, name := range allowed {
			if s, ok := jwk[name].(string); !ok || s == "" {
				t.Errorf("key %d has no %s", i, name)
			}
		}
	}
	again, err := token.ParseKeys(text)
	if err != nil || len(again) != 3 {
		t.Fatalf("our own set does not parse: %v", err)
	}
	for i, k := range again {
		if k.ID != keys[i].ID || k.Algorithm != keys[i].Algorithm || !k.Key.(interface{ Equal(crypto.PublicKey) bool }).Equal(keys[i].Key) {
			t.Errorf("key %d came back as another", i)
		}
	}
	if got := string(newKeySet(t).JSON()); got != `{"keys":[]}` {
		t.Errorf("empty set is %s", got)
	}
}

func TestKeySet_JSONIsTheCallersOwn(t *testing.T) {
	s := newKeySet(t, newKey(t, token.ES256).Public())
	want := string(s.JSON())
	clear(s.JSON())
	if string(s.JSON()) != want {
		t.Error("a caller changed the published set")
	}
}

func TestKeySet_RefusesKeysItCannotServe(t *testing.T) {
	ctx := context.Background()
	good := newKey(t, token.ES256).Public()
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := newKeySet(t, good)
	for name, keys := range map[string][]token.PublicKey{
		"twice":       {good, good},
		"no id":       {{Algorithm: token.ES256, Key: good.Key}},
		"unsafe id":   {{ID: "a/b", Algorithm: token.ES256, Key: good.Key}},
		"no key":      {{ID: "k", Algorithm: token.ES256}},
		"nil key":     {{ID: "k", Algorithm: token.ES256, Key: (*ecdsa.PublicKey)(nil)}},
		"wrong alg":   {{ID: "k", Algorithm: token.RS256, Key: good.Key}},
		"wrong curve": {{ID: "k", Algorithm: token.ES256, Key: &p384.PublicKey}},
		"no alg":      {{ID: "k", Key: good.Key}},
		"secret":      {{ID: "k", Algorithm: token.HS256, Key: token.Secret(strings.Repeat("x", 32))}},
		//lint:ignore SA1019 no other way makes a point that is off the curve
		"off the curve": {{ID: "k", Algorithm: token.ES256, Key: &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}}},
		"private":       {{ID: "k", Algorithm: token.ES384, Key: p384}},
	} {
		if err := s.Replace(keys...); err == nil {
			t.Errorf("%s was taken", name)
		}
		if _, err := s.PublicKey(ctx, good.ID); err != nil {
			t.Fatalf("%s took the good key away: %v", name, err)
		}
	}
	before := s.Generation()
	if err := s.Replace(); err != nil || s.Generation() == before {
		t.Errorf("%v, generation %d", err, s.Generation())
	}
	if _, err := s.PublicKey(ctx, good.ID); !errors.Is(err, token.ErrNoKeys) {
		t.Errorf("empty set: %v", err)
	}
}

func TestJK09_SharedSecretHas32Bytes(t *testing.T) {
	for _, s := range []string{"", "hunter2", strings.Repeat("x", 31)} {
		if _, err := token.SharedSecret("k", token.Secret(s)); err == nil || s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("%d bytes: %v", len(s), err)
		}
	}
	if _, err := token.SharedSecret("../k", token.Secret(strings.Repeat("x", 32))); err == nil {
		t.Error("an unsafe key id was taken")
	}
}

func TestVerify_AlgorithmsOfOtherIssuers(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve := func(c elliptic.Curve) *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	for alg, key := range map[token.Algorithm]crypto.Signer{
		token.ES384: curve(elliptic.P384()), token.ES512: curve(elliptic.P521()),
		token.RS256: rsaKey, token.RS384: rsaKey, token.RS512: rsaKey,
		token.PS256: rsaKey, token.PS384: rsaKey, token.PS512: rsaKey,
	} {
		t.Run(string(alg), func(t *testing.T) {
			set := newKeySet(t, token.PublicKey{ID: "k", Algorithm: alg, Key: key.Public()})
			w := newWorld(t, func(c *token.VerifierConfig) {
				c.Issuers[0].Keys, c.Issuers[0].Algorithms = set, []token.Algorithm{alg}
			})
			head := object{"alg": string(alg), "typ": "session+jwt", "kid": "k"}.json(t)
			w.accepted(t, craftWith(t, jwt.GetSigningMethod(string(alg)), key, head, w.payload().json(t)))
		})
	}
}

// jwk builds one key of a set, by hand.
func jwk(members map[string]string) string {
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// foreignSet has one good key among many that must be skipped. The private keys
// are returned by kid.
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
		_, err := w.verifier.ValidateSession(context.Background(), raw)
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
