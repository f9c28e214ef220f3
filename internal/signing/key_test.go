package signing_test

import (
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/token"
)

func TestJK08_SigningAlgorithmsAndSizes(t *testing.T) {
	key := newKey(t, token.ES256)
	if header, _ := parts(t, sign(t, key, sessionClaims())); header["alg"] != "ES256" {
		t.Errorf("alg %v", header["alg"])
	}
	for _, bits := range []int{0, 512, 1024, 2048, 3071, 1 << 20} {
		if _, err := signing.GenerateRSAKey(bits, start); err == nil {
			t.Errorf("RSA key of %d bits was made", bits)
		}
	}
	for _, alg := range []token.Algorithm{"", "none", token.HS256, token.ES384, token.PS256, token.RS512} {
		if _, err := signing.GenerateKey(alg, start); err == nil {
			t.Errorf("%q key was made", alg)
		}
	}
}

func TestKey_SurvivesStorage(t *testing.T) {
	keys := map[token.Algorithm][]byte{}
	for _, alg := range []token.Algorithm{token.ES256, token.EdDSA, token.RS256} {
		key := newKey(t, alg)
		der, err := key.MarshalPrivate()
		if err != nil {
			t.Fatal(err)
		}
		keys[alg] = der
		again, err := signing.ParseKey(key.ID, alg, der)
		if err != nil {
			t.Fatal(err)
		}
		if sign(t, key, sessionClaims()) != sign(t, again, sessionClaims()) {
			t.Errorf("%s: it parses as another key", alg)
		}
	}
	for alg, der := range keys {
		for other := range keys {
			if _, err := signing.ParseKey("k", other, der); (err == nil) != (alg == other) {
				t.Errorf("%s key as %s: %v", alg, other, err)
			}
		}
	}
	for _, id := range []string{"", "a b", "../x", strings.Repeat("k", 129)} {
		if _, err := signing.ParseKey(id, token.ES256, keys[token.ES256]); err == nil {
			t.Errorf("id %q was accepted", id)
		}
	}
	if _, err := signing.ParseKey("k", token.ES256, []byte("x")); err == nil {
		t.Error("garbage was accepted")
	}
	if _, err := signing.ParseKey("k", token.PS256, keys[token.RS256]); err == nil {
		t.Error("PS256 was accepted for signing")
	}
}
