package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/usherkit/usher/token"
)

func TestVerify_ReturnsEveryClaimOfAGoodToken(t *testing.T) {
	for _, alg := range []token.Algorithm{token.ES256, token.EdDSA, token.RS256} {
		t.Run(string(alg), func(t *testing.T) {
			w := newWorld(t)
			key := newKey(t, alg)
			if err := w.keys.Replace(key.Public()); err != nil {
				t.Fatal(err)
			}
			got := w.accepted(t, sign(t, key, w.issue())).Clone()
			plan, ok := token.Claim[string](&got, "plan")
			if !ok || plan != "pro" {
				t.Errorf("plan %q, %v", plan, ok)
			}
			if seats, ok := token.Claim[int](&got, "seats"); !ok || seats != 3 {
				t.Errorf("seats %d, %v", seats, ok)
			}
			got.Extra = nil
			want := token.Claims{
				Issuer: testIssuer, Subject: "u1", Audience: []string{testAudience},
				IssuedAt: start, ExpiresAt: start.Add(10 * time.Minute), AuthTime: start.Add(-time.Minute),
				ID: "j1", SessionID: "s1", AMR: []string{"pwd"}, EmailVerified: true,
				Roles: []string{"editor"}, Permissions: []string{"post:write"},
				Tenants: map[string]token.Tenant{"t1": {Roles: []string{"owner"}, Permissions: []string{}}},
				Type:    token.TypeSession, KeyID: key.ID,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTV01_RefusesAlgorithmsOutsideTheAllowList(t *testing.T) {
	w := newWorld(t)
	for _, alg := range []any{"none", "None", "nOnE", "", nil, "HS256", "RS1", "ES256K", "es256", "ES384", 256, []string{"ES256"}} {
		t.Run(fmt.Sprint(alg), func(t *testing.T) {
			w.refused(t, w.craft(t, w.header().with("alg", alg).json(t), w.payload().json(t)), token.ReasonAlgorithm)
		})
	}
	unsigned := strings.Join(strings.Split(w.craft(t, w.header().with("alg", "none").json(t), w.payload().json(t)), ".")[:2], ".") + "."
	w.refused(t, unsigned, token.ReasonMalformed)

	// On the list, but not the algorithm of the key.
	w.refused(t, w.craft(t, w.header().with("alg", "RS256").json(t), w.payload().json(t)), token.ReasonAlgorithm)
}

func TestTV02_NoKeyConfusion(t *testing.T) {
	ec := newWorld(t)
	rsaKey := newKey(t, token.RS256)
	if err := ec.keys.Replace(ec.key.Public(), rsaKey.Public()); err != nil {
		t.Fatal(err)
	}
	for _, k := range []*token.SigningKey{ec.key, rsaKey} {
		der, err := x509.MarshalPKIXPublicKey(k.Public().Key)
		if err != nil {
			t.Fatal(err)
		}
		secrets := map[string][]byte{
			"DER": der,
			"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
			"JWK": newKeySet(t, k.Public()).JSON(),
		}
		if pub, ok := k.Public().Key.(*rsa.PublicKey); ok {
			secrets["modulus"] = pub.N.Bytes()
		}
		for name, secret := range secrets {
			for _, m := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
				t.Run(string(k.Algorithm)+" "+name+" "+m.Alg(), func(t *testing.T) {
					head := ec.header().with("kid", k.ID).with("alg", m.Alg()).json(t)
					ec.refused(t, craftWith(t, m, secret, head, ec.payload().json(t)), token.ReasonAlgorithm)
				})
			}
		}
	}

	secret, err := token.SharedSecret("k1", token.Secret(strings.Repeat("x", 32)))
	if err != nil {
		t.Fatal(err)
	}
	for name, i := range map[string]token.Issuer{
		"HS256 beside ES256":      {Algorithms: []token.Algorithm{token.HS256, token.ES256}, Keys: secret},
		"HS256 with public keys":  {Algorithms: []token.Algorithm{token.HS256}, Keys: ec.keys},
		"ES256 with a secret":     {Algorithms: []token.Algorithm{token.ES256}, Keys: secret},
		"defaults with a secret":  {Keys: secret},
		"an unknown algorithm":    {Algorithms: []token.Algorithm{"none"}, Keys: ec.keys},
		"HS512, not supported":    {Algorithms: []token.Algorithm{"HS512"}, Keys: secret},
		"HS256 among public ones": {Algorithms: []token.Algorithm{token.ES256, token.HS256}, Keys: ec.keys},
	} {
		i.URL, i.Audiences = testIssuer, []string{testAudience}
		if _, err := token.NewVerifier(token.VerifierConfig{Issuers: []token.Issuer{i}}); err == nil {
			t.Errorf("%s: no configuration error", name)
		}
	}
}

func TestVerify_SharedSecret(t *testing.T) {
	secret := strings.Repeat("0123456789abcdef", 2)
	source, err := token.SharedSecret("k1", token.Secret(secret))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *token.VerifierConfig) {
		c.Issuers[0].Keys, c.Issuers[0].Algorithms = source, []token.Algorithm{token.HS256}
	})
	head := object{"alg": "HS256", "typ": "session+jwt", "kid": "k1"}
	raw := craftWith(t, jwt.SigningMethodHS256, []byte(secret), head.json(t), w.payload().json(t))
	w.accepted(t, raw)
	w.accepted(t, raw) // from the cache
	w.refused(t, craftWith(t, jwt.SigningMethodHS256, []byte(secret+"x"), head.json(t), w.payload().json(t)), token.ReasonSignature)
	w.refused(t, craftWith(t, jwt.SigningMethodHS256, []byte(secret), head.with("kid", "k2").json(t), w.payload().json(t)), token.ReasonKey)
}

func TestTV03_KidIsASafeString(t *testing.T) {
	w := newWorld(t)
	for _, kid := range []any{nil, "", 7, []string{w.key.ID}, true, object{}, "../../dev/null", "' OR 1=1--", "\x00", w.key.ID + "\n",
		strings.Repeat("k", 129), strings.Repeat("k", 5000), "unknown", strings.ToLower(w.key.ID), w.key.ID[:25]} {
		w.refused(t, w.craft(t, w.header().with("kid", kid).json(t), w.payload().json(t)), token.ReasonKey)
	}
}

func TestTV04_HeadersNeverSupplyAKey(t *testing.T) {
	var calls atomic.Int64
	listener := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer listener.Close()
	w := newWorld(t)
	attacker := newKey(t, token.ES256)
	set := newKeySet(t, attacker.Public()).JSON()
	jwk := strings.TrimSuffix(strings.TrimPrefix(string(set), `{"keys":[`), `]}`)
	for _, member := range []string{
		`"jku":"` + listener.URL + `"`, `"x5u":"` + listener.URL + `"`, `"jwk":` + jwk, `"x5c":["MIIB"]`,
	} {
		for kid, reason := range map[string]string{w.key.ID: token.ReasonSignature, attacker.ID: token.ReasonKey} {
			head := `{"alg":"ES256","typ":"session+jwt","kid":"` + kid + `",` + member + `}`
			w.refused(t, craftWith(t, jwt.SigningMethodES256, private(t, attacker), head, w.payload().json(t)), reason)
		}
		// In a genuine token they are passed over.
		w.accepted(t, w.craft(t, `{"alg":"ES256","typ":"session+jwt","kid":"`+w.key.ID+`",`+member+`}`, w.payload().json(t)))
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d requests to the attacker", n)
	}
}

func TestTV05_CriticalHeadersAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, members := range []string{`"crit":["exp"]`, `"crit":[]`, `"crit":["x"],"x":1`, `"crit":null`, `"b64":false`, `"b64":true`, `"zip":"DEF"`, `"enc":"A256GCM"`} {
		w.refused(t, w.craft(t, `{"alg":"ES256","typ":"session+jwt","kid":"`+w.key.ID+`",`+members+`}`, w.payload().json(t)), token.ReasonMalformed)
	}
}

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
}

