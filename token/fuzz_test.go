package token_test

import (
	"context"
	"errors"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/usherkit/usher/token"
)

// FuzzVerify looks for a text that panics, or that is accepted though it is not
// the one token that was issued.
func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	good := sign(f, w.key, w.issue())
	f.Add(good)
	f.Add(w.craft(f, w.header().json(f), "null"))
	f.Add(w.craft(f, `{"alg":"ES256","typ":"session+jwt","kid":"x","crit":[]}`, "{}"))
	f.Add("..")
	f.Add("e30.e30.AA")
	f.Fuzz(func(t *testing.T, raw string) {
		claims, err := w.verifier.ValidateSession(context.Background(), raw)
		if err == nil && raw != good && raw != malleate(t, good) {
			t.Fatalf("accepted %q", raw)
		}
		if err != nil && (claims != nil || !errors.Is(err, token.ErrInvalid)) {
			t.Fatalf("%q: claims %v with %v", raw, claims, err)
		}
	})
}

// FuzzClaims signs whatever it is given, as header and payload: the parser of a
// token that a trusted issuer made in an odd way.
func FuzzClaims(f *testing.F) {
	w := newWorld(f)
	key := private(f, w.key)
	f.Add(w.header().json(f), w.payload().json(f))
	f.Add(w.header().json(f), w.payload().with("roles", object{"admin": nil}).with("tenants", []any{nil}).json(f))
	f.Fuzz(func(t *testing.T, header, payload string) {
		raw := craftWith(t, jwt.SigningMethodES256, key, header, payload)
		claims, err := w.verifier.ValidateSession(context.Background(), raw)
		if err != nil {
			if !errors.Is(err, token.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if claims.Issuer != testIssuer || claims.Subject == "" || claims.SessionID == "" || claims.ID == "" || claims.KeyID != w.key.ID ||
			claims.Type != token.TypeSession || claims.ExpiresAt.IsZero() || claims.IssuedAt.IsZero() || claims.HasRole("") {
			t.Fatalf("%q %q gave %+v", header, payload, claims)
		}
		for name := range claims.Extra {
			_, _ = token.Claim[string](claims, name)
			_, _ = token.Claim[map[string]int](claims, name)
		}
	})
}
