package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/token"
)

func TestVerify_ReturnsEveryClaimOfAGoodToken(t *testing.T) {
	for _, alg := range []token.Algorithm{token.ES256, token.EdDSA, token.RS256} {
		t.Run(string(alg), func(t *testing.T) {
			w := newWorld(t)
			key := newKey(t, alg)
			if err := w.keys.Replace(key.Public()); err != nil {
				t.Fatal(err)
			}
			got := w.accepted(t, sign(t, key, w.issue())).Clone()
			plan, ok := token.Claim[string](&got, "plan")
			if !ok || plan != "pro" {
				t.Errorf("plan %q, %v", plan, ok)
			}
			if seats, ok := token.Claim[int](&got, "seats"); !ok || seats != 3 {
				t.Errorf("seats %d, %v", seats, ok)
			}
			got.Extra = nil
			want := token.Claims{
				Issuer: testIssuer, Subject: "u1", Audience: []string{testAudience},
				IssuedAt: start, ExpiresAt: start.Add(10 * time.Minute), AuthTime: start.Add(-time.Minute),
				ID: "j1", SessionID: "s1", AMR: []string{"pwd"}, EmailVerified: true,
				Roles: []string{"editor"}, Permissions: []string{"post:write"},
				Tenants: map[string]token.Tenant{"t1": {Roles: []string{"owner"}, Permissions: []string{}}},
				Type:    token.TypeSession, KeyID: key.ID,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTV01_RefusesAlgorithmsOutsideTheAllowList(t *testing.T) {
	w := newWorld(t)
	for _, alg := range []any{"none", "None", "nOnE", "", nil, "HS256", "RS1", "ES256K", "es256", "ES384", 256, []string{"ES256"}} {
		t.Run(fmt.Sprint(alg), func(t *testing.T) {
			w.refused(t, w.craft(t, w.header().with("alg", alg).json(t), w.payload().json(t)), token.ReasonAlgorithm)
		})
	}
	unsigned := strings.Join(strings.Split(w.craft(t, w.header().with("alg", "none").json(t), w.payload().json(t)), ".")[:2], ".") + "."
	w.refused(t, unsigned, token.ReasonMalformed)

	// An accepted algorithm, but not that of the key.
	w.refused(t, w.craft(t, w.header().with("alg", "RS256").json(t), w.payload().json(t)), token.ReasonAlgorithm)
}

func TestTV02_NoKeyConfusion(t *testing.T) {
	ec := newWorld(t)
	rsaKey := newKey(t, token.RS256)
	if err := ec.keys.Replace(ec.key.Public(), rsaKey.Public()); err != nil {
		t.Fatal(err)
	}
	for _, k := range []*signing.Key{ec.key, rsaKey} {
		der, err := x509.MarshalPKIXPublicKey(k.Public().Key)
		if err != nil {
			t.Fatal(err)
		}
		secrets := map[string][]byte{
			"DER": der,
			"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
			"JWK": newKeySet(t, k.Public()).JSON(),
		}
		if pub, ok := k.Public().Key.(*rsa.PublicKey); ok {
			secrets["modulus"] = pub.N.Bytes()
		}
		for name, secret := range secrets {
			for _, m := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
				t.Run(string(k.Algorithm)+" "+name+" "+m.Alg(), func(t *testing.T) {
					head := ec.header().with("kid", k.ID).with("alg", m.Alg()).json(t)
					ec.refused(t, craftWith(t, m, secret, head, ec.payload().json(t)), token.ReasonAlgorithm)
				})
			}
		}
	}

	secret, err := token.SharedSecret("k1", token.Secret(strings.Repeat("x-", 16)))
	if err != nil {
		t.Fatal(err)
	}
	for name, i := range map[string]token.Issuer{
		"HS256 beside ES256":      {Algorithms: []token.Algorithm{token.HS256, token.ES256}, Keys: secret},
		"HS256 with public keys":  {Algorithms: []token.Algorithm{token.HS256}, Keys: ec.keys},
		"ES256 with a secret":     {Algorithms: []token.Algorithm{token.ES256}, Keys: secret},
		"defaults with a secret":  {Keys: secret},
		"an unknown algorithm":    {Algorithms: []token.Algorithm{"none"}, Keys: ec.keys},
		"HS512, not supported":    {Algorithms: []token.Algorithm{"HS512"}, Keys: secret},
		"HS256 among public ones": {Algorithms: []token.Algorithm{token.ES256, token.HS256}, Keys: ec.keys},
	} {
		i.URL, i.Audiences = testIssuer, []string{testAudience}
		if _, err := token.NewVerifier(token.VerifierConfig{Issuers: []token.Issuer{i}}); err == nil {
			t.Errorf("%s: no configuration error", name)
		}
	}
}

func TestVerify_SharedSecret(t *testing.T) {
	secret := strings.Repeat("0123456789abcdef", 2)
	source, err := token.SharedSecret("k1", token.Secret(secret))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *token.VerifierConfig) {
		c.Issuers[0].Keys, c.Issuers[0].Algorithms = source, []token.Algorithm{token.HS256}
	})
	head := object{"alg": "HS256", "typ": "session+jwt", "kid": "k1"}
	raw := craftWith(t, jwt.SigningMethodHS256, []byte(secret), head.json(t), w.payload().json(t))
	w.accepted(t, raw)
	w.accepted(t, raw) // from the cache
	w.refused(t, craftWith(t, jwt.SigningMethodHS256, []byte(secret+"x"), head.json(t), w.payload().json(t)), token.ReasonSignature)
	w.refused(t, craftWith(t, jwt.SigningMethodHS256, []byte(secret), head.with("kid", "k2").json(t), w.payload().json(t)), token.ReasonKey)
}

func TestTV03_KidIsASafeString(t *testing.T) {
	w := newWorld(t)
	for _, kid := range []any{nil, "", 7, []string{w.key.ID}, true, object{}, "../../dev/null", "' OR 1=1--", "\x00", w.key.ID + "\n",
		strings.Repeat("k", 129), strings.Repeat("k", 5000), "unknown", strings.ToLower(w.key.ID), w.key.ID[:25]} {
		w.refused(t, w.craft(t, w.header().with("kid", kid).json(t), w.payload().json(t)), token.ReasonKey)
	}
}

func TestTV04_HeadersNeverSupplyAKey(t *testing.T) {
	var calls atomic.Int64
	listener := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer listener.Close()
	w := newWorld(t)
	attacker := newKey(t, token.ES256)
	set := newKeySet(t, attacker.Public()).JSON()
	jwk := strings.TrimSuffix(strings.TrimPrefix(string(set), `{"keys":[`), `]}`)
	for _, member := range []string{
		`"jku":"` + listener.URL + `"`, `"x5u":"` + listener.URL + `"`, `"jwk":` + jwk, `"x5c":["MIIB"]`,
	} {
		for kid, reason := range map[string]string{w.key.ID: token.ReasonSignature, attacker.ID: token.ReasonKey} {
			head := `{"alg":"ES256","typ":"session+jwt","kid":"` + kid + `",` + member + `}`
			w.refused(t, craftWith(t, jwt.SigningMethodES256, private(t, attacker), head, w.payload().json(t)), reason)
		}
		// In a genuine token they are ignored.
		w.accepted(t, w.craft(t, `{"alg":"ES256","typ":"session+jwt","kid":"`+w.key.ID+`",`+member+`}`, w.payload().json(t)))
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d requests to the attacker", n)
	}
}

func TestTV05_CriticalHeadersAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, members := range []string{`"crit":["exp"]`, `"crit":[]`, `"crit":["x"],"x":1`, `"crit":null`, `"b64":false`, `"b64":true`, `"zip":"DEF"`, `"enc":"A256GCM"`} {
		w.refused(t, w.craft(t, `{"alg":"ES256","typ":"session+jwt","kid":"`+w.key.ID+`",`+members+`}`, w.payload().json(t)), token.ReasonMalformed)
	}
}

func TestTV11_EverySignatureIsChecked(t *testing.T) {
	w := newWorld(t)
	raw := w.craft(t, w.header().json(t), w.payload().json(t))
	text, sig64 := raw[:strings.LastIndexByte(raw, '.')], raw[strings.LastIndexByte(raw, '.')+1:]
	sig, err := base64.RawURLEncoding.DecodeString(sig64)
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])})
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sig384, err := jwt.SigningMethodES384.Sign(text, p384)
	if err != nil {
		t.Fatal(err)
	}
	another := w.craft(t, w.header().json(t), w.payload().with("jti", "j2").json(t))
	flipped := append([]byte(nil), sig...)
	flipped[40] ^= 1
	for name, s := range map[string][]byte{
		"all zero": make([]byte, 64), "DER": der, "cut": sig[:63], "longer": append(append([]byte(nil), sig...), 0),
		"P-384": sig384, "one bit": flipped,
	} {
		t.Run(name, func(t *testing.T) {
			w.refused(t, text+"."+base64.RawURLEncoding.EncodeToString(s), token.ReasonSignature)
		})
	}
	w.refused(t, text+another[strings.LastIndexByte(another, '.'):], token.ReasonSignature)
	w.refused(t, text+".", token.ReasonMalformed)
	head, _, _ := strings.Cut(raw, ".")
	forged := base64.RawURLEncoding.EncodeToString([]byte(w.payload().with("sub", "admin").json(t)))
	w.refused(t, head+"."+forged+"."+sig64, token.ReasonSignature)
	w.accepted(t, raw)
}

