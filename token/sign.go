package token

import (
	"crypto"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Issue is what Sign puts into a token. It has no field for a name, an e-mail
// address or a telephone number: a token has ids, rights and times, unless the
// program adds more in Custom.
type Issue struct {
	// Type is required; it decides the typ header and the drn claim, and which of
	// the fields below are used.
	Type Type
	// Issuer, Audience, Subject, ID and ExpiresAt are required, IssuedAt too;
	// SessionID is required but for TypeReset. Times are cut to whole seconds.
	Issuer    string
	Audience  []string
	Subject   string
	SessionID string
	ID        string
	IssuedAt  time.Time
	ExpiresAt time.Time
	// AuthTime is when the password was checked. Zero leaves the claim out.
	AuthTime time.Time

	// AMR is written into session and reset tokens, EmailVerified, Roles, Permissions,
	// Tenants and Custom into session tokens only; setting one for another type
	// changes nothing.
	AMR                []string
	EmailVerified      bool
	Roles, Permissions []string
	Tenants            map[string]Tenant
	// Custom has further claims. A name for which Reserved is true, or two names
	// that differ only in case, are an error.
	Custom map[string]any
}

// Sign makes the token that issue describes. The same key and the same Issue give
// the same bytes: ES256 is signed deterministically (RFC 6979), as the other
// algorithms are by nature, so that a refresh token can be issued again.
//
// It refuses what a Verifier would refuse later, a token over MaxSize bytes too.
func Sign(k *SigningKey, issue Issue) (Secret, error) {
	if k == nil || k.private == nil {
		return "", errors.New("token: sign: no signing key")
	}
	claims, err := issue.claims()
	if err != nil {
		return "", fmt.Errorf("token: sign: %w", err)
	}
	method := methods[k.Algorithm]
	if k.Algorithm == ES256 {
		method = deterministicES256{jwt.SigningMethodES256}
	}
	if method == nil {
		return "", fmt.Errorf("token: sign: algorithm %q", k.Algorithm)
	}
	t := jwt.NewWithClaims(method, claims)
	t.Header["typ"] = string(issue.Type)
	t.Header["kid"] = k.ID
	raw, err := t.SignedString(k.private.Signer)
	if err != nil {
		return "", fmt.Errorf("token: sign with key %s: %w", k.ID, err)
	}
	if len(raw) > MaxSize {
		return "", fmt.Errorf("token: sign: %d bytes are over the limit of %d", len(raw), MaxSize)
	}
	return Secret(raw), nil
}

// claims returns the payload, checked with the eyes of a Verifier.
func (i Issue) claims() (jwt.MapClaims, error) {
	drn, known := drnOf(i.Type)
	switch {
	case !known:
		return nil, fmt.Errorf("unknown type %q", i.Type)
	case i.Issuer == "":
		return nil, errors.New("Issuer is required")
	case i.Subject == "":
		return nil, errors.New("Subject is required")
	case i.ID == "":
		return nil, errors.New("ID is required")
	case i.SessionID == "" && i.Type != TypeReset:
		return nil, errors.New("SessionID is required")
	case len(i.Audience) == 0:
		return nil, errors.New("Audience is required")
	case i.IssuedAt.Unix() <= 0 || i.ExpiresAt.Unix() > maxDate || !i.ExpiresAt.After(i.IssuedAt):
		return nil, errors.New("ExpiresAt must be after IssuedAt, and both real dates")
	case !i.AuthTime.IsZero() && (i.AuthTime.Unix() <= 0 || i.AuthTime.Unix() > maxDate):
		return nil, errors.New("AuthTime must be a real date")
	}
	for _, a := range i.Audience {
		if a == "" {
			return nil, errors.New("Audience has an empty entry")
		}
	}
	c := jwt.MapClaims{
		"iss": i.Issuer, "sub": i.Subject, "aud": i.Audience, "jti": i.ID, "drn": drn,
		"iat": i.IssuedAt.Unix(), "exp": i.ExpiresAt.Unix(),
	}
	if i.SessionID != "" {
		c["sid"] = i.SessionID
	}
	if !i.AuthTime.IsZero() {
		c["auth_time"] = i.AuthTime.Unix()
	}
	if i.Type != TypeRefresh {
		c["amr"] = nonNil(i.AMR)
	}
	if i.Type != TypeSession {
		return c, nil
	}
	c["email_verified"] = i.EmailVerified
	c["roles"] = nonNil(i.Roles)
	c["permissions"] = nonNil(i.Permissions)
	tenants := make(map[string]Tenant, len(i.Tenants))
	for id, t := range i.Tenants {
		tenants[id] = Tenant{Roles: nonNil(t.Roles), Permissions: nonNil(t.Permissions)}
	}
	c["tenants"] = tenants
	for name, value := range i.Custom {
		if Reserved(name) {
			return nil, fmt.Errorf("custom claim %q is reserved", name)
		}
		c[name] = value
	}
	if len(i.Custom) == 0 {
		return c, nil
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("custom claims: %w", err)
	}
	if _, err := parseObject(text); err != nil {
		return nil, fmt.Errorf("custom claims: %w", err)
	}
	return c, nil
}

// nonNil makes JSON write [] and not null.
func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// drnOf returns the drn claim of a type: the name of the cookie that Descope's
// SDKs keep such a token in, which they tell the two apart by.
func drnOf(t Type) (drn string, known bool) {
	switch t {
	case TypeSession, TypeReset:
		return "DS", true
	case TypeRefresh:
		return "DSR", true
	}
	return "", false
}

// deterministicES256 is the ES256 of golang-jwt, but for the nonce: it comes from
// the key and the message (RFC 6979), which crypto/ecdsa does when it is given no
// source of randomness.
type deterministicES256 struct{ *jwt.SigningMethodECDSA }

// Sign implements jwt.SigningMethod.
func (m deterministicES256) Sign(signingString string, key any) ([]byte, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, jwt.ErrInvalidKeyType
	}
	hash := m.Hash.New()
	hash.Write([]byte(signingString))
	der, err := signer.Sign(nil, hash.Sum(nil), m.Hash)
	if err != nil {
		return nil, err
	}
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &sig); err != nil || len(rest) > 0 {
		return nil, errors.New("signer returned no ECDSA signature")
	}
	out := make([]byte, 2*m.KeySize) // JWS wants r and s at fixed width (RFC 7518 §3.4)
	sig.R.FillBytes(out[:m.KeySize])
	sig.S.FillBytes(out[m.KeySize:])
	return out, nil
}
