package differential

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// sample is a token of the corpus.
type sample struct {
	name, raw string
	valid     bool // ours must accept it
}

const (
	goodHeader  = `{"alg":"ES256","typ":"session+jwt","kid":"es"}`
	goodPayload = `{"iss":"https://auth.example.com","aud":"shop","sub":"u1","sid":"s1","jti":"j1","drn":"DS","iat":1893553445,"exp":1893554045}`
)

var encoding = base64.RawURLEncoding

var b64 = encoding.EncodeToString

// sign signs any two texts, well-formed or not, with the key that kid names.
func (k *issuerKeys) sign(t testing.TB, kid, header, payload string) string {
	t.Helper()
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	return text + "." + b64(k.signature(t, kid, text))
}

func (k *issuerKeys) signature(t testing.TB, kid, text string) []byte {
	t.Helper()
	digest := sha256.Sum256([]byte(text))
	switch kid {
	case "ed":
		sig, err := k.ed.Sign(nil, []byte(text), crypto.Hash(0))
		must(t, err)
		return sig
	case "rs":
		sig, err := rsa.SignPKCS1v15(nil, k.rsa, crypto.SHA256, digest[:])
		must(t, err)
		return sig
	case "ps":
		sig, err := rsa.SignPSS(rand.Reader, k.rsa, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		must(t, err)
		return sig
	case "other":
		return ecdsaSignature(t, k.other, digest[:])
	}
	return ecdsaSignature(t, k.ec, digest[:])
}

func ecdsaSignature(t testing.TB, key *ecdsa.PrivateKey, digest []byte) []byte {
	t.Helper()
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	must(t, err)
	return concat(key.Curve, r, s)
}

func concat(curve elliptic.Curve, r, s *big.Int) []byte {
	n := (curve.Params().BitSize + 7) / 8
	sig := make([]byte, 2*n)
	r.FillBytes(sig[:n])
	s.FillBytes(sig[n:])
	return sig
}

// edit replaces one part of a text, which must be there.
func edit(t testing.TB, text, old, replacement string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("%s has no %s", text, old)
	}
	return strings.Replace(text, old, replacement, 1)
}

