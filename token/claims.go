package token

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Type is the purpose of a token and the value of its typ header (explicit typing, RFC
// 8725 §3.11). A token of one type is never accepted as another.
type Type string

// The types of tokens that Usher issues.
const (
	TypeSession Type = "session+jwt" // proves a session for a few minutes
	TypeRefresh Type = "refresh+jwt" // is exchanged for a new pair
	TypeReset   Type = "reset+jwt"   // permits setting a new password, and nothing else
)

// Tenant holds the rights of a user inside one tenant.
type Tenant struct {
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions"`
}

// Pair holds the tokens of one sign-in or refresh.
type Pair struct {
	// Session is the session token, Refresh the refresh token.
	Session, Refresh Secret
	// SessionExpiresAt and RefreshExpiresAt are the exp claims of the two.
	SessionExpiresAt, RefreshExpiresAt time.Time
	// EndsWithBrowser is true if the cookies with the tokens are to end when the browser
	// is closed.
	EndsWithBrowser bool
}

// Claims holds the claims of a verified token. A Verifier shares one *Claims among all
// callers that present the same token: treat it as read-only, or Clone it first.
type Claims struct {
	// Issuer (iss) and Subject (sub) together identify the user: the same Subject of
	// two issuers is two users (RFC 8725 §3.8).
	Issuer, Subject string
	// Audience (aud) names the programs that the token is for.
	Audience []string
	// IssuedAt (iat), ExpiresAt (exp), NotBefore (nbf) and AuthTime (auth_time, when the
	// password was checked) have whole seconds and are in UTC. NotBefore and AuthTime are
	// zero if the token has no such claim. A token with which an operator acts as the user
	// has no auth_time.
	IssuedAt, ExpiresAt, NotBefore, AuthTime time.Time
	// ID (jti) and SessionID (sid) are never empty in session and refresh tokens that
	// Usher issues.
	ID, SessionID string
	// AMR lists the methods by which the user signed in (amr, RFC 8176).
	AMR []string
	// Actor is the operator who acts as the user (sub of the claim act, RFC 8693 §4.1),
	// and empty if the user acts.
	Actor string
	// EmailVerified is false if the claim is absent or not a boolean.
	EmailVerified bool
	// Roles, Permissions and Tenants are empty if the claim is absent or not of the
	// expected JSON type: a malformed claim grants no rights.
	Roles, Permissions []string
	Tenants            map[string]Tenant
	// Tenant is the tenant that the user has selected in the session (dct). It is empty if
	// the user has selected none, or is not in it. A token from before the selection
	// keeps its tenant.
	Tenant string
	// Type and KeyID are the typ and kid headers.
	Type  Type
	KeyID string
	// Extra has all other claims as JSON. Read them with Claim.
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

// HasRole reports whether the token grants the role outside of any tenant. It is false
// for the empty role.
func (c *Claims) HasRole(role string) bool {
	return c != nil && role != "" && slices.Contains(c.Roles, role)
}

// HasPermission reports whether the token grants the permission outside of any tenant.
// It is false for the empty permission.
func (c *Claims) HasPermission(permission string) bool {
	return c != nil && permission != "" && slices.Contains(c.Permissions, permission)
}

// InTenant reports whether the token names the tenant, with or without rights in it. It is
// false for the empty tenant.
func (c *Claims) InTenant(tenant string) bool {
	if c == nil || tenant == "" {
		return false
	}
	_, ok := c.Tenants[tenant]
	return ok
}

// HasTenantRole reports whether the token grants the role within the tenant. Roles outside
// of any tenant do not count. It is false for the empty tenant or role.
func (c *Claims) HasTenantRole(tenant, role string) bool {
	return c.InTenant(tenant) && role != "" && slices.Contains(c.Tenants[tenant].Roles, role)
}

// HasTenantPermission reports whether the token grants the permission within the tenant.
// Permissions outside of any tenant do not count. It is false for the empty tenant or
// permission.
func (c *Claims) HasTenantPermission(tenant, permission string) bool {
	return c.InTenant(tenant) && permission != "" && slices.Contains(c.Tenants[tenant].Permissions, permission)
}

// Claim returns the custom claim with the given name as a T, and whether the token has
// it. It is false if the claim is absent, null, or does not fit T. It does not find the
// claims that have a field in Claims.
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
