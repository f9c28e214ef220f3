package signing

import (
	"crypto"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/usherkit/usher/internal/strictjson"
	"github.com/usherkit/usher/token"
)

// maxDate is the last second of the year 9999, the latest time that RFC 3339 can
// write and a Verifier accepts.
const maxDate = 253402300799

// CheckIssuer returns an error if s cannot be the issuer of tokens: a URL, or a name
// without a colon (StringOrURI of RFC 7519 §2). The error begins with a verb.
func CheckIssuer(s string) error {
	switch {
	case s == "" || len(s) > 255:
		return errors.New("must have 1 to 255 bytes")
	case strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsGraphic(r) }):
		return errors.New("must have no blanks, control characters or invalid UTF-8")
	case !strings.Contains(s, ":"):
		return nil
	}
	// OpenID Connect Core §2 allows neither a query nor a fragment.
	if u, err := url.Parse(s); err != nil || u.Scheme == "" || u.User != nil || strings.ContainsAny(s, "?#") {
		return errors.New("must be an absolute URL without user, query and fragment, or have no colon")
	}
	return nil
}

// Claims is the content of a token to be signed. It has no field for a name, an
// email address or a telephone number: a token carries ids, rights and times,
// unless the program adds more in Custom.
type Claims struct {
	// Type decides the typ header and the drn claim, and which of the fields below
	// are used. Required.
	Type token.Type
	// AsRefresh gives a token of token.TypeReset the drn of a refresh token.
	AsRefresh bool
	// Issuer, Audience, Subject, ID, IssuedAt and ExpiresAt are required; SessionID
	// is required except for token.TypeReset. Times are cut to whole seconds.
	Issuer    string
	Audience  []string
	Subject   string
	SessionID string
	ID        string
	IssuedAt  time.Time
	ExpiresAt time.Time
	// AuthTime is when the password was checked. Zero leaves the claim out.
	AuthTime time.Time

	// AMR are the methods by which the user was authenticated then.
	AMR []string

	// Actor, Tenant, EmailVerified, Roles, Permissions, Tenants and Custom are written into
	// session tokens only; other types ignore them. Actor is the sub of the claim act, and
	// Tenant is the claim dct. Empty leaves either out.
	Actor, Tenant      string
	EmailVerified      bool
	Roles, Permissions []string
	Tenants            map[string]token.Tenant
	// Custom has further claims. Sign fails if a name is Reserved or if two names
	// differ only in case.
	Custom map[string]any
}

// Sign returns the token with the given claims. The same key and the same claims
// give the same bytes, so that a refresh token can be issued again: ES256 is signed
// deterministically (RFC 6979), and the other algorithms are deterministic anyway.
//
// It fails for claims that a Verifier would refuse, and for a token longer than
// token.MaxSize.
func Sign(k *Key, claims Claims) (token.Secret, error) {
	if k == nil || k.private == nil {
		return "", errors.New("signing: no signing key")
	}
	method := methodOf(k.Algorithm)
	if method == nil {
		return "", fmt.Errorf("signing: algorithm %q cannot sign", k.Algorithm)
	}
	payload, err := claims.payload()
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	t := jwt.NewWithClaims(method, payload)
	t.Header["typ"] = string(claims.Type)
	t.Header["kid"] = k.ID
	raw, err := t.SignedString(k.private.Signer)
	if err != nil {
		return "", fmt.Errorf("signing: with key %s: %w", k.ID, err)
	}
	if len(raw) > token.MaxSize {
		return "", fmt.Errorf("signing: the token has %d bytes, more than the limit of %d", len(raw), token.MaxSize)
	}
	return token.Secret(raw), nil
}

// methodOf returns nil for an algorithm that this package does not sign with.
func methodOf(alg token.Algorithm) jwt.SigningMethod {
	switch alg {
	case token.ES256:
		return deterministicES256{jwt.SigningMethodES256}
	case token.EdDSA:
		return jwt.SigningMethodEdDSA
	case token.RS256:
		return jwt.SigningMethodRS256
	}
	return nil
}

