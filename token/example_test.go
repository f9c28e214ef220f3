package token_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/token"
)

// A program without users validates the session tokens of another program.
func Example() {
	ctx := context.Background()
	keys, err := token.OpenRemoteKeys(ctx, token.RemoteKeysConfig{URL: "https://auth.example.com/auth/keys"})
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	revocations, err := token.OpenRemoteRevocations(ctx, token.RemoteRevocationsConfig{URL: "https://auth.example.com/auth/revocations"})
	if err != nil {
		log.Fatal(err)
	}
	defer revocations.Close()
	verifier, err := token.NewVerifier(token.VerifierConfig{
		Issuers: []token.Issuer{{
			URL:       "https://auth.example.com",
			Audiences: []string{"https://shop.example.com"},
			Keys:      keys,
		}},
		Revocations: revocations.List(),
	})
	if err != nil {
		log.Fatal(err)
	}

	validate := func(ctx context.Context, raw string) (*token.Claims, error) {
		if err := revocations.Wait(ctx); err != nil { // until the list is known
			return nil, err
		}
		return verifier.ValidateSession(ctx, token.Secret(raw))
	}
	claims, err := validate(ctx, "eyJ…")
	switch {
	case err == nil:
		fmt.Println("hello,", claims.Subject)
	case errors.Is(err, token.ErrUnavailable):
		fmt.Println("try again later")
	case errors.Is(err, token.ErrExpired):
		fmt.Println("refresh the session")
	default:
		fmt.Println("sign in")
	}
}

// issueExample stands for the issuer of the examples: it returns its JWK Set, and a
// session token with the role "editor" and the custom claim "plan".
func issueExample() (set []byte, raw token.Secret) {
	key, err := signing.GenerateKey(token.ES256, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	keys, err := token.NewKeySet(key.Public())
	if err != nil {
		log.Fatal(err)
	}
	raw, err = signing.Sign(key, signing.Claims{
		Type:   token.TypeSession,
		Issuer: "https://auth.example.com", Audience: []string{"shop"},
		Subject: "user-1", SessionID: "session-1", ID: "token-1",
		IssuedAt: time.Now(), ExpiresAt: time.Now().Add(10 * time.Minute),
		Roles:  []string{"editor"},
		Custom: map[string]any{"plan": "pro"},
	})
	if err != nil {
		log.Fatal(err)
	}
	return keys.JSON(), raw
}

// A fixed set of keys verifies a token until its session is revoked.
func ExampleVerifier_ValidateSession() {
	set, raw := issueExample()
	fmt.Println(raw) // a Secret does not print itself

	public, err := token.ParseKeys(set)
	if err != nil {
		log.Fatal(err)
	}
	keys, err := token.NewKeySet(public...)
	if err != nil {
		log.Fatal(err)
	}
	revocations := token.NewRevocations()
	verifier, err := token.NewVerifier(token.VerifierConfig{
		Issuers:     []token.Issuer{{URL: "https://auth.example.com", Audiences: []string{"shop"}, Keys: keys}},
		Revocations: revocations,
	})
	if err != nil {
		log.Fatal(err)
	}

	claims, err := verifier.ValidateSession(context.Background(), raw)
	if err != nil {
		log.Fatal(err)
	}
	plan, _ := token.Claim[string](claims, "plan")
	fmt.Println(claims.Subject, claims.HasRole("editor"), plan)

	revocations.Add(claims.SessionID, claims.ExpiresAt)
	_, err = verifier.ValidateSession(context.Background(), raw)
	fmt.Println(errors.Is(err, token.ErrRevoked))
	// Output:
	// [redacted]
	// user-1 true pro
	// true
}
