package differential

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
)

var (
	seed     = flag.Uint64("seed", 1, "the seed of the generated tokens")
	generate = flag.Int("tokens", 2000, "how many tokens to generate")
)

// The values of the generated members. The first of each is the good one, and is drawn
// about as often as all others together.
var (
	anyValues = []string{`"x"`, `null`, `true`, `0`, `-1`, `1.5`, `1e3`, `99999999999999999999`, `""`, `"\u0000"`, `"\ud83d\ude00"`, `"\ud800"`, `[]`, `["x"]`, `[1]`, `{}`, `{"a":1}`, `{"a":1,"a":2}`, `[[[]]]`, `"` + "\xff" + `"`, `01`, `x`}

	headerMembers = map[string][]string{
		"alg":  {`"ES256"`, `"EdDSA"`, `"RS256"`, `"PS256"`, `"none"`, `"HS256"`, `"es256"`},
		"kid":  {`"es"`, `"ed"`, `"rs"`, `"ps"`, `"es\u0000"`, `"e s"`},
		"typ":  {`"session+jwt"`, `"JWT"`, `"refresh+jwt"`, `"SESSION+JWT"`},
		"cty":  {`"JWT"`},
		"crit": {`["b64"]`, `["x"]`},
		"b64":  {`true`, `false`},
		"zip":  {`"DEF"`},
		"jku":  {`"https://evil.example"`},
		"jwk":  {`{"kty":"oct","k":"AAAA"}`},
		"x5u":  {`"https://evil.example"`},
		"x5c":  {`["MA=="]`},
		"ALG":  {`"none"`},
		"x":    {`"y"`},
	}
	payloadMembers = map[string][]string{
		"iss":       {`"https://auth.example.com"`, `"https:\/\/auth.example.com"`, `"https://auth.example.com/"`},
		"aud":       {`"shop"`, `["shop"]`, `["x","shop"]`, `["shop",1]`, `"\u0073hop"`, `["shop",""]`, `["x"]`},
		"sub":       {`"u1"`, `"ü"`, `"admin"`},
		"sid":       {`"s1"`, `"s\n2"`},
		"jti":       {`"j1"`},
		"drn":       {`"DS"`, `"DSR"`},
		"iat":       {`1893553445`, `1893553450`, `1893553451`, `1893553445.9`, `1.893553445e9`, `1`},
		"exp":       {`1893554045`, `1893553441`, `1893553440`, `1893554045.5`, `253402300799`, `253402300800`, `"1893554045"`},
		"nbf":       {`1893553450`, `1893553451`, `1893553450.5`},
		"auth_time": {`1893553445`},
		"Sub":       {`"admin"`},
		"EXP":       {`9999999999`},
		"\\u0073ub": {`"admin"`},
		"x":         {`{"roles":["a"]}`},
	}
	headerNames  = []string{"alg", "kid", "typ", "cty", "crit", "b64", "zip", "jku", "jwk", "x5u", "x5c", "ALG", "x"}
	payloadNames = []string{"iss", "aud", "sub", "sid", "jti", "drn", "iat", "exp", "nbf", "auth_time", "Sub", "EXP", "\\u0073ub", "x"}
)

// object returns a JSON object: the first required names with mostly good values, then
// some of the others.
func object(r *rand.Rand, names []string, members map[string][]string, required int) string {
	var parts []string
	for i, name := range names {
		if chance := r.IntN(40); i < required && chance == 0 || i >= required && chance > 1 {
			continue
		}
		values := members[name]
		value := values[0]
		switch r.IntN(20) {
		case 0:
			value = anyValues[r.IntN(len(anyValues))]
		case 1, 2:
			value = values[r.IntN(len(values))]
		}
		parts = append(parts, `"`+name+`":`+value)
	}
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	if n := len(parts); n > 0 && r.IntN(40) == 0 {
		parts = append(parts, parts[r.IntN(n)])
	}
	space := []string{"", "", "", " ", "\n\t"}[r.IntN(5)]
	return "{" + space + strings.Join(parts, space+","+space) + space + "}"
}

// Any mixture of members is read alike, or is refused by ours.
func TestTV18_GeneratedTokens(t *testing.T) {
	keys := newIssuerKeys(t)
	v := newVerifiers(t, keys.set)
	r := rand.New(rand.NewPCG(*seed, 0))
	count := 0
	for range *generate {
		raw := keys.sign(t, []string{"es", "es", "es", "ed", "rs", "ps"}[r.IntN(6)], object(r, headerNames, headerMembers, 3), object(r, payloadNames, payloadMembers, 8))
		if accepted, _ := v.check(t, "generated", raw); accepted {
			count++
		}
	}
	if count < *generate/20 {
		t.Errorf("only %d of %d generated tokens were accepted", count, *generate)
	}
	t.Logf("%d of %d tokens were accepted", count, *generate)
}