// corpus returns good tokens and their mutations.
func corpus(t testing.TB, k *issuerKeys) (all []sample) {
	t.Helper()
	add := func(valid bool, name, raw string) { all = append(all, sample{name, raw, valid}) }
	header := func(valid bool, h string) { add(valid, "header "+h, k.sign(t, "es", h, goodPayload)) }
	payload := func(valid bool, p string) { add(valid, "payload "+p, k.sign(t, "es", goodHeader, p)) }
	with := func(valid bool, old, replacement string) { payload(valid, edit(t, goodPayload, old, replacement)) }

	algs := map[string]string{"es": "ES256", "ed": "EdDSA", "rs": "RS256", "ps": "PS256"}
	for kid := range algs {
		for signed, alg := range algs {
			add(kid == signed, "good "+alg+" with the kid "+kid, k.sign(t, signed, `{"alg":"`+alg+`","typ":"session+jwt","kid":"`+kid+`"}`, goodPayload))
		}
	}

	// Headers.
	header(true, ` { "typ" : "session+jwt" ,`+"\n\t"+`"kid":"es", "alg":"ES256" } `)
	header(true, `{"\u0061lg":"ES256","typ":"session\u002bjwt","kid":"es"}`)
	header(true, `{"alg":"ES256","typ":"session+jwt","kid":"es","jku":"https://evil.example/keys","x5u":"https://evil.example/c","x5c":["MA"],"jwk":{"kty":"EC"},"cty":"JWT"}`)
	for _, alg := range []string{`"es256"`, `"none"`, `"None"`, `"NONE"`, `""`, `"HS256"`, `"RS256"`, `"ES384"`, `"ES256K"`, `"EdDSA"`, `"PS256"`, `" ES256"`, `"ES256 "`, `null`, `256`, `["ES256"]`, `{}`} {
		header(false, edit(t, goodHeader, `"ES256"`, alg))
	}
	for _, kid := range []string{`"ES"`, `"ed"`, `"rs"`, `""`, `"es "`, `"es\u0000"`, `"../es"`, `null`, `1`, `["es"]`, `"unknown"`, `"` + strings.Repeat("e", 200) + `"`} {
		header(false, edit(t, goodHeader, `"es"`, kid))
	}
	for _, typ := range []string{`"JWT"`, `"session+JWT"`, `"application/session+jwt"`, `"refresh+jwt"`, `"reset+jwt"`, `""`, `null`, `1`} {
		header(false, edit(t, goodHeader, `"session+jwt"`, typ))
	}
	for _, more := range []string{
		`"crit":[]`, `"crit":["b64"]`, `"crit":["exp"],"exp":1`, `"crit":["b64"],"b64":false`, `"crit":null`, `"crit":"b64"`, `"b64":true`, `"b64":false`, `"zip":"DEF"`, `"enc":"A128GCM"`,
		`"alg":"ES256"`, `"alg":"none"`, `"ALG":"none"`, `"Alg":"ES256"`, `"kid":"es"`, `"kid":"ed"`, `"KID":"ed"`, `"typ":"JWT"`, `"typ":"session+jwt"`,
		`"x":{"a":1,"a":2}`, `"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40), `"x":"` + "\xff" + `"`, `"x":01`,
	} {
		header(false, goodHeader[:len(goodHeader)-1]+","+more+"}")
		header(false, "{"+more+","+goodHeader[1:])
	}
	for _, h := range []string{``, `null`, `[]`, `"ES256"`, `{}`, `{"typ":"session+jwt","kid":"es"}`, `{"alg":"ES256","typ":"session+jwt"}`, `{"alg":"ES256","kid":"es"}`,
		goodHeader + `{}`, goodHeader + ` x`, goodHeader[:len(goodHeader)-1], "\ufeff" + goodHeader, `{"alg":"ES256","typ":"session+jwt","kid":"es",}`, `{'alg':'ES256'}`} {
		header(false, h)
	}

	// Payloads.
	for _, aud := range []string{`["shop"]`, `["other","shop"]`, `["shop","shop"]`, `["other","\u0073hop"]`} {
		with(true, `"shop"`, aud)
	}
	for _, aud := range []string{`"other"`, `[]`, `["other"]`, `["shop",1]`, `["shop",null]`, `["shop",""]`, `[["shop"]]`, `{"0":"shop"}`, `null`, `""`, `"shop "`, `"Shop"`, `"shop,other"`, `true`} {
		with(false, `"shop"`, aud)
	}
	for _, sub := range []string{`"ü\u00fc"`, `"\ud83d\ude00"`, `"a\u0000b"`, `"` + strings.Repeat("u", 1000) + `"`, `"null"`, `"\ud800"`} {
		with(true, `"u1"`, sub)
	}
	for _, sub := range []string{`""`, `null`, `1`, `["u1"]`, `{"u1":1}`, `true`, `"` + "\xc3\x28" + `"`, `"` + "\n" + `"`} {
		with(false, `"u1"`, sub)
		with(false, `"s1"`, sub)
		with(false, `"j1"`, sub)
	}
	for _, iss := range []string{`"https://auth.example.com/"`, `"HTTPS://auth.example.com"`, `"https://auth.example.com\u0000"`, `["https://auth.example.com"]`, `null`, `""`, `"https://evil.example"`} {
		with(false, `"https://auth.example.com"`, iss)
	}
	with(true, `"https://auth.example.com"`, `"https:\/\/auth.example.com"`)
	for _, name := range []string{"iss", "aud", "sub", "sid", "jti", "drn", "iat", "exp"} {
		with(false, `"`+name+`"`, `"x"`)
		with(false, `"`+name+`"`, `"`+strings.ToUpper(name)+`"`)
	}
	for _, exp := range []string{`1893554045.0`, `1893554045.5`, `1893554045e0`, `1.893554045e9`, `"1893554045"`, `-1893554045`, `1893553445`, `1893553440`, `1893553439`, `0`, `null`, `true`, `[]`, `{}`,
		`99999999999999999999`, `9223372036854775807`, `9223372036854775808`, `18446744073709551616`, `1e400`, `253402300800`, `"2040-01-01T00:00:00Z"`, `01893554045`, `+1893554045`, `NaN`} {
		with(exp == `1893553445`, `1893554045`, exp) // 5 seconds of leeway
	}
	with(true, `1893554045`, `253402300799`)
	with(true, `1893554045`, `1893553441`)
	for _, iat := range []string{`1893553450`, `1`} {
		with(true, `1893553445`, iat)
	}
	for _, iat := range []string{`1893553451`, `1893553445.5`, `"1893553445"`, `null`, `0`, `-1`, `1e400`} {
		with(false, `1893553445`, iat)
	}
	for _, more := range []string{`"nbf":1893553450`, `"auth_time":1`, `"x":1e400`, `"roles":null`, `"roles":["a"],"tenants":{"t":{"roles":["b"]}}`, `"x":{"Sub":1,"sub":2}`, `"nested":{"a":[{"b":null}]}`, `"":0`, `"ü":"\u2028"`} {
		payload(true, goodPayload[:len(goodPayload)-1]+","+more+"}")
	}
	for _, more := range []string{`"nbf":1893553451`, `"nbf":"1"`, `"nbf":null`, `"nbf":0.5`, `"auth_time":"1"`, `"sub":"u1"`, `"sub":"admin"`, `"Sub":"admin"`, `"SUB":"admin"`, `"exp":9999999999`, `"EXP":9999999999`,
		`"aud":"other"`, `"ſub":"admin"`, `"\u0073ub":"admin"`, `"x":{"a":1,"a":2}`, `"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40), `"drn":"DSR"`} {
		payload(false, goodPayload[:len(goodPayload)-1]+","+more+"}")
		payload(false, "{"+more+","+goodPayload[1:])
	}
	for _, p := range []string{``, `null`, `[]`, `"x"`, `1`, `{}`, goodPayload + `{}`, goodPayload + "\x00", goodPayload[:len(goodPayload)-1], "\ufeff" + goodPayload, `[` + goodPayload + `]`} {
		payload(false, p)
	}
	payload(true, " \r\n\t"+goodPayload+" \n")
	payload(false, edit(t, goodPayload, `"u1"`, `"`+strings.Repeat("u", 9000)+`"`))

	return append(all, append(signatures(t, k), shapes(t, k)...)...)
}

