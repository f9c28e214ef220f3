package differential

import (
	"strings"
	"testing"
)

// oursRefuses lists why ours refuses what another verifier accepts: the beginning of the
// error, and the reason.
var oursRefuses = map[string]string{
	"malformed: header has crit":                         "no extension is understood, and a list that is empty or no list is not one either (RFC 7515 §4.1.11)",
	"malformed: header has b64":                          "b64 changes what is signed, and counts only with crit (RFC 7797)",
	"malformed: header has zip":                          "zip belongs to encryption",
	"malformed: header has enc":                          "enc belongs to encryption",
	"malformed: header: duplicate member name":           "readers differ in which of two members they use (RFC 8725 §2.4)",
	"malformed: payload: duplicate member name":          "readers differ in which of two members they use (RFC 7519 §4)",
	"malformed: header: JSON is nested too deep":         "nesting is bounded",
	"malformed: payload: JSON is nested too deep":        "nesting is bounded",
	"malformed: header: JSON is not UTF-8":               "JSON is UTF-8 (RFC 8259 §8.1), and readers differ in what they make of other bytes",
	"malformed: payload: JSON is not UTF-8":              "JSON is UTF-8 (RFC 8259 §8.1), and readers differ in what they make of other bytes",
	"malformed: signature is not canonical base64url":    "one signature has one text: neither unused bits nor line breaks",
	"malformed: header is not canonical base64url":       "one header has one text: neither unused bits nor line breaks",
	"malformed: payload is not canonical base64url":      "one payload has one text: neither unused bits nor line breaks",
	"malformed: payload: not a JSON object":              "the payload is one JSON object; jwx ignores what follows it",
	"malformed: too long":                                "the length is bounded",
	"algorithm: alg is not that of the key":              "jwx takes the algorithm of the key and ignores alg",
	"algorithm: alg is not allowed for the issuer":       "jwx takes the algorithm of the key and ignores alg",
	"algorithm: no alg":                                  "jwx takes the algorithm of the key and ignores alg",
	"key: no kid, or an unsafe one":                      "each token names its key; golang-jwt with keyfunc tries all keys",
	"type: no typ":                                       "a token must say what it is for (RFC 8725 §3.11)",
	"type: typ is that of another type of token":         "a token must say what it is for (RFC 8725 §3.11)",
	"type: drn is that of another kind of token":         "drn is a claim of Usher's own tokens",
	"claims: sub is missing, empty or not a string":      "a session is a user's",
	"claims: sid is empty or not a string":               "revocation needs the session",
	"claims: jti is empty or not a string":               "revocation needs the id",
	"claims: jti or sid is missing":                      "revocation needs the id and the session",
	"claims: exp is missing or not a whole number":       "times are whole seconds up to the year 9999; readers differ in how they round others",
	"claims: iat is missing or not a whole number":       "times are whole seconds up to the year 9999; readers differ in how they round others",
	"claims: nbf is missing or not a whole number":       "times are whole seconds up to the year 9999; readers differ in how they round others",
	"claims: auth_time is missing or not a whole number": "the other libraries do not check auth_time",
	"signature: crypto/rsa: verification error":          "the salt of PSS has the length of the hash (RFC 7518 §3.5); golang-jwt accepts any",
	"audience: aud is missing or not made of strings":    "an empty name is the name of no program",
}

// theyRefuse lists why another verifier refuses what ours accepts: a part of its error,
// and the reason. None of them is about the claims that verifiers must agree on.
var theyRefuse = map[string]string{
	"failed to parse JOSE headers":  "jwx reads the members that locate a key, which ours ignores, and refuses them in an unexpected form",
	"invalid ECDSA signature":       "jwx leaves out white space around the header before it verifies the signature",
	"into Go value of type float64": "ours keeps an unknown claim as JSON, and Claim refuses it when the program reads it",
}

// check compares the verifiers on one token. It returns the entries of the two tables
// that explain a difference.
func (v *verifiers) check(t *testing.T, name, raw string) (accepted bool, entries []string) {
	t.Helper()
	ours, err := v.byOurs(raw)
	for peer, verify := range v.peers() {
		theirs, theirErr := verify(raw)
		entry := ""
		switch {
		case err == nil && theirErr != nil:
			if entry = explained(theirErr, theyRefuse); entry == "" {
				t.Errorf("%s: ours accepts what %s refuses: %v\n%q", name, peer, theirErr, raw)
			}
		case err == nil && !ours.equal(theirs):
			t.Errorf("%s: ours has %+v, %s has %+v\n%q", name, ours, peer, theirs, raw)
		case err != nil && theirErr == nil:
			if entry = explained(err, oursRefuses); entry == "" {
				t.Errorf("%s: %s accepts what ours refuses, which oursRefuses does not explain: %v\n%q", name, peer, err, raw)
			}
		}
		entries = append(entries, entry)
	}
	return err == nil, entries
}

func explained(err error, table map[string]string) string {
	for text := range table {
		if strings.Contains(err.Error(), text) {
			return text
		}
	}
	return ""
}

// What ours accepts, golang-jwt and jwx accept with the same claims.
func TestTV18_NeverLaxerThanOtherVerifiers(t *testing.T) {
	keys := newIssuerKeys(t)
	v := newVerifiers(t, keys.set)
	all := corpus(t, keys)
	used := map[string]bool{}
	for _, s := range all {
		accepted, entries := v.check(t, s.name, s.raw)
		if accepted != s.valid {
			_, err := v.byOurs(s.raw)
			t.Errorf("%s: accepted %t, want %t: %v", s.name, accepted, s.valid, err)
		}
		for _, e := range entries {
			used[e] = true
		}
	}
	for _, table := range []map[string]string{oursRefuses, theyRefuse} {
		for text := range table {
			if !used[text] {
				t.Errorf("no token of the corpus needs the entry %q", text)
			}
		}
	}
	t.Logf("%d tokens", len(all))
}

// FuzzClaims compares the verifiers on any header and payload, signed by the issuer.
func FuzzClaims(f *testing.F) {
	keys := newIssuerKeys(f)
	v := newVerifiers(f, keys.set)
	for _, s := range corpus(f, keys) {
		if part := strings.Split(s.raw, "."); len(part) == 3 {
			f.Add(decoded(part[0]), decoded(part[1]), byte(0))
		}
	}
	f.Fuzz(func(t *testing.T, header, payload string, key byte) {
		raw := keys.sign(t, []string{"es", "ed", "rs", "ps"}[key%4], header, payload)
		v.check(t, "fuzzed", raw)
	})
}

// FuzzToken compares the verifiers on any text.
func FuzzToken(f *testing.F) {
	keys := newIssuerKeys(f)
	v := newVerifiers(f, keys.set)
	for _, s := range corpus(f, keys) {
		f.Add(s.raw)
	}
	f.Fuzz(func(t *testing.T, raw string) { v.check(t, "fuzzed", raw) })
}

func decoded(part string) string {
	text, _ := encoding.DecodeString(part)
	return string(text)
}
