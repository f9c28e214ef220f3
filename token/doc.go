// Package token validates session tokens: signed JSON Web Tokens that prove a session
// without a database.
//
// Use it in a program that holds no users and receives the tokens of an issuer, such as
// a program with package usher. For HTTP, package middleware does all of this with
// middleware.OpenRemote.
//
//  1. Choose a source of keys. [OpenRemoteKeys] fetches the JWK Set of the issuer and
//     keeps it fresh. [NewKeySet] with [ParseKeys] takes a fixed set, and [SharedSecret]
//     is for an issuer that signs with HS256. Anything else can implement [KeySource].
//  2. If sessions that end early must be refused before their tokens expire, follow the
//     issuer's list with [OpenRemoteRevocations], or keep a list of your own with
//     [NewRevocations].
//  3. Make a [Verifier] with [NewVerifier]. It trusts each [Issuer] only with its own
//     keys, audiences and algorithms.
//  4. Call [Verifier.ValidateSession] for each request, and read the [Claims]. Custom
//     claims are read with [Claim].
//  5. Branch on the error with errors.Is: [ErrExpired] means that the client may refresh,
//     [ErrUnavailable] that the token cannot be verified now, and every other
//     [ErrInvalid] that it is refused.
//
// The rules are those of RFC 7515, RFC 7519 and RFC 8725 (JSON Web Token Best Current
// Practices). Where they leave a choice, this package takes the strict one: a token needs
// exp, iss, aud, iat, sub, typ and kid, has no duplicate members, and is at most
// [MaxSize] bytes long. Two tokens that differ in one byte are two tokens.
//
// Verifiers, sources of keys and lists of revocations are safe for concurrent use.
package token
