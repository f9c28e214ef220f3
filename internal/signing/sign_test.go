package signing_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/token"
)

// parts decodes header and payload without verifying.
func parts(t testing.TB, raw string) (header, payload map[string]any) {
	t.Helper()
	for i, into := range []*map[string]any{&header, &payload} {
		data, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, payload
}

func TestSign_WritesTheClaimsOfEachType(t *testing.T) {
	key := newKey(t, token.ES256)
	session := map[string]any{
		"iss": testIssuer, "aud": []any{"shop"}, "sub": "u1", "sid": "s1", "jti": "j1", "drn": "DS",
		"iat": float64(start.Unix()), "exp": float64(start.Unix() + 600), "auth_time": float64(start.Unix() - 60),
		"amr": []any{"pwd"}, "email_verified": true, "roles": []any{"editor"}, "permissions": []any{"post:write"},
		"tenants": map[string]any{"t1": map[string]any{"roles": []any{"owner"}, "permissions": []any{}}},
		"plan":    "pro", "seats": 3.0,
	}
	lean := map[string]any{}
	for _, name := range []string{"iss", "aud", "sub", "sid", "jti", "iat", "exp", "auth_time", "amr"} {
		lean[name] = session[name]
	}
	for typ, want := range map[token.Type]map[string]any{
		token.TypeSession: session,
		token.TypeRefresh: object(lean).with("drn", "DSR"),
		token.TypeReset:   object(lean).with("drn", "DS"),
	} {
		c := sessionClaims()
		c.Type = typ
		header, payload := parts(t, sign(t, key, c))
		if diff := cmp.Diff(want, payload); diff != "" {
			t.Errorf("%s: %s", typ, diff)
		}
		if diff := cmp.Diff(map[string]any{"alg": "ES256", "typ": string(typ), "kid": key.ID}, header); diff != "" {
			t.Errorf("%s: %s", typ, diff)
		}
	}

	selected := sessionClaims()
	selected.Tenant = "t1"
	if _, payload := parts(t, sign(t, key, selected)); payload["dct"] != "t1" {
		t.Errorf("the current tenant is %v", payload["dct"])
	}
	acting := sessionClaims()
	acting.Actor, acting.AuthTime = "ops:alice", time.Time{}
	_, payload := parts(t, sign(t, key, acting))
	withActor := object(session).with("act", map[string]any{"sub": "ops:alice"})
	delete(withActor, "auth_time")
	if diff := cmp.Diff(map[string]any(withActor), payload); diff != "" {
		t.Errorf("with an actor: %s", diff)
	}

	bare := signing.Claims{Type: token.TypeSession, Issuer: testIssuer, Audience: []string{"shop"}, Subject: "u", SessionID: "s", ID: "j", IssuedAt: start, ExpiresAt: start.Add(time.Hour)}
	_, payload = parts(t, sign(t, key, bare))
	want := map[string]any{
		"iss": testIssuer, "aud": []any{"shop"}, "sub": "u", "sid": "s", "jti": "j", "drn": "DS",
		"iat": float64(start.Unix()), "exp": float64(start.Unix() + 3600), "amr": []any{}, "email_verified": false,
		"roles": []any{}, "permissions": []any{}, "tenants": map[string]any{},
	}
	if diff := cmp.Diff(want, payload); diff != "" {
		t.Errorf("bare: %s", diff)
	}
}

func TestSE11_TokensHaveNoPersonalDataByDefault(t *testing.T) {
	key := newKey(t, token.ES256)
	c := sessionClaims()
	c.Custom = nil
	for _, typ := range []token.Type{token.TypeSession, token.TypeRefresh, token.TypeReset} {
		c.Type = typ
		_, payload := parts(t, sign(t, key, c))
		for name := range payload {
			switch name {
			case "iss", "aud", "sub", "sid", "jti", "drn", "iat", "exp", "auth_time", "amr", "email_verified", "roles", "permissions", "tenants":
			default:
				t.Errorf("%s has %s", typ, name)
			}
		}
	}
}

func TestSU05_CustomClaimsCannotShadowTheServers(t *testing.T) {
	key := newKey(t, token.ES256)
	hostile := []string{
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "typ", "drn", "auth_time", "amr", "azp", "acr", "email_verified",
		"roles", "permissions", "tenants", "dct", "cnf", "scope", "scp", "act", "client_id", "dsub", "groups", "kid", "",
		"SUB", "Roles", "eMail_Verified", "ſub", "\u212aid", "DRN",
	}
	for _, name := range hostile {
		if !signing.Reserved(name) {
			t.Errorf("%q is not reserved", name)
		}
		c := sessionClaims()
		c.Custom = map[string]any{name: "x"}
		if s, err := signing.Sign(key, c); err == nil {
			t.Errorf("%q was signed: %v", name, s)
		}
	}
	for _, name := range []string{"plan", "email", "name", "https://example.com/claims/x", "subs", "su", "nested"} {
		if signing.Reserved(name) {
			t.Errorf("%q is reserved", name)
		}
	}
	for name, custom := range map[string]map[string]any{
		"two names that differ in case": {"plan": 1, "PLAN": 2},
		"a duplicate in raw JSON":       {"x": json.RawMessage(`{"a":1,"a":2}`)},
		"what JSON cannot write":        {"x": func() {}},
		"too much of it":                {"x": strings.Repeat("x", token.MaxSize)},
	} {
		c := sessionClaims()
		c.Custom = custom
		if _, err := signing.Sign(key, c); err == nil {
			t.Errorf("%s was signed", name)
		}
	}
}

func TestSign_RefusesWhatAVerifierWouldRefuse(t *testing.T) {
	key := newKey(t, token.ES256)
	for name, change := range map[string]func(*signing.Claims){
		"no type":             func(c *signing.Claims) { c.Type = "" },
		"foreign type":        func(c *signing.Claims) { c.Type = "at+jwt" },
		"no issuer":           func(c *signing.Claims) { c.Issuer = "" },
		"no audience":         func(c *signing.Claims) { c.Audience = nil },
		"empty audience":      func(c *signing.Claims) { c.Audience = []string{""} },
		"no subject":          func(c *signing.Claims) { c.Subject = "" },
		"no session":          func(c *signing.Claims) { c.SessionID = "" },
		"no id":               func(c *signing.Claims) { c.ID = "" },
		"no iat":              func(c *signing.Claims) { c.IssuedAt = time.Time{} },
		"no exp":              func(c *signing.Claims) { c.ExpiresAt = time.Time{} },
		"exp before iat":      func(c *signing.Claims) { c.ExpiresAt = c.IssuedAt },
		"exp in year 10000":   func(c *signing.Claims) { c.ExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"auth_time in 1960":   func(c *signing.Claims) { c.AuthTime = time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC) },
		"an endless audience": func(c *signing.Claims) { c.Audience = []string{strings.Repeat("x", token.MaxSize)} },
	} {
		c := sessionClaims()
		change(&c)
		if _, err := signing.Sign(key, c); err == nil {
			t.Errorf("%s was signed", name)
		}
	}
	if _, err := signing.Sign(nil, sessionClaims()); err == nil {
		t.Error("signed without a key")
	}
	if _, err := signing.Sign(&signing.Key{ID: "x", Algorithm: token.ES256}, sessionClaims()); err == nil {
		t.Error("signed without a private half")
	}
}

func TestSign_TheSameIssueGivesTheSameBytes(t *testing.T) {
	for _, alg := range []token.Algorithm{token.ES256, token.EdDSA, token.RS256} {
		key := newKey(t, alg)
		if a, b := sign(t, key, sessionClaims()), sign(t, key, sessionClaims()); a != b {
			t.Errorf("%s: two tokens of one issue differ", alg)
		}
	}
}
