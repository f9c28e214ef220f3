package token_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/usherkit/usher/token"
)

func TestTV06_TimesAreRequiredNumbersWithinTheLeeway(t *testing.T) {
	w := newWorld(t)
	now := w.now().Unix()
	raw := func(member string) string { // with numbers that encoding/json would not write
		text := w.payload().with("exp", nil).with("iat", nil).json(t)
		return w.craft(t, w.header().json(t), strings.TrimSuffix(text, "}")+member+"}")
	}
	good := fmt.Sprintf(`,"iat":%d,"exp":%d`, now, now+60)
	w.accepted(t, raw(good))
	for _, bad := range []string{"-1", `"9999999999"`, "1e400", "1e10", "9999999999.5", "null", "true", "[9999999999]", "{}", "0", "253402300800", "99999999999999999999", "09999999999"} {
		t.Run(bad, func(t *testing.T) {
			reason := token.ReasonClaims
			if strings.HasPrefix(bad, "09") {
				reason = token.ReasonMalformed
			}
			w.refused(t, raw(fmt.Sprintf(`,"iat":%d,"exp":%s`, now, bad)), reason)
			w.refused(t, raw(fmt.Sprintf(`,"exp":%d,"iat":%s`, now+60, bad)), reason)
			w.refused(t, raw(good+`,"nbf":`+bad), reason)
			w.refused(t, raw(good+`,"auth_time":`+bad), reason)
		})
	}
	w.accepted(t, raw(fmt.Sprintf(`,"iat":%d,"exp":253402300799`, now))) // the year 9999
	w.refused(t, raw(fmt.Sprintf(`,"iat":%d`, now)), token.ReasonClaims)
	w.refused(t, raw(fmt.Sprintf(`,"exp":%d`, now+60)), token.ReasonClaims)

	for _, c := range []struct {
		name   string
		member string
		value  int64
		reason string
	}{
		{"expired within the leeway", "exp", now - 4, ""},
		{"expired by the leeway", "exp", now - 5, token.ReasonExpired},
		{"expired by the leeway and 1 s", "exp", now - 6, token.ReasonExpired},
		{"nbf ahead by the leeway", "nbf", now + 5, ""},
		{"nbf ahead by the leeway and 1 s", "nbf", now + 6, token.ReasonNotYetValid},
		{"iat ahead by the leeway", "iat", now + 5, ""},
		{"iat ahead by the leeway and 1 s", "iat", now + 6, token.ReasonNotYetValid},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := w.craft(t, w.header().json(t), w.payload().with(c.member, c.value).json(t))
			if c.reason == "" {
				w.accepted(t, text)
				return
			}
			w.refused(t, text, c.reason)
		})
	}
}

func TestTV07_IssuerIsExactAndKeysAreItsOwn(t *testing.T) {
	w := newWorld(t)
	for _, iss := range []any{testIssuer + "/", strings.ToUpper(testIssuer), testIssuer[:10], testIssuer + ".evil.test", nil, "", 7, []string{testIssuer}, object{}} {
		w.refused(t, w.craft(t, w.header().json(t), w.payload().with("iss", iss).json(t)), token.ReasonIssuer)
	}

	const issuerB = "https://b.example.com"
	other := newKey(t, token.ES256)
	other.ID = w.key.ID // the same kid, another key
	both := newWorld(t, func(c *token.VerifierConfig) {
		c.Issuers = []token.Issuer{
			{URL: testIssuer, Audiences: []string{testAudience}, Keys: newKeySet(t, w.key.Public())},
			{URL: issuerB, Audiences: []string{testAudience}, Keys: newKeySet(t, other.Public())},
		}
	})
	i := w.issue()
	a := both.accepted(t, sign(t, w.key, i))
	both.refused(t, sign(t, other, i), token.ReasonSignature)
	i.Issuer = issuerB
	b := both.accepted(t, sign(t, other, i))
	both.refused(t, sign(t, w.key, i), token.ReasonSignature)
	if a.Subject != b.Subject || a.Issuer == b.Issuer { // TV-10: two identities
		t.Errorf("identities %q %q and %q %q", a.Issuer, a.Subject, b.Issuer, b.Subject)
	}
}

