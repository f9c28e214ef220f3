// Package tokencache remembers, in bounded memory, what was expensive to find out about
// a text that comes again and again: the claims of a token, the content of a sealed
// cookie.
//
// It is made for texts that strangers send. Only what its caller has verified comes
// in, so a flood of forged texts changes nothing. A flood of genuine ones that are
// each used once passes through a small probation segment and leaves the main one
// alone, where texts go that were seen again. An entry is found by its whole text:
// the hash, with a secret seed, only says where to look. It takes the end of the
// text, where a credential has its signature.
package tokencache