// signatures returns tokens of which only the signature is not as it must be.
func signatures(t testing.TB, k *issuerKeys) (all []sample) {
	t.Helper()
	add := func(valid bool, name, raw string) { all = append(all, sample{"signature: " + name, raw, valid}) }
	text := b64([]byte(goodHeader)) + "." + b64([]byte(goodPayload))
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, k.ec, digest[:])
	must(t, err)
	curve, n := k.ec.Curve, k.ec.Params().N
	good := concat(curve, r, s)
	zero, one := new(big.Int), big.NewInt(1)

	// Both (r, s) and (r, n-s) are signatures: a copy of a token may differ from it.
	add(true, "high or low s", text+"."+b64(concat(curve, r, new(big.Int).Sub(n, s))))
	for name, pair := range map[string][2]*big.Int{
		"r is 0": {zero, s}, "s is 0": {r, zero}, "both are 0": {zero, zero}, "both are 1": {one, one}, "r is n": {n, s}, "s is n": {r, n}, "both are n": {n, n},
		"r and s change places": {s, r}, "r is p": {curve.Params().P, s}, "r is n-r": {new(big.Int).Sub(n, r), s},
	} {
		add(false, name, text+"."+b64(concat(curve, pair[0], pair[1])))
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	must(t, err)
	wide := append(append(make([]byte, 8), good[:32]...), append(make([]byte, 8), good[32:]...)...)
	for name, sig := range map[string][]byte{
		"ASN.1": der, "wider numbers": wide, "a byte more": append(append([]byte{}, good...), 0), "a byte less": good[:63], "half": good[:32], "twice": append(append([]byte{}, good...), good...),
		"random": make([]byte, 64), "of another key on the curve": k.signature(t, "other", text), "of the Ed25519 key": k.signature(t, "ed", text), "of the RSA key": k.signature(t, "rs", text),
		"of another text": k.signature(t, "es", text+" "),
	} {
		add(false, name, text+"."+b64(sig))
	}
	p384, err := ecdsa.ParseRawPrivateKey(elliptic.P384(), append([]byte{1}, k.signature(t, "ed", "p384")[:47]...))
	must(t, err)
	wideDigest := sha512.Sum384([]byte(text))
	add(false, "of P-384", text+"."+b64(ecdsaSignature(t, p384, wideDigest[:])))

	// Base64: 64 bytes leave four unused bits in the last character.
	end := b64(good)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, end[len(end)-1])
	for bit := 1; bit < 16; bit++ {
		add(false, fmt.Sprintf("trailing bits %d", bit), text+"."+end[:len(end)-1]+string(alphabet[last|bit]))
	}
	for name, sig := range map[string]string{
		"padding": end + "==", "padding of one": end + "=", "line break": end[:10] + "\n" + end[10:], "carriage return": end + "\r\n", "space": end + " ", "tab before": "\t" + end,
		"the alphabet of base64": base64.StdEncoding.EncodeToString(good), "empty": "", "dot": ".", "not ASCII": end + "ä", "percent encoding": end + "%3D",
	} {
		add(false, "base64 "+name, text+"."+sig)
	}
	for bit := range 512 {
		if bit%37 == 0 { // every bit changes the signature alike
			flipped := append([]byte{}, good...)
			flipped[bit/8] ^= 1 << (bit % 8)
			add(false, fmt.Sprintf("bit %d", bit), text+"."+b64(flipped))
		}
	}

	// HMAC with public keys, and no signature at all.
	spki, err := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
	must(t, err)
	for kid, secret := range map[string][]byte{
		"rs": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}), "es": spki, "ed": k.ed[32:],
	} {
		text := b64([]byte(`{"alg":"HS256","typ":"session+jwt","kid":"`+kid+`"}`)) + "." + b64([]byte(goodPayload))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		add(false, "HMAC with the public key "+kid, text+"."+b64(mac.Sum(nil)))
	}
	for _, alg := range []string{"none", "nOnE", ""} {
		text := b64([]byte(`{"alg":"`+alg+`","typ":"session+jwt","kid":"es"}`)) + "." + b64([]byte(goodPayload))
		add(false, "none "+alg, text+".")
		add(false, "none with the signature "+alg, text+"."+end)
	}
	add(false, "PSS for ES256", text+"."+b64(k.signature(t, "ps", text)))
	text = b64([]byte(`{"alg":"PS256","typ":"session+jwt","kid":"ps"}`)) + "." + b64([]byte(goodPayload))
	digest = sha256.Sum256([]byte(text))
	for _, salt := range []int{1, 20, 31, 33, rsa.PSSSaltLengthAuto} {
		sig, err := rsa.SignPSS(rand.Reader, k.rsa, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
		must(t, err)
		add(false, fmt.Sprintf("PSS with a salt of %d", salt), text+"."+b64(sig))
	}
	return all
}