func TestTV08_AudienceIsRequired(t *testing.T) {
	w := newWorld(t)
	for _, aud := range []any{nil, "", []string{}, []string{""}, "other", []string{"other"}, "*", "sho", "shop2", "SHOP", 7, object{"shop": 1}, []any{"shop", 7}, []any{"shop", nil}, true} {
		w.refused(t, w.craft(t, w.header().json(t), w.payload().with("aud", aud).json(t)), token.ReasonAudience)
	}
	for _, aud := range []any{"shop", []string{"other", "shop"}} {
		w.accepted(t, w.craft(t, w.header().json(t), w.payload().with("aud", aud).json(t)))
	}

	good := token.Issuer{URL: testIssuer, Audiences: []string{testAudience}, Keys: w.keys}
	for name, change := range map[string]func(*token.VerifierConfig){
		"no issuers":           func(c *token.VerifierConfig) { c.Issuers = nil },
		"no URL":               func(c *token.VerifierConfig) { c.Issuers[0].URL = "" },
		"no audience":          func(c *token.VerifierConfig) { c.Issuers[0].Audiences = nil },
		"empty audience":       func(c *token.VerifierConfig) { c.Issuers[0].Audiences = []string{""} },
		"no keys":              func(c *token.VerifierConfig) { c.Issuers[0].Keys = nil },
		"one issuer twice":     func(c *token.VerifierConfig) { c.Issuers = append(c.Issuers, good) },
		"refresh as a session": func(c *token.VerifierConfig) { c.Issuers[0].SessionTypes = []string{"refresh+jwt"} },
		"no typ as a session":  func(c *token.VerifierConfig) { c.Issuers[0].SessionTypes = []string{""} },
		"leeway":               func(c *token.VerifierConfig) { c.Leeway = 61 * time.Second },
		"negative leeway":      func(c *token.VerifierConfig) { c.Leeway = -1 },
		"tiny cache":           func(c *token.VerifierConfig) { c.CacheBytes = 1000 },
	} {
		cfg := token.VerifierConfig{Issuers: []token.Issuer{good}}
		change(&cfg)
		if _, err := token.NewVerifier(cfg); err == nil {
			t.Errorf("%s: no configuration error", name)
		}
	}
	limits := token.VerifierConfig{Issuers: []token.Issuer{good}, Leeway: time.Minute, CacheBytes: 1 << 20}
	if _, err := token.NewVerifier(limits); err != nil {
		t.Errorf("the largest leeway and the smallest cache: %v", err)
	}
}

func TestTV09_ATokenServesOnePurpose(t *testing.T) {
	w := newWorld(t)
	types := []token.Type{token.TypeSession, token.TypeRefresh, token.TypeReset}
	for _, made := range types {
		i := w.issue()
		i.Type = made
		raw := sign(t, w.key, i)
		for _, asked := range append(types, "JWT", "") {
			claims, err := w.verifier.Verify(context.Background(), token.Secret(raw), asked)
			if made == asked {
				if err != nil || claims.Type != made {
					t.Errorf("%s refused as itself: %v", made, err)
				}
				continue
			}
			checkRefusal(t, claims, err, token.ReasonType)
		}
	}
	for _, typ := range []any{nil, "", "JWT", "jwt", "at+jwt", "id_token", "SESSION+JWT", "application/session+jwt", 1, []string{"session+jwt"}} {
		w.refused(t, w.craft(t, w.header().with("typ", typ).json(t), w.payload().json(t)), token.ReasonType)
	}
	for _, drn := range []any{nil, "DSR", "ds", 1} { // a refresh token's claims under a session's header
		w.refused(t, w.craft(t, w.header().json(t), w.payload().with("drn", drn).json(t)), token.ReasonType)
	}
	for drn, fits := range map[string]string{"DS": "reset+jwt", "DSR": "reset+jwt refresh+jwt"} {
		for _, typ := range []token.Type{token.TypeReset, token.TypeRefresh} {
			raw := w.craft(t, w.header().with("typ", string(typ)).json(t), w.payload().with("drn", drn).json(t))
			if _, err := w.verifier.Verify(context.Background(), token.Secret(raw), typ); (err == nil) != strings.Contains(fits, string(typ)) {
				t.Errorf("%s with drn %s: %v", typ, drn, err)
			}
		}
	}
	for _, name := range []string{"sid", "jti"} {
		for _, value := range []any{nil, "", 7, []string{"x"}} {
			w.refused(t, w.craft(t, w.header().json(t), w.payload().with(name, value).json(t)), token.ReasonClaims)
		}
	}
}

func TestTV10_SubjectIsANonEmptyString(t *testing.T) {
	w := newWorld(t)
	for _, sub := range []any{nil, "", 7, []string{"u1"}, true, object{}} {
		w.refused(t, w.craft(t, w.header().json(t), w.payload().with("sub", sub).json(t)), token.ReasonClaims)
	}
	w.refused(t, w.craft(t, w.header().json(t), strings.Replace(w.payload().json(t), `"sub":"u1"`, `"sub":null`, 1)), token.ReasonClaims)
}