// The salt of a PSS signature has the length of the hash (RFC 7518 §3.5).
func TestTV11_PSSSaltHasTheLengthOfTheHash(t *testing.T) {
	key := newKey(t, token.RS256)
	public := key.Public()
	public.Algorithm = token.PS256
	w := newWorld(t, func(cfg *token.VerifierConfig) {
		cfg.Issuers[0].Keys = newKeySet(t, public)
		cfg.Issuers[0].Algorithms = []token.Algorithm{token.PS256}
	})
	head := object{"alg": "PS256", "typ": "session+jwt", "kid": key.ID}.json(t)
	w.accepted(t, craftWith(t, jwt.SigningMethodPS256, private(t, key), head, w.payload().json(t)))
	for _, salt := range []int{rsa.PSSSaltLengthAuto, 1, 31, 33} {
		method := *jwt.SigningMethodPS256
		method.Options = &rsa.PSSOptions{SaltLength: salt}
		w.refused(t, craftWith(t, &method, private(t, key), head, w.payload().json(t)), token.ReasonSignature)
	}
}

func TestVerify_ErrorsTellExpiryFromTheRest(t *testing.T) {
	w := newWorld(t)
	old := w.payload().with("exp", w.now().Unix()-60).with("iat", w.now().Unix()-120)
	ctx := context.Background()

	_, err := w.verifier.ValidateSession(ctx, token.Secret(w.craft(t, w.header().json(t), old.json(t))))
	if !errors.Is(err, token.ErrExpired) || !errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrRevoked) {
		t.Errorf("expired: %v", err)
	}
	attacker := private(t, newKey(t, token.ES256))
	for name, raw := range map[string]string{
		"forged":   craftWith(t, jwt.SigningMethodES256, attacker, w.header().json(t), old.json(t)),
		"audience": w.craft(t, w.header().json(t), old.with("aud", "other").json(t)),
		"nbf":      w.craft(t, w.header().json(t), old.with("nbf", w.now().Unix()+600).json(t)),
		"sub":      w.craft(t, w.header().json(t), old.with("sub", nil).json(t)),
		"typ":      w.craft(t, w.header().with("typ", "JWT").json(t), old.json(t)),
	} {
		if _, err := w.verifier.ValidateSession(ctx, token.Secret(raw)); errors.Is(err, token.ErrExpired) || !errors.Is(err, token.ErrInvalid) {
			t.Errorf("%s and expired: %v", name, err)
		}
	}
	w.revocations.Add("s1", w.now().Add(time.Hour))
	if _, err = w.verifier.ValidateSession(ctx, token.Secret(w.craft(t, w.header().json(t), old.json(t)))); errors.Is(err, token.ErrExpired) || !errors.Is(err, token.ErrRevoked) {
		t.Errorf("revoked and expired: %v", err)
	}
	if err := w.keys.Replace(); err != nil {
		t.Fatal(err)
	}
	if _, err = w.verifier.ValidateSession(ctx, token.Secret(w.craft(t, w.header().json(t), w.payload().json(t)))); errors.Is(err, token.ErrInvalid) || !errors.Is(err, token.ErrUnavailable) || !errors.Is(err, token.ErrNoKeys) {
		t.Errorf("no keys: %v", err)
	}
}

