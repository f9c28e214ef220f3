// Package differential compares the verifier of package token with golang-jwt and with
// lestrrat-go/jwx, and runs it over the test vectors of Wycheproof. It has only tests.
//
// It is a Go module of its own, so that those libraries never become dependencies of a
// program that uses Usher.
package differential