func TestTV16_MalformedRightsAreNoRights(t *testing.T) {
	w := newWorld(t)
	for _, roles := range []any{"admin", 7, true, object{"admin": true}, []any{"admin", 7}, []any{[]string{"admin"}}, []any{nil}} {
		for _, name := range []string{"roles", "permissions", "amr", "tenants"} {
			c := w.accepted(t, w.craft(t, w.header().json(t), w.payload().with(name, roles).json(t)))
			if c.HasRole("admin") || c.HasPermission("admin") || c.HasRole("") || len(c.Roles)+len(c.Permissions)+len(c.AMR) > 0 {
				t.Errorf("%s %v gave %+v", name, roles, c)
			}
			for id, tenant := range c.Tenants {
				if len(tenant.Roles)+len(tenant.Permissions) > 0 {
					t.Errorf("tenants %v gave %s %+v", roles, id, tenant)
				}
			}
		}
	}
	for _, verified := range []any{"true", 1, "1", []bool{true}} {
		if c := w.accepted(t, w.craft(t, w.header().json(t), w.payload().with("email_verified", verified).json(t))); c.EmailVerified {
			t.Errorf("email_verified %v counts as true", verified)
		}
	}
	for _, dct := range []any{7, true, nil, []string{"t1"}, object{"t1": true}} {
		if c := w.accepted(t, w.craft(t, w.header().json(t), w.payload().with("dct", dct).json(t))); c.Tenant != "" || c.Extra["dct"] != nil {
			t.Errorf("dct %v gave %+v", dct, c)
		}
	}
	for tenant, want := range map[any]map[string]token.Tenant{7: nil, "x": nil, nil: {"t1": {}, "t2": {Roles: []string{"r"}}}} {
		text := w.payload().with("tenants", object{"t1": tenant, "t2": object{"roles": []string{"r"}}}).json(t)
		if diff := cmp.Diff(want, w.accepted(t, w.craft(t, w.header().json(t), text)).Tenants); diff != "" {
			t.Errorf("beside a tenant that is %v: %s", tenant, diff)
		}
	}
	c := w.accepted(t, w.craft(t, w.header().json(t), w.payload().
		with("tenants", object{"t1": object{"roles": "admin", "Permissions": []string{"*"}}, "t2": object{"roles": []string{"r"}}}).json(t)))
	want := map[string]token.Tenant{"t1": {}, "t2": {Roles: []string{"r"}}}
	if diff := cmp.Diff(want, c.Tenants); diff != "" {
		t.Error(diff)
	}
}

func TestVerify_ForeignIssuer(t *testing.T) {
	w := newWorld(t, func(c *token.VerifierConfig) { c.Issuers[0].SessionTypes = []string{"at+jwt"} })
	head := w.header().with("typ", "at+jwt")
	lean := w.payload().with("sid", nil).with("jti", nil).with("drn", nil)
	w.accepted(t, w.craft(t, head.json(t), lean.json(t)))
	w.refused(t, w.craft(t, w.header().json(t), w.payload().json(t)), token.ReasonType)

	for _, name := range []string{"jti", "sid"} { // not required, but not empty either
		for _, value := range []any{"", 7} {
			w.refused(t, w.craft(t, head.json(t), lean.with(name, value).json(t)), token.ReasonClaims)
		}
	}

	raw := w.craft(t, head.json(t), lean.with("jti", "revoked-jti").json(t))
	w.accepted(t, raw)
	w.revocations.Add("revoked-jti", w.now().Add(time.Hour)) // by jti where there is no sid
	if _, err := w.verifier.ValidateSession(context.Background(), token.Secret(raw)); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("error %v, want ErrRevoked", err)
	}
}

func TestVerify_RefusesAnotherAudienceOfTheSameIssuer(t *testing.T) {
	w := newWorld(t)
	i := w.issue()
	i.Audience = []string{"another-project"}
	w.refused(t, sign(t, w.key, i), token.ReasonAudience)
}

// FuzzClaims signs any header and payload, so that it reaches the parser of tokens that
// a trusted issuer made in an unusual way.
func FuzzClaims(f *testing.F) {
	w := newWorld(f)
	key := private(f, w.key)
	f.Add(w.header().json(f), w.payload().json(f))
	f.Add(w.header().json(f), w.payload().with("roles", object{"admin": nil}).with("tenants", []any{nil}).json(f))
	f.Fuzz(func(t *testing.T, header, payload string) {
		raw := craftWith(t, jwt.SigningMethodES256, key, header, payload)
		claims, err := w.verifier.ValidateSession(context.Background(), token.Secret(raw))
		if err != nil {
			if !errors.Is(err, token.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if claims.Issuer != testIssuer || claims.Subject == "" || claims.SessionID == "" || claims.ID == "" || claims.KeyID != w.key.ID ||
			claims.Type != token.TypeSession || claims.ExpiresAt.IsZero() || claims.IssuedAt.IsZero() || claims.HasRole("") {
			t.Fatalf("%q %q gave %+v", header, payload, claims)
		}
		for name := range claims.Extra {
			_, _ = token.Claim[string](claims, name)
			_, _ = token.Claim[map[string]int](claims, name)
		}
	})
}