// The text of an error never contains parts of the token, because errors are logged.
func TestVerify_ErrorsRepeatNothingOfTheToken(t *testing.T) {
	w := newWorld(t)
	const canary = "c4nary"
	head, body := w.header(), w.payload().with("sub", canary)
	for _, raw := range []string{
		w.craft(t, head.with("alg", canary).json(t), body.json(t)),
		w.craft(t, head.with("typ", canary).json(t), body.json(t)),
		w.craft(t, head.with("kid", canary).json(t), body.json(t)),
		w.craft(t, head.with("kid", canary+" ").json(t), body.json(t)),
		w.craft(t, head.json(t), body.with("iss", canary).json(t)),
		w.craft(t, head.json(t), body.with("aud", canary).json(t)),
		w.craft(t, head.json(t), body.with("exp", canary).json(t)),
		w.craft(t, head.json(t), body.with("exp", 1).json(t)),
		w.craft(t, head.json(t), canary),
		w.craft(t, head.json(t), `{"`+canary+`":1,"`+canary+`":2}`),
		canary, canary + ".", canary + "." + canary + "." + canary,
	} {
		if _, err := w.verifier.ValidateSession(context.Background(), token.Secret(raw)); err == nil || strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), raw[:6]) {
			t.Errorf("%v", err)
		}
	}
}

// FuzzVerify searches for a text that causes a panic, or that is accepted although it is
// not the token that was issued.
func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	good := sign(f, w.key, w.issue())
	f.Add(good)
	f.Add(w.craft(f, w.header().json(f), "null"))
	f.Add(w.craft(f, `{"alg":"ES256","typ":"session+jwt","kid":"x","crit":[]}`, "{}"))
	f.Add("..")
	f.Add("e30.e30.AA")
	f.Fuzz(func(t *testing.T, raw string) {
		claims, err := w.verifier.ValidateSession(context.Background(), token.Secret(raw))
		if err == nil && raw != good && raw != malleate(t, good) {
			t.Fatalf("accepted %q", raw)
		}
		if err != nil && (claims != nil || !errors.Is(err, token.ErrInvalid)) {
			t.Fatalf("%q: claims %v with %v", raw, claims, err)
		}
	})
}
