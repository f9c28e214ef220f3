package token_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
	w := newWorld(t)
	session := map[string]any{
		"iss": testIssuer, "aud": []any{"shop"}, "sub": "u1", "sid": "s1", "jti": "j1", "drn": "DS",
		"iat": float64(start.Unix()), "exp": float64(start.Unix() + 600), "auth_time": float64(start.Unix() - 60),
		"amr": []any{"pwd"}, "email_verified": true, "roles": []any{"editor"}, "permissions": []any{"post:write"},
		"tenants": map[string]any{"t1": map[string]any{"roles": []any{"owner"}, "permissions": []any{}}},
		"plan":    "pro", "seats": 3.0,
	}
	lean := map[string]any{}
	for _, name := range []string{"iss", "aud", "sub", "sid", "jti", "iat", "exp", "auth_time"} {
		lean[name] = session[name]
	}
	for typ, want := range map[token.Type]map[string]any{
		token.TypeSession: session,
		token.TypeRefresh: object(lean).with("drn", "DSR"),
		token.TypeReset:   object(lean).with("drn", "DS").with("amr", []any{"pwd"}),
	} {
		i := w.issue()
		i.Type = typ
		header, payload := parts(t, sign(t, w.key, i))
		if diff := cmp.Diff(want, payload); diff != "" {
			t.Errorf("%s: %s", typ, diff)
		}
		if diff := cmp.Diff(map[string]any{"alg": "ES256", "typ": string(typ), "kid": w.key.ID}, header); diff != "" {
			t.Errorf("%s: %s", typ, diff)
		}
	}

	bare := token.Issue{Type: token.TypeSession, Issuer: testIssuer, Audience: []string{"shop"}, Subject: "u", SessionID: "s", ID: "j", IssuedAt: start, ExpiresAt: start.Add(time.Hour)}
	_, payload := parts(t, sign(t, w.key, bare))
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
	w := newWorld(t)
	i := w.issue()
	i.Custom = nil
	for _, typ := range []token.Type{token.TypeSession, token.TypeRefresh, token.TypeReset} {
		i.Type = typ
		_, payload := parts(t, sign(t, w.key, i))
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
	w := newWorld(t)
	hostile := []string{
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "typ", "drn", "auth_time", "amr", "azp", "acr", "email_verified",
		"roles", "permissions", "tenants", "dct", "cnf", "scope", "scp", "act", "client_id", "dsub", "groups", "kid", "",
		"SUB", "Roles", "eMail_Verified", "ſub", "\u212aid", "DRN",
	}
	for _, name := range hostile {
		if !token.Reserved(name) {
			t.Errorf("%q is not reserved", name)
		}
		i := w.issue()
		i.Custom = map[string]any{name: "x"}
		if s, err := token.Sign(w.key, i); err == nil {
			t.Errorf("%q was signed: %v", name, s)
		}
	}
	for _, name := range []string{"plan", "email", "name", "https://example.com/claims/x", "subs", "su", "nested"} {
		if token.Reserved(name) {
			t.Errorf("%q is reserved", name)
		}
	}
	for name, custom := range map[string]map[string]any{
		"two names that differ in case": {"plan": 1, "PLAN": 2},
		"a duplicate in raw JSON":       {"x": json.RawMessage(`{"a":1,"a":2}`)},
		"what JSON cannot write":        {"x": func() {}},
		"too much of it":                {"x": strings.Repeat("x", token.MaxSize)},
	} {
		i := w.issue()
		i.Custom = custom
		if _, err := token.Sign(w.key, i); err == nil {
			t.Errorf("%s was signed", name)
		}
	}
}

func TestSign_RefusesWhatAVerifierWouldRefuse(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*token.Issue){
		"no type":             func(i *token.Issue) { i.Type = "" },
		"foreign type":        func(i *token.Issue) { i.Type = "at+jwt" },
		"no issuer":           func(i *token.Issue) { i.Issuer = "" },
		"no audience":         func(i *token.Issue) { i.Audience = nil },
		"empty audience":      func(i *token.Issue) { i.Audience = []string{""} },
		"no subject":          func(i *token.Issue) { i.Subject = "" },
		"no session":          func(i *token.Issue) { i.SessionID = "" },
		"no id":               func(i *token.Issue) { i.ID = "" },
		"no iat":              func(i *token.Issue) { i.IssuedAt = time.Time{} },
		"no exp":              func(i *token.Issue) { i.ExpiresAt = time.Time{} },
		"exp before iat":      func(i *token.Issue) { i.ExpiresAt = i.IssuedAt },
		"exp in year 10000":   func(i *token.Issue) { i.ExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"auth_time in 1960":   func(i *token.Issue) { i.AuthTime = time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC) },
		"an endless audience": func(i *token.Issue) { i.Audience = []string{strings.Repeat("x", token.MaxSize)} },
	} {
		i := w.issue()
		change(&i)
		if _, err := token.Sign(w.key, i); err == nil {
			t.Errorf("%s was signed", name)
		}
	}
	if _, err := token.Sign(nil, w.issue()); err == nil {
		t.Error("signed without a key")
	}
	if _, err := token.Sign(&token.SigningKey{ID: "x", Algorithm: token.ES256}, w.issue()); err == nil {
		t.Error("signed without a private half")
	}
}

