// Package signing makes the JWTs that package token verifies. It holds the
// private signing keys, the rule by which they rotate, and [Sign].
//
// Package token has only what a verifier needs, so that a program that validates
// sessions cannot sign any. The tests of this package check that a [token.Verifier]
// accepts the tokens of Sign.
package signing
