package signing_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/token"
)

const (
	testIssuer   = "https://auth.example.com"
	testAudience = "shop"
)

// start is the time at which the test keys are made and the test tokens are issued.
var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func newKey(t testing.TB, alg token.Algorithm) *signing.Key {
	t.Helper()
	k, err := signing.GenerateKey(alg, start)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sessionClaims are those of a good session token.
func sessionClaims() signing.Claims {
	return signing.Claims{
		Type: token.TypeSession, Issuer: testIssuer, Audience: []string{testAudience},
		Subject: "u1", SessionID: "s1", ID: "j1",
		IssuedAt: start, ExpiresAt: start.Add(10 * time.Minute), AuthTime: start.Add(-time.Minute),
		AMR: []string{"pwd"}, EmailVerified: true,
		Roles: []string{"editor"}, Permissions: []string{"post:write"},
		Tenants: map[string]token.Tenant{"t1": {Roles: []string{"owner"}}},
		Custom:  map[string]any{"plan": "pro", "seats": 3},
	}
}

// sign signs the claims, and checks that a verifier accepts the token.
func sign(t testing.TB, k *signing.Key, c signing.Claims) string {
	t.Helper()
	raw, err := signing.Sign(k, c)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := token.NewKeySet(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	v, err := token.NewVerifier(token.VerifierConfig{
		Issuers: []token.Issuer{{URL: testIssuer, Audiences: []string{testAudience}, Keys: keys}},
		Now:     func() time.Time { return start },
	})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := v.Verify(context.Background(), raw, c.Type)
	if err != nil || claims.Subject != c.Subject || claims.ID != c.ID || claims.SessionID != c.SessionID {
		t.Fatalf("the token verifies as %+v, %v", claims, err)
	}
	return raw.Reveal()
}

type object map[string]any

// with returns a copy with one member set.
func (o object) with(name string, value any) object {
	c := maps.Clone(o)
	c[name] = value
	return c
}