func TestSign_TheSameIssueGivesTheSameBytes(t *testing.T) {
	for _, alg := range []token.Algorithm{token.ES256, token.EdDSA, token.RS256} {
		w := newWorld(t)
		key := newKey(t, alg)
		if a, b := sign(t, key, w.issue()), sign(t, key, w.issue()); a != b {
			t.Errorf("%s: two tokens of one issue differ", alg)
		}
	}
}

func TestJK08_SigningAlgorithmsAndSizes(t *testing.T) {
	w := newWorld(t)
	if header, _ := parts(t, sign(t, w.key, w.issue())); header["alg"] != "ES256" {
		t.Errorf("alg %v", header["alg"])
	}
	for _, bits := range []int{0, 512, 1024, 2048, 3071, 1 << 20} {
		if _, err := token.GenerateRSAKey(bits, start); err == nil {
			t.Errorf("RSA key of %d bits was made", bits)
		}
	}
	for _, alg := range []token.Algorithm{"", "none", token.HS256, token.ES384, token.PS256, token.RS512} {
		if _, err := token.GenerateKey(alg, start); err == nil {
			t.Errorf("%q key was made", alg)
		}
	}
}

func TestJK09_SharedSecretHas32Bytes(t *testing.T) {
	for _, s := range []string{"", "hunter2", strings.Repeat("x", 31)} {
		if _, err := token.SharedSecret("k", token.Secret(s)); err == nil || s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("%d bytes: %v", len(s), err)
		}
	}
	if _, err := token.SharedSecret("../k", token.Secret(strings.Repeat("x", 32))); err == nil {
		t.Error("an unsafe key id was taken")
	}
}

func TestSecret_NeverPrints(t *testing.T) {
	const canary = "c4nary"
	secret := token.Secret(canary)
	key := newKey(t, token.EdDSA)
	der, err := key.MarshalPrivate()
	if err != nil {
		t.Fatal(err)
	}
	seed := der[len(der)-32:]
	leaks := func(text string) bool {
		return strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) ||
			strings.Contains(text, fmt.Sprintf("%X", canary)) || strings.Contains(text, fmt.Sprint([]byte(canary))) ||
			strings.Contains(text, strings.Trim(fmt.Sprint(seed), "[]")) || strings.Contains(text, fmt.Sprintf("%x", seed)) ||
			strings.Contains(text, base64.StdEncoding.EncodeToString(seed)[:40]) || strings.Contains(text, strings.Trim(fmt.Sprintf("%#v", seed), "[]byte{}"))
	}
	keyLike := func(v any) bool { return strings.Contains(fmt.Sprintf("%T", v), "SigningKey") }
	values := []any{
		secret, &secret, []token.Secret{secret}, map[string]token.Secret{"a": secret}, token.Pair{Session: secret, Refresh: secret},
		token.PublicKey{Key: secret}, key, *key, []*token.SigningKey{key}, []token.SigningKey{*key}, struct{ K token.SigningKey }{*key},
	}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%b", "%o", "%c", "%U", "%t", "%e", "%p"} {
			if verb == "%p" && !keyLike(v) {
				continue // fmt asks no method about %p; go vet stops it
			}
			if text := fmt.Sprintf(verb, v); leaks(text) {
				t.Errorf("%s of %T leaks", verb, v)
			}
		}
		if text, err := json.Marshal(v); err != nil || leaks(string(text)) {
			t.Errorf("JSON of %T leaks or fails: %v", v, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		if leaks(log.String()) {
			t.Errorf("log of %T leaks", v)
		}
	}
	text, err := secret.MarshalText()
	if err != nil || leaks(string(text)) || leaks(secret.String()) || leaks(secret.GoString()) || secret.Reveal() != canary {
		t.Error("Secret leaks, or does not reveal")
	}
}

func TestSigningKey_SurvivesStorage(t *testing.T) {
	w := newWorld(t)
	keys := map[token.Algorithm][]byte{}
	for _, alg := range []token.Algorithm{token.ES256, token.EdDSA, token.RS256} {
		key := newKey(t, alg)
		der, err := key.MarshalPrivate()
		if err != nil {
			t.Fatal(err)
		}
		keys[alg] = der
		again, err := token.ParseSigningKey(key.ID, alg, der)
		if err != nil {
			t.Fatal(err)
		}
		if sign(t, key, w.issue()) != sign(t, again, w.issue()) {
			t.Errorf("%s: another key came back", alg)
		}
	}
	for alg, der := range keys {
		for other := range keys {
			if _, err := token.ParseSigningKey("k", other, der); (err == nil) != (alg == other) {
				t.Errorf("%s key as %s: %v", alg, other, err)
			}
		}
	}
	for _, id := range []string{"", "a b", "../x", strings.Repeat("k", 129)} {
		if _, err := token.ParseSigningKey(id, token.ES256, keys[token.ES256]); err == nil {
			t.Errorf("id %q was taken", id)
		}
	}
	if _, err := token.ParseSigningKey("k", token.ES256, []byte("x")); err == nil {
		t.Error("garbage was taken")
	}
	if _, err := token.ParseSigningKey("k", token.PS256, keys[token.RS256]); err == nil {
		t.Error("PS256 was taken for signing")
	}
}
