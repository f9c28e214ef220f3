// Package password hashes passwords and checks new ones against a policy.
//
// A program needs one [Hasher] and one [Policy]. [NewHasher] takes a
// [HasherConfig], whose zero value is safe in production.
//
//   - To set a password, call [Policy.Check], then [Policy.CheckReuse] if the
//     policy sets ReuseAmount, then store the result of [Hasher.Hash].
//   - To check a password, call [Hasher.Verify] with the stored string. If it
//     reports rehash, store a new [Hasher.Hash] of the same password.
//   - If no account has the given login id, call [Hasher.VerifyDummy], so that
//     the response time does not reveal it.
//   - To migrate users from another system, pass their hashes as a [Foreign] to
//     [Hasher.Import] and store the result.
//
// New hashes are Argon2id (RFC 9106) or, if configured, PBKDF2-HMAC-SHA-256.
//
// Passwords are handled as NIST SP 800-63B-4 §3.1.1.2 requires: UTF-8,
// normalized to NFC, every character significant, nothing trimmed or
// case-folded. Lengths count Unicode code points.
package password
