package token_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
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
			t.Errorf("key %d is another key after parsing", i)
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
		"short Ed25519": {{ID: "k", Algorithm: token.EdDSA, Key: make(ed25519.PublicKey, 31)}},
		"Ed25519 alg":   {{ID: "k", Algorithm: token.ES256, Key: newKey(t, token.EdDSA).Public().Key}},
		"private":       {{ID: "k", Algorithm: token.ES384, Key: p384}},
	} {
		if err := s.Replace(keys...); err == nil {
			t.Errorf("%s was accepted", name)
		}
		if _, err := s.PublicKey(ctx, good.ID); err != nil {
			t.Fatalf("%s took the good key away: %v", name, err)
		}
	}
	before := s.Generation()
	if err := s.Replace(); err != nil || s.Generation() == before || s.Generation() == 0 {
		t.Errorf("%v, generation %d", err, s.Generation())
	}
	if _, err := s.PublicKey(ctx, good.ID); !errors.Is(err, token.ErrNoKeys) {
		t.Errorf("empty set: %v", err)
	}
}

func TestPublicKey_Limits(t *testing.T) {
	key := newKey(t, token.ES256).Public()
	for id, ok := range map[string]bool{
		"azAZ09-_.~=+:": true, strings.Repeat("k", 128): true, strings.Repeat("k", 129): false, "": false,
		"/": false, ";": false, "@": false, "[": false, "`": false, "{": false,
	} {
		key.ID = id
		if err := key.Validate(); (err == nil) != ok {
			t.Errorf("id %.20q: %v", id, err)
		}
	}
	ed := newKey(t, token.EdDSA).Public().Key.(ed25519.PublicKey)
	for name, c := range map[string]struct {
		key token.PublicKey
		ok  bool
	}{
		"Ed25519":                {token.PublicKey{ID: "k", Algorithm: token.EdDSA, Key: ed}, true},
		"Ed25519, a byte less":   {token.PublicKey{ID: "k", Algorithm: token.EdDSA, Key: ed[:31]}, false},
		"Ed25519, for ECDSA":     {token.PublicKey{ID: "k", Algorithm: token.ES256, Key: ed}, false},
		"ECDSA without a curve":  {token.PublicKey{ID: "k", Algorithm: token.ES256, Key: &ecdsa.PublicKey{}}, false},
		"RSA, for another curve": {token.PublicKey{ID: "k", Algorithm: token.ES256, Key: &rsa.PublicKey{N: big.NewInt(1), E: 65537}}, false},
	} {
		if err := c.key.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	modulus := func(bits uint) *big.Int { // not a product of two primes, which Validate does not check
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return n.SetBit(n, 0, 1)
	}
	for name, c := range map[string]struct {
		key *rsa.PublicKey
		ok  bool
	}{
		"2,048 bits":         {&rsa.PublicKey{N: modulus(2048), E: 65537}, true},
		"2,047 bits":         {&rsa.PublicKey{N: modulus(2047), E: 65537}, false},
		"8,192 bits":         {&rsa.PublicKey{N: modulus(8192), E: 65537}, true},
		"8,193 bits":         {&rsa.PublicKey{N: modulus(8193), E: 65537}, false},
		"exponent 65,535":    {&rsa.PublicKey{N: modulus(2048), E: 65535}, false},
		"an even exponent":   {&rsa.PublicKey{N: modulus(2048), E: 65538}, false},
		"the largest":        {&rsa.PublicKey{N: modulus(2048), E: 1<<31 - 1}, true},
		"an exponent beyond": {&rsa.PublicKey{N: modulus(2048), E: 1<<31 + 1}, false},
		"no modulus":         {&rsa.PublicKey{E: 65537}, false},
		"no key":             {nil, false},
	} {
		if err := (token.PublicKey{ID: "k", Algorithm: token.RS256, Key: c.key}).Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestJK09_SharedSecretHas32Bytes(t *testing.T) {
	for _, s := range []string{"", "hunter2", strings.Repeat("x-", 15), strings.Repeat("x", 32)} {
		if _, err := token.SharedSecret("k", token.Secret(s)); err == nil || s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("%d bytes: %v", len(s), err)
		}
	}
	if _, err := token.SharedSecret("../k", token.Secret(strings.Repeat("x-", 16))); err == nil {
		t.Error("an unsafe key id was accepted")
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
