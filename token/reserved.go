package token

import (
	"strings"
	"unicode"
)

// reserved holds, folded, the claims that the server, its middleware or a common
// client library reads. They are set by Sign alone.
var reserved = func() map[string]struct{} {
	names := []string{
		"", // a claim without a name
		// RFC 7519 §4.1, and the header names some libraries copy into the claims.
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "typ", "kid", "alg", "crit",
		// The session: OpenID Connect Core §2, Back-Channel Logout §2.4.
		"sid", "auth_time", "amr", "acr", "azp", "nonce", "at_hash", "c_hash", "s_hash", "events",
		"email_verified", "phone_number_verified",
		// What a token is and whom it speaks for: RFC 7800, 8693, 9068, 9449, 9493.
		"drn", "dsub", "token_use", "token_type", "cnf", "act", "may_act", "client_id", "sub_id", "sub_jwk",
		// Rights: RFC 8693 §4.2, RFC 9068 §2.2.3, RFC 9396.
		"roles", "permissions", "tenants", "dct", "scope", "scp", "groups", "entitlements", "authorization_details",
	}
	set := make(map[string]struct{}, len(names))
	for _, name := range names {
		set[fold(name)] = struct{}{}
	}
	return set
}()

// Reserved reports whether a custom claim may not have this name, because the
// server sets it or a reader trusts it. Case does not count, for Go's JSON decoder
// ignores it: "SUB" would be read as "sub". Claims that only describe a person
// (name, email, picture) are not reserved, so that a program may add them; do not
// copy such a claim from an untrusted caller into a token.
func Reserved(name string) bool {
	_, found := reserved[fold(name)]
	return found
}

// fold maps names that encoding/json takes for the same struct field to one text.
// It knows what strings.ToLower does not: the Kelvin sign is a k, the long s an s.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, name)
}