// payload checks the claims as a Verifier would and returns them as JSON members.
func (c Claims) payload() (jwt.MapClaims, error) {
	// drn names the cookie in which Descope's SDKs keep a token; they distinguish session
	// and refresh tokens by it.
	drn := "DS"
	switch c.Type {
	case token.TypeSession:
	case token.TypeReset:
		if c.AsRefresh {
			drn = "DSR"
		}
	case token.TypeRefresh:
		drn = "DSR"
	default:
		return nil, fmt.Errorf("Type: unknown type %q", c.Type)
	}
	switch {
	case c.Issuer == "":
		return nil, errors.New("Issuer is required")
	case c.Subject == "":
		return nil, errors.New("Subject is required")
	case c.ID == "":
		return nil, errors.New("ID is required")
	case c.SessionID == "" && c.Type != token.TypeReset:
		return nil, errors.New("SessionID is required")
	case len(c.Audience) == 0 || slices.Contains(c.Audience, ""):
		return nil, errors.New("Audience is required, without empty entries")
	case c.IssuedAt.Unix() <= 0 || c.ExpiresAt.Unix() > maxDate || !c.ExpiresAt.After(c.IssuedAt):
		return nil, errors.New("ExpiresAt must be after IssuedAt, and both between the years 1970 and 9999")
	case !c.AuthTime.IsZero() && (c.AuthTime.Unix() <= 0 || c.AuthTime.Unix() > maxDate):
		return nil, errors.New("AuthTime must be between the years 1970 and 9999")
	}
	p := jwt.MapClaims{
		"iss": c.Issuer, "sub": c.Subject, "aud": c.Audience, "jti": c.ID, "drn": drn,
		"iat": c.IssuedAt.Unix(), "exp": c.ExpiresAt.Unix(), "amr": nonNil(c.AMR),
	}
	if c.SessionID != "" {
		p["sid"] = c.SessionID
	}
	if !c.AuthTime.IsZero() {
		p["auth_time"] = c.AuthTime.Unix()
	}
	if c.Type != token.TypeSession {
		return p, nil
	}
	if c.Actor != "" {
		p["act"] = map[string]string{"sub": c.Actor}
	}
	if c.Tenant != "" {
		p["dct"] = c.Tenant
	}
	p["email_verified"] = c.EmailVerified
	p["roles"] = nonNil(c.Roles)
	p["permissions"] = nonNil(c.Permissions)
	tenants := make(map[string]token.Tenant, len(c.Tenants))
	for id, t := range c.Tenants {
		tenants[id] = token.Tenant{Roles: nonNil(t.Roles), Permissions: nonNil(t.Permissions)}
	}
	p["tenants"] = tenants
	return p, c.addCustom(p)
}

// addCustom adds the custom claims, and reads the result back as a Verifier would.
func (c Claims) addCustom(p jwt.MapClaims) error {
	if len(c.Custom) == 0 {
		return nil
	}
	for name, value := range c.Custom {
		if Reserved(name) {
			return fmt.Errorf("custom claim %q is reserved", name)
		}
		p[name] = value
	}
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("custom claims: %w", err)
	}
	if _, err := strictjson.Parse(text); err != nil {
		return fmt.Errorf("custom claims: %w", err)
	}
	return nil
}

// nonNil makes encoding/json write [] instead of null.
func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// deterministicES256 is ES256 as golang-jwt signs it, except for the nonce: it is
// derived from the key and the message (RFC 6979). crypto/ecdsa does so if the
// source of randomness is nil.
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
	out := make([]byte, 2*m.KeySize) // JWS needs r and s at fixed width (RFC 7518 §3.4)
	sig.R.FillBytes(out[:m.KeySize])
	sig.S.FillBytes(out[m.KeySize:])
	return out, nil
}
