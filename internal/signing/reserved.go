package signing

import "github.com/usherkit/usher/internal/strictjson"

// reserved holds, folded, the claims that the server, its middleware or a common
// client library reads. Only Sign sets them.
var reserved = func() map[string]struct{} {
	names := []string{
		"", // a claim without a name
		// RFC 7519 §4.1, and the header names that some libraries copy into the claims.
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "typ", "kid", "alg", "crit",
		// The session: OpenID Connect Core §2, Back-Channel Logout §2.4.
		"sid", "auth_time", "amr", "acr", "azp", "nonce", "at_hash", "c_hash", "s_hash", "events",
		"email_verified", "phone_number_verified",
		// The type of the token, its client and its key: RFC 7800, 8693, 9068, 9449, 9493.
		"drn", "dsub", "token_use", "token_type", "cnf", "act", "may_act", "client_id", "sub_id", "sub_jwk",
		// Rights: RFC 8693 §4.2, RFC 9068 §2.2.3, RFC 9396.
		"roles", "permissions", "tenants", "dct", "scope", "scp", "groups", "entitlements", "authorization_details",
	}
	set := make(map[string]struct{}, len(names))
	for _, name := range names {
		set[strictjson.Fold(name)] = struct{}{}
	}
	return set
}()

// Reserved reports whether a custom claim must not have this name, because the
// server sets it or a reader trusts it. Case is ignored, as Go's JSON decoder ignores
// it: "SUB" would be read as "sub". Claims that only describe a user (name, email,
// picture) are not reserved, so that a program can add them.
func Reserved(name string) bool {
	_, found := reserved[strictjson.Fold(name)]
	return found
}
