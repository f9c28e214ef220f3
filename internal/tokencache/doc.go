// Package tokencache caches, in bounded memory, what was expensive to find out about a
// credential: the claims of a token, the content of a sealed cookie.
//
// It is made for texts that untrusted clients send. Its callers add only texts that
// they have verified, so a flood of forged ones changes nothing. A flood of genuine
// ones that are each used once passes through a small probation segment, and leaves
// the main segment, which holds the texts that were seen again, as it is. Hashes of
// the texts that left probation are remembered, so that a text that comes back after
// a flood pushed it out is recognized.
//
// An entry is found by its whole text. The hash, which has a secret seed, only decides
// where to look.
package tokencache