func TestTV09_ATokenServesOnePurpose(t *testing.T) {
	w := newWorld(t)
	types := []token.Type{token.TypeSession, token.TypeRefresh, token.TypeReset}
	for _, made := range types {
		i := w.issue()
		i.Type = made
		raw := sign(t, w.key, i)
		for _, asked := range append(types, "JWT", "") {
			claims, err := w.verifier.Verify(context.Background(), raw, asked)
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
	for _, name := range []string{"sid", "jti"} {
		for _, value := range []any{nil, "", 7, []string{"x"}} {
			w.refused(t, w.craft(t, w.header().json(t), w.payload().with(name, value).json(t)), token.ReasonClaims)
		}
	}
}

func TestVerify_ForeignIssuer(t *testing.T) {
	w := newWorld(t, func(c *token.VerifierConfig) { c.Issuers[0].SessionTypes = []string{"at+jwt"} })
	head := w.header().with("typ", "at+jwt")
	lean := w.payload().with("sid", nil).with("jti", nil).with("drn", nil)
	w.accepted(t, w.craft(t, head.json(t), lean.json(t)))
	w.refused(t, w.craft(t, w.header().json(t), w.payload().json(t)), token.ReasonType)

	raw := w.craft(t, head.json(t), lean.with("jti", "revoked-jti").json(t))
	w.accepted(t, raw)
	w.revocations.Add("revoked-jti", w.now().Add(time.Hour)) // by jti where there is no sid
	if _, err := w.verifier.ValidateSession(context.Background(), raw); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("error %v, want ErrRevoked", err)
	}
}

func TestTV10_SubjectIsANonEmptyString(t *testing.T) {
	w := newWorld(t)
	for _, sub := range []any{nil, "", 7, []string{"u1"}, true, object{}} {
		w.refused(t, w.craft(t, w.header().json(t), w.payload().with("sub", sub).json(t)), token.ReasonClaims)
	}
	w.refused(t, w.craft(t, w.header().json(t), strings.Replace(w.payload().json(t), `"sub":"u1"`, `"sub":null`, 1)), token.ReasonClaims)
}

func TestTV11_EverySignatureIsChecked(t *testing.T) {
	w := newWorld(t)
	raw := w.craft(t, w.header().json(t), w.payload().json(t))
	text, sig64 := raw[:strings.LastIndexByte(raw, '.')], raw[strings.LastIndexByte(raw, '.')+1:]
	sig, err := base64.RawURLEncoding.DecodeString(sig64)
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])})
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sig384, err := jwt.SigningMethodES384.Sign(text, p384)
	if err != nil {
		t.Fatal(err)
	}
	another := w.craft(t, w.header().json(t), w.payload().with("jti", "j2").json(t))
	flipped := append([]byte(nil), sig...)
	flipped[40] ^= 1
	for name, s := range map[string][]byte{
		"all zero": make([]byte, 64), "DER": der, "cut": sig[:63], "longer": append(append([]byte(nil), sig...), 0),
		"P-384": sig384, "one bit": flipped,
	} {
		t.Run(name, func(t *testing.T) {
			w.refused(t, text+"."+base64.RawURLEncoding.EncodeToString(s), token.ReasonSignature)
		})
	}
	w.refused(t, text+another[strings.LastIndexByte(another, '.'):], token.ReasonSignature)
	w.refused(t, text+".", token.ReasonMalformed)
	head, _, _ := strings.Cut(raw, ".")
	forged := base64.RawURLEncoding.EncodeToString([]byte(w.payload().with("sub", "admin").json(t)))
	w.refused(t, head+"."+forged+"."+sig64, token.ReasonSignature)
	w.accepted(t, raw)
}

