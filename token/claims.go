package token

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Type is what a token is for, and the value of its "typ" header (explicit
// typing, RFC 8725 §3.11). A token of one type is never taken for another.
type Type string

// The types of the tokens that Sign makes.
const (
	TypeSession Type = "session+jwt" // short-lived proof of a session
	TypeRefresh Type = "refresh+jwt" // exchanged for a new pair
	TypeReset   Type = "reset+jwt"   // lets its holder set a new password, and nothing else
)

// Tenant is what a user may do inside one tenant.
type Tenant struct {
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions"`
}

// Pair is what a sign-in hands out.
type Pair struct {
	// Session is the session token, Refresh the refresh token.
	Session, Refresh Secret
	// SessionExpiresAt and RefreshExpiresAt are the exp claims of the two.
	SessionExpiresAt, RefreshExpiresAt time.Time
}

// Claims is a verified token. A Verifier shares one *Claims among all callers
// that present the same token: treat it as read-only, or Clone it first.
type Claims struct {
	// Issuer (iss) and Subject (sub) are together the identity: the same Subject
	// of two issuers is two people (RFC 8725 §3.8).
	Issuer, Subject string
	// Audience (aud) is whom the token is for.
	Audience []string
	// IssuedAt (iat), ExpiresAt (exp), NotBefore (nbf) and AuthTime (auth_time,
	// when the password was checked) have whole seconds, in UTC. NotBefore and
	// AuthTime are zero where the token has none.
	IssuedAt, ExpiresAt, NotBefore, AuthTime time.Time
	// ID (jti) and SessionID (sid) may be empty in tokens of other issuers only.
	ID, SessionID string
	// AMR is how the user signed in (amr, RFC 8176).
	AMR []string
	// EmailVerified is false, too, where the claim is absent or not a boolean.
	EmailVerified bool
	// Roles, Permissions and Tenants are empty where the claim is absent or not of
	// the expected JSON type: a malformed right is no right.
	Roles, Permissions []string
	Tenants            map[string]Tenant
	// Type and KeyID are the typ and kid headers.
	Type  Type
	KeyID string
	// Extra has every other claim as JSON; read it with Claim.
	Extra map[string]json.RawMessage
}

// Clone returns a deep copy that the caller may change.
func (c *Claims) Clone() Claims {
	d := *c
	d.Audience = slices.Clone(c.Audience)
	d.AMR = slices.Clone(c.AMR)
	d.Roles = slices.Clone(c.Roles)
	d.Permissions = slices.Clone(c.Permissions)
	d.Tenants = maps.Clone(c.Tenants)
	for id, t := range d.Tenants {
		d.Tenants[id] = Tenant{Roles: slices.Clone(t.Roles), Permissions: slices.Clone(t.Permissions)}
	}
	d.Extra = maps.Clone(c.Extra)
	for name, raw := range d.Extra {
		d.Extra[name] = bytes.Clone(raw)
	}
	return d
}

// HasRole reports whether the token grants the role outside of any tenant. No
// token grants the empty role.
func (c *Claims) HasRole(role string) bool {
	return c != nil && role != "" && slices.Contains(c.Roles, role)
}

// HasPermission reports whether the token grants the permission outside of any
// tenant. No token grants the empty permission.
func (c *Claims) HasPermission(permission string) bool {
	return c != nil && permission != "" && slices.Contains(c.Permissions, permission)
}

// Claim returns the custom claim called name as a T. It is false where the claim
// is absent, null, or does not fit T; it never panics over what a token holds.
// The claims that have a field of their own in Claims are not found here.
func Claim[T any](c *Claims, name string) (T, bool) {
	var value, zero T
	if c == nil {
		return zero, false
	}
	raw, ok := c.Extra[name]
	if !ok || string(raw) == "null" {
		return zero, false
	}
	if err := json.Unmarshal(raw, &value); err != nil {
		return zero, false
	}
	return value, true
}
