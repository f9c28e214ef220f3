package differential

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/usherkit/usher/token"
)

const (
	issuer   = "https://auth.example.com"
	audience = "shop"
	leeway   = 5 * time.Second
)

var algorithms = []string{"ES256", "EdDSA", "RS256", "PS256"}

// now is the time of all three verifiers.
var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func clock() time.Time { return now }

// claims are what two verifiers must agree on.
type claims struct {
	sub, sid string
	aud      []string
	exp      int64
}

func (c claims) equal(d claims) bool {
	return c.sub == d.sub && c.sid == d.sid && c.exp == d.exp && slices.Equal(c.aud, d.aud)
}

// verifiers are the three verifiers, all with the same keys and rules.
type verifiers struct {
	ours   *token.Verifier
	golang *jwt.Parser
	keys   keyfunc.Keyfunc
	jwx    []jwxjwt.ParseOption
}

// newVerifiers returns the verifiers of the keys in a JWK Set.
func newVerifiers(t testing.TB, set []byte) *verifiers {
	t.Helper()
	public, err := token.ParseKeys(set)
	must(t, err)
	keys, err := token.NewKeySet(public...)
	must(t, err)
	v := &verifiers{}
	v.ours, err = token.NewVerifier(token.VerifierConfig{
		Issuers: []token.Issuer{{
			URL: issuer, Audiences: []string{audience}, Keys: keys,
			Algorithms: []token.Algorithm{token.ES256, token.EdDSA, token.RS256, token.PS256},
		}},
		Leeway: leeway,
		Now:    clock,
	})
	must(t, err)
	v.keys, err = keyfunc.NewJWKSetJSON(set)
	must(t, err)
	v.golang = jwt.NewParser(
		jwt.WithValidMethods(algorithms), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(clock), jwt.WithStrictDecoding(),
	)
	theirs, err := jwk.Parse(set)
	must(t, err)
	jwxjwt.Settings(jwxjwt.WithNumericDateParsePedantic(true))
	v.jwx = []jwxjwt.ParseOption{
		jwxjwt.WithKeySet(theirs), jwxjwt.WithIssuer(issuer), jwxjwt.WithAudience(audience),
		jwxjwt.WithRequiredClaim("exp"), jwxjwt.WithClock(jwxjwt.ClockFunc(clock)), jwxjwt.WithAcceptableSkew(leeway),
		jwxjwt.WithStrictStringClaims(true),
	}
	return v
}

func (v *verifiers) byOurs(raw string) (claims, error) {
	c, err := v.ours.Verify(context.Background(), token.Secret(raw), token.TypeSession)
	if err != nil {
		return claims{}, err
	}
	return claims{c.Subject, c.SessionID, c.Audience, c.ExpiresAt.Unix()}, nil
}

func (v *verifiers) byGolangJWT(raw string) (claims, error) {
	parsed, err := v.golang.Parse(raw, v.keys.Keyfunc)
	if err != nil {
		return claims{}, err
	}
	m := parsed.Claims.(jwt.MapClaims)
	sub, err1 := m.GetSubject()
	aud, err2 := m.GetAudience()
	exp, err3 := m.GetExpirationTime()
	if err := errors.Join(err1, err2, err3); err != nil {
		return claims{}, err
	}
	sid, _ := m["sid"].(string)
	return claims{sub, sid, aud, exp.Unix()}, nil
}

func (v *verifiers) byJWX(raw string) (claims, error) {
	parsed, err := jwxjwt.ParseString(raw, v.jwx...)
	if err != nil {
		return claims{}, err
	}
	sub, _ := parsed.Subject()
	aud, _ := parsed.Audience()
	exp, _ := parsed.Expiration()
	var sid string
	if parsed.Has("sid") {
		_ = parsed.Get("sid", &sid)
	}
	return claims{sub, sid, aud, exp.Unix()}, nil
}

// peers are the verifiers that ours is compared with.
func (v *verifiers) peers() map[string]func(string) (claims, error) {
	return map[string]func(string) (claims, error){"golang-jwt": v.byGolangJWT, "jwx": v.byJWX}
}

// issuerKeys are the private keys of the issuer. They never change, because the workers
// of a fuzz test are processes of their own.
type issuerKeys struct {
	ec    *ecdsa.PrivateKey
	ed    ed25519.PrivateKey
	rsa   *rsa.PrivateKey
	other *ecdsa.PrivateKey // another issuer's, on the same curve
	set   []byte
}

func newIssuerKeys(t testing.TB) *issuerKeys {
	t.Helper()
	seed := sha256.Sum256([]byte("the issuer of the differential test"))
	k := &issuerKeys{ed: ed25519.NewKeyFromSeed(seed[:])}
	for _, g := range readVectors(t, "json_web_signature_test.json").TestGroups {
		var raw any
		switch {
		case g.Comment == "es256" && k.ec == nil:
			must(t, jwk.Export(parseJWK(t, g.Private), &raw))
			k.ec = raw.(*ecdsa.PrivateKey)
		case g.Comment == "rs256" && k.rsa == nil:
			must(t, jwk.Export(parseJWK(t, g.Private), &raw))
			k.rsa = raw.(*rsa.PrivateKey)
		}
	}
	var err error
	k.other, err = ecdsa.ParseRawPrivateKey(k.ec.Curve, seed[:])
	must(t, err)
	keys, err := token.NewKeySet(
		token.PublicKey{ID: "es", Algorithm: token.ES256, Key: &k.ec.PublicKey},
		token.PublicKey{ID: "ed", Algorithm: token.EdDSA, Key: k.ed.Public()},
		token.PublicKey{ID: "rs", Algorithm: token.RS256, Key: &k.rsa.PublicKey},
		token.PublicKey{ID: "ps", Algorithm: token.PS256, Key: &k.rsa.PublicKey},
	)
	must(t, err)
	k.set = keys.JSON()
	return k
}

func parseJWK(t testing.TB, raw json.RawMessage) jwk.Key {
	t.Helper()
	key, err := jwk.ParseKey(raw)
	must(t, err)
	return key
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(fmt.Errorf("setting up: %w", err))
	}
}