func TestTV12_StrictForm(t *testing.T) {
	w := newWorld(t)
	good := w.craft(t, w.header().json(t), w.payload().json(t))
	p := strings.Split(good, ".")
	w.accepted(t, good)

	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[len(good)-1])
	spare := good[:len(good)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last+1])
	for name, raw := range map[string]string{
		"empty": "", "one part": p[0], "two parts": p[0] + "." + p[1], "four parts": good + ".", "five parts": good + ".x.y",
		"no header": "." + p[1] + "." + p[2], "no payload": p[0] + ".." + p[2],
		"padding": good + "=", "spare bits": spare,
		"plus": p[0] + "." + p[1] + "." + "+" + p[2][1:], "slash": p[0] + "." + p[1] + "." + "/" + p[2][1:],
		"leading space": " " + good, "trailing space": good + " ", "newline at the end": good + "\n",
		"newline in the signature": p[0] + "." + p[1] + "." + p[2][:8] + "\r\n" + p[2][8:],
		"newline in the header":    p[0][:8] + "\n" + p[0][8:] + "." + p[1] + "." + p[2],
		"JSON serialisation":       `{"payload":"` + p[1] + `","protected":"` + p[0] + `","signature":"` + p[2] + `"}`,
		"Bearer":                   "Bearer " + good,
	} {
		t.Run(name, func(t *testing.T) { w.refused(t, raw, token.ReasonMalformed) })
	}

	head, body := w.header().json(t), w.payload().json(t)
	for name, parts := range map[string][2]string{
		"sub twice":                  {head, strings.TrimSuffix(body, "}") + `,"sub":"a"}`},
		"sub twice, by case":         {head, strings.TrimSuffix(body, "}") + `,"SUB":"a"}`},
		"sub twice, by a long s":     {head, strings.TrimSuffix(body, "}") + `,"ſub":"a"}`},
		"sub twice, by an escape":    {head, strings.TrimSuffix(body, "}") + `,"\u0073ub":"a"}`},
		"twice in depth":             {head, strings.TrimSuffix(body, "}") + `,"x":[{"y":{"z":1,"z":2}}]}`},
		"alg twice":                  {strings.TrimSuffix(head, "}") + `,"alg":"none"}`, body},
		"alg twice, by case":         {strings.TrimSuffix(head, "}") + `,"ALG":"none"}`, body},
		"kid twice, by a Kelvin":     {strings.TrimSuffix(head, "}") + ",\"\u212aid\":\"x\"}", body},
		"header is an array":         {"[" + head + "]", body},
		"payload is an array":        {head, "[" + body + "]"},
		"payload is a string":        {head, `"x"`},
		"payload is null":            {head, "null"},
		"payload is no JSON":         {head, body + "x"},
		"two payloads":               {head, body + body},
		"comma at the end":           {head, strings.TrimSuffix(body, "}") + ",}"},
		"invalid UTF-8":              {head, strings.Replace(body, "u1", "u\xff", 1)},
		"byte order mark":            {head, "\ufeff" + body},
		"payload nested 2,000 times": {head, strings.TrimSuffix(body, "}") + `,"x":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + "}"},
	} {
		t.Run(name, func(t *testing.T) { w.refused(t, w.craft(t, parts[0], parts[1]), token.ReasonMalformed) })
	}
	// In depth names are compared as they are: "a" and "A" are two keys of a map.
	w.accepted(t, w.craft(t, head, strings.TrimSuffix(body, "}")+`,"x":{"a":1,"A":2,"b":{"a":1}}}`))
}

func TestTV14_HugeTokensCostNothing(t *testing.T) {
	w := newWorld(t)
	for name, raw := range map[string]string{
		"dots":    strings.Repeat(".", 1<<20),
		"letters": strings.Repeat("A", 1<<20),
		"parts":   strings.Repeat("A", 1<<19) + "." + strings.Repeat("A", 1<<19) + ".A",
	} {
		w.refused(t, raw, token.ReasonMalformed)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const rounds = 100
		began := time.Now()
		for range rounds {
			_, _ = w.verifier.ValidateSession(context.Background(), raw)
		}
		took := time.Since(began) / rounds
		runtime.ReadMemStats(&after)
		if spent := (after.TotalAlloc - before.TotalAlloc) / rounds; spent > 1<<10 || took > time.Millisecond {
			t.Errorf("%s: %d bytes, %v", name, spent, took)
		}
	}
	// 8 KiB and one byte, well signed.
	body := w.payload().with("x", strings.Repeat("x", 7000)).json(t)
	raw := w.craft(t, w.header().json(t), body)
	if len(raw) <= token.MaxSize {
		t.Fatal(len(raw))
	}
	w.refused(t, raw, token.ReasonMalformed)
	w.refused(t, strings.Repeat(".", token.MaxSize), token.ReasonMalformed)
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
	c := w.accepted(t, w.craft(t, w.header().json(t), w.payload().
		with("tenants", object{"t1": object{"roles": "admin", "Permissions": []string{"*"}}, "t2": object{"roles": []string{"r"}}}).json(t)))
	want := map[string]token.Tenant{"t1": {}, "t2": {Roles: []string{"r"}}}
	if diff := cmp.Diff(want, c.Tenants); diff != "" {
		t.Error(diff)
	}
}

func TestVerify_ErrorsTellExpiryFromTheRest(t *testing.T) {
	w := newWorld(t)
	old := w.payload().with("exp", w.now().Unix()-60).with("iat", w.now().Unix()-120)
	ctx := context.Background()

	_, err := w.verifier.ValidateSession(ctx, w.craft(t, w.header().json(t), old.json(t)))
	if !errors.Is(err, token.ErrExpired) || !errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrRevoked) {
		t.Errorf("expired: %v", err)
	}
	attacker := private(t, newKey(t, token.ES256))
	for name, raw := range map[string]string{
		"forged":   craftWith(t, jwt.SigningMethodES256, attacker, w.header().json(t), old.json(t)),
		"audience": w.craft(t, w.header().json(t), old.with("aud", "other").json(t)),
		"nbf":      w.craft(t, w.header().json(t), old.with("nbf", w.now().Unix()+600).json(t)),
		"sub":      w.craft(t, w.header().json(t), old.with("sub", nil).json(t)),
		"typ":      w.craft(t, w.header().with("typ", "JWT").json(t), old.json(t)),
	} {
		if _, err := w.verifier.ValidateSession(ctx, raw); errors.Is(err, token.ErrExpired) || !errors.Is(err, token.ErrInvalid) {
			t.Errorf("%s and expired: %v", name, err)
		}
	}
	w.revocations.Add("s1", w.now().Add(time.Hour))
	if _, err = w.verifier.ValidateSession(ctx, w.craft(t, w.header().json(t), old.json(t))); errors.Is(err, token.ErrExpired) || !errors.Is(err, token.ErrRevoked) {
		t.Errorf("revoked and expired: %v", err)
	}
	if err := w.keys.Replace(); err != nil {
		t.Fatal(err)
	}
	if _, err = w.verifier.ValidateSession(ctx, w.craft(t, w.header().json(t), w.payload().json(t))); errors.Is(err, token.ErrInvalid) || !errors.Is(err, token.ErrUnavailable) || !errors.Is(err, token.ErrNoKeys) {
		t.Errorf("no keys: %v", err)
	}
}

func TestVerify_RefusesAnotherAudienceOfTheSameIssuer(t *testing.T) {
	w := newWorld(t)
	i := w.issue()
	i.Audience = []string{"another-project"}
	w.refused(t, sign(t, w.key, i), token.ReasonAudience)
}
