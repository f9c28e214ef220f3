package token

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/usherkit/usher/internal/strictjson"
)

// maxDate is the last second of the year 9999, the latest time that RFC 3339 can write.
const maxDate = 253402300799

// payload holds the claims of a token whose signature verified. It implements
// jwt.Claims, so that golang-jwt's validator checks iss, aud, exp, nbf and iat.
type payload struct {
	iss, sub, jti, sid, act string
	aud                     []string
	exp, iat, nbf, authTime time.Time // nbf and authTime may be zero
	members                 strictjson.Object
}

// readPayload reads the claims about identity and time. It fails for one that is missing
// or of the wrong JSON type. typ is the header; the types of Usher's own tokens require
// more claims.
func readPayload(members strictjson.Object, typ string) (*payload, error) {
	p := &payload{members: members}
	var ok bool
	if p.iss, ok = strictjson.AsString(members.Get("iss")); !ok {
		return nil, refuse(ReasonIssuer, "iss is not a string")
	}
	if p.aud, ok = audienceOf(members.Get("aud")); !ok {
		return nil, refuse(ReasonAudience, "aud is missing or not made of strings")
	}
	if p.sub, _ = strictjson.AsString(members.Get("sub")); p.sub == "" {
		return nil, refuse(ReasonClaims, "sub is missing, empty or not a string")
	}
	if raw := members.Get("jti"); raw != nil {
		if p.jti, _ = strictjson.AsString(raw); p.jti == "" {
			return nil, refuse(ReasonClaims, "jti is empty or not a string")
		}
	}
	if raw := members.Get("sid"); raw != nil {
		if p.sid, _ = strictjson.AsString(raw); p.sid == "" {
			return nil, refuse(ReasonClaims, "sid is empty or not a string")
		}
	}
	if raw := members.Get("act"); raw != nil {
		actor, _ := strictjson.AsObject(raw)
		// Without its actor, the token would count as one of the user.
		if p.act, _ = strictjson.AsString(actor.Get("sub")); p.act == "" {
			return nil, refuse(ReasonClaims, "act is not an object with a sub")
		}
	}
	dates := []struct {
		name     string
		required bool
		field    *time.Time
	}{
		{"exp", true, &p.exp},
		{"iat", true, &p.iat},
		{"nbf", false, &p.nbf},
		{"auth_time", false, &p.authTime},
	}
	for _, d := range dates {
		raw := members.Get(d.name)
		if raw == nil && !d.required {
			continue
		}
		if *d.field, ok = dateOf(raw); !ok {
			return nil, refuse(ReasonClaims, d.name+" is missing or not a whole number of seconds")
		}
	}
	drn, _ := strictjson.AsString(members.Get("drn"))
	if fits, ours := fitsType(drn, Type(typ)); ours {
		if !fits {
			return nil, refuse(ReasonType, "drn is that of another kind of token")
		}
		if p.jti == "" || p.sid == "" && Type(typ) != TypeReset {
			return nil, refuse(ReasonClaims, "jti or sid is missing")
		}
	}
	return p, nil
}

// claims returns the payload as Claims. It leaves out rights in an unexpected form.
func (p *payload) claims(h header) *Claims {
	c := &Claims{
		Issuer: p.iss, Subject: p.sub, Audience: p.aud,
		IssuedAt: p.iat, ExpiresAt: p.exp, NotBefore: p.nbf, AuthTime: p.authTime,
		ID: p.jti, SessionID: p.sid, Actor: p.act,
		Type: Type(h.typ), KeyID: h.kid,
	}
	for _, m := range p.members {
		raw := m.Value
		switch m.Name {
		case "iss", "sub", "aud", "iat", "exp", "nbf", "auth_time", "jti", "sid", "drn", "act":
		case "amr":
			c.AMR, _ = strictjson.AsStrings(raw)
		case "email_verified":
			c.EmailVerified = string(raw) == "true"
		case "roles":
			c.Roles, _ = strictjson.AsStrings(raw)
		case "permissions":
			c.Permissions, _ = strictjson.AsStrings(raw)
		case "dct":
			c.Tenant, _ = strictjson.AsString(raw)
		case "tenants":
			c.Tenants = tenantsOf(raw)
		default:
			if c.Extra == nil {
				c.Extra = make(map[string]json.RawMessage)
			}
			c.Extra[m.Name] = raw
		}
	}
	return c
}

// audienceOf reads one string or an array of them (RFC 7519 §4.1.3), none empty.
func audienceOf(raw json.RawMessage) ([]string, bool) {
	list, ok := strictjson.AsStrings(raw)
	if !ok {
		one, isString := strictjson.AsString(raw)
		if !isString {
			return nil, false
		}
		list = []string{one}
	}
	for _, a := range list {
		if a == "" {
			return nil, false
		}
	}
	return list, len(list) > 0
}

// dateOf reads a NumericDate that is a plain whole number, from 1970 to 9999.
func dateOf(raw json.RawMessage) (time.Time, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n <= 0 || n > maxDate {
		return time.Time{}, false
	}
	return time.Unix(n, 0).UTC(), true
}

// tenantsOf reads {"id": {"roles": […], "permissions": […]}}. It matches the names
// exactly; encoding/json would ignore their case for a struct.
func tenantsOf(raw json.RawMessage) map[string]Tenant {
	members, ok := strictjson.AsObject(raw)
	if !ok {
		return nil
	}
	tenants := make(map[string]Tenant, len(members))
	for _, m := range members {
		rights, ok := strictjson.AsObject(m.Value)
		if !ok && string(m.Value) != "null" {
			return nil
		}
		var t Tenant
		t.Roles, _ = strictjson.AsStrings(rights.Get("roles"))
		t.Permissions, _ = strictjson.AsStrings(rights.Get("permissions"))
		tenants[m.Name] = t
	}
	return tenants
}

// GetExpirationTime implements jwt.Claims.
func (p *payload) GetExpirationTime() (*jwt.NumericDate, error) { return numericDate(p.exp), nil }

// GetIssuedAt implements jwt.Claims.
func (p *payload) GetIssuedAt() (*jwt.NumericDate, error) { return numericDate(p.iat), nil }

// GetNotBefore implements jwt.Claims.
func (p *payload) GetNotBefore() (*jwt.NumericDate, error) { return numericDate(p.nbf), nil }

// GetIssuer implements jwt.Claims.
func (p *payload) GetIssuer() (string, error) { return p.iss, nil }

// GetSubject implements jwt.Claims.
func (p *payload) GetSubject() (string, error) { return p.sub, nil }

// GetAudience implements jwt.Claims.
func (p *payload) GetAudience() (jwt.ClaimStrings, error) { return p.aud, nil }

func numericDate(t time.Time) *jwt.NumericDate {
	if t.IsZero() {
		return nil
	}
	return &jwt.NumericDate{Time: t}
}

// fitsType reports whether a type of token may have that drn claim, and whether the type is
// one of ours. The claim names the cookie in which Descope's SDKs keep the token. They keep
// the token of a reset session as either.
func fitsType(drn string, t Type) (fits, ours bool) {
	switch t {
	case TypeSession:
		return drn == "DS", true
	case TypeRefresh:
		return drn == "DSR", true
	case TypeReset:
		return drn == "DS" || drn == "DSR", true
	}
	return false, false
}
