// Package token makes and verifies the JWTs of a sign-in: it holds the signing
// keys and their rotation, the published key set, the verifier with its cache,
// and the list of sessions that ended early.
//
// It knows nothing of HTTP handlers, databases or users. A program that only
// validates sessions needs a [Verifier] and a source of keys:
//
//	keys, err := token.OpenRemoteKeys(ctx, token.RemoteKeysConfig{URL: "https://auth.example.com/auth/keys"})
//	...
//	verifier, err := token.NewVerifier(token.VerifierConfig{
//		Issuers: []token.Issuer{{
//			URL:       "https://auth.example.com",
//			Audiences: []string{"shop"},
//			Keys:      keys,
//		}},
//	})
//	...
//	claims, err := verifier.ValidateSession(ctx, raw)
//
// A program that issues tokens makes a [SigningKey], lets a [Rotation] decide
// when the next one takes over, and calls [Sign].
//
// The rules are those of RFC 7515, RFC 7519 and RFC 8725 (JSON Web Token Best
// Current Practices); where they leave a choice the strict one is taken.
package token
