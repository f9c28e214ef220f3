// Package password hashes passwords and judges new ones.
//
// A program has one [Hasher], because the bound on how many hashes run at once
// is the Hasher's, and one [Policy]. New hashes are Argon2id (RFC 9106) or, on
// demand, PBKDF2-HMAC-SHA-256; hashes of other systems come in by
// [Hasher.Import] and are replaced at the first sign-in, when
// [Hasher.Verify] asks for it.
//
// Text is taken as NIST SP 800-63B-4 §3.1.1.2 wants it: UTF-8, in NFC, every
// character counts, nothing is trimmed or folded. Lengths are code points.
package password