// shapes returns texts that are not one compact JWS in strict form.
func shapes(t testing.TB, k *issuerKeys) (all []sample) {
	t.Helper()
	good := k.sign(t, "es", goodHeader, goodPayload)
	part := strings.Split(good, ".")
	for name, raw := range map[string]string{
		"empty": "", "one part": part[0], "two parts": part[0] + "." + part[1], "four parts": good + ".", "five parts": good + ".a.b", "dot before": "." + good, "dots only": "..", "many dots": strings.Repeat(".", 5000),
		"space before": " " + good, "space after": good + " ", "line break after": good + "\n", "byte order mark": "\ufeff" + good, "quoted": `"` + good + `"`, "Bearer": "Bearer " + good, "NUL": good + "\x00",
		"payload left out": part[0] + ".." + part[2], "header left out": "." + part[1] + "." + part[2], "padded payload": part[0] + "." + part[1] + "=." + part[2], "line break in the header": part[0][:4] + "\n" + part[0][4:] + "." + part[1] + "." + part[2],
		"line break in the payload": part[0] + "." + part[1] + "\n." + part[2], "parts change places": part[1] + "." + part[0] + "." + part[2],
		"flattened JSON":  `{"protected":"` + part[0] + `","payload":"` + part[1] + `","signature":"` + part[2] + `"}`,
		"general JSON":    `{"payload":"` + part[1] + `","signatures":[{"protected":"` + part[0] + `","signature":"` + part[2] + `"}]}`,
		"unprotected kid": `{"header":{"kid":"es"},"protected":"` + part[0] + `","payload":"` + part[1] + `","signature":"` + part[2] + `"}`,
		"two tokens":      good + "," + good, "the payload's JSON": goodPayload,
	} {
		all = append(all, sample{"shape: " + name, raw, false})
	}
	return all
}
