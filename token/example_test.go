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

// A program issues a session token and validates it, until the session is revoked.
func Example() {
	key, err := signing.GenerateKey(token.ES256, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	keys, err := token.NewKeySet(key.Public())
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

	expires := time.Now().Add(10 * time.Minute)
	raw, err := signing.Sign(key, signing.Claims{
		Type:   token.TypeSession,
		Issuer: "https://auth.example.com", Audience: []string{"shop"},
		Subject: "user-1", SessionID: "session-1", ID: "token-1",
		IssuedAt: time.Now(), ExpiresAt: expires,
		Roles:  []string{"editor"},
		Custom: map[string]any{"plan": "pro"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(raw) // no harm done

	claims, err := verifier.ValidateSession(context.Background(), raw.Reveal())
	if err != nil {
		log.Fatal(err)
	}
	plan, _ := token.Claim[string](claims, "plan")
	fmt.Println(claims.Subject, claims.HasRole("editor"), plan)

	revocations.Add("session-1", expires)
	_, err = verifier.ValidateSession(context.Background(), raw.Reveal())
	fmt.Println(errors.Is(err, token.ErrRevoked))
	// Output:
	// [redacted]
	// user-1 true pro
	// true
}
