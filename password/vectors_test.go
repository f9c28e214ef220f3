package password_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher/password"
)

// vector is a hash that another program made, as a line of an import has it. The file
// testdata/foreign.json names the program and its version.
type vector struct {
	Tool, Name, Password string
	// Pepper is the foreign pepper with the ID "devise".
	Pepper string
	Hash   json.RawMessage
}

func vectors(t *testing.T) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/foreign.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestHA09_HashesOfOtherProgramsVerify(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			h := newHasher(t, password.HasherConfig{})
			if v.Pepper != "" {
				h = newHasher(t, password.HasherConfig{ForeignPeppers: []password.Pepper{{ID: "devise", Key: []byte(v.Pepper)}}})
			}
			var f password.Foreign
			if err := json.Unmarshal(v.Hash, &f); err != nil {
				t.Fatal(err)
			}
			stored, err := h.Import(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if v.Pepper != "" && strings.Contains(stored, v.Pepper) {
				t.Errorf("the pepper is in %q", stored)
			}
			if ok, rehash := verify(t, h, stored, v.Password); !ok || !rehash {
				t.Errorf("the right password of %s is %t, rehash %t", v.Tool, ok, rehash)
			}
			if ok, _ := verify(t, h, stored, v.Password+"z"); ok {
				t.Error("a wrong password is right")
			}
		})
		var formats map[string]any
		_ = json.Unmarshal(v.Hash, &formats)
		for format := range formats {
			seen[format] = true
		}
	}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, []string{
		"argon2", "aspnet", "bcrypt", "django", "firebase", "md5", "pbkdf2", "phpass", "scrypt", "sha", "spring",
	}) {
		t.Errorf("there are vectors for %q only", got)
	}
}

// What a column of a CSV file has after the hash does not count.
func TestHA09_TheEndOfALineAfterAHashIsIgnored(t *testing.T) {
	for _, v := range vectors(t) {
		var formats map[string]map[string]any
		if err := json.Unmarshal(v.Hash, &formats); err != nil {
			t.Fatal(err)
		}
		for _, members := range formats {
			for _, name := range []string{"hash", "phc", "encoded"} {
				if text, ok := members[name].(string); ok {
					members[name] = text + "\r\n"
				}
			}
		}
		line, _ := json.Marshal(formats)
		var f password.Foreign
		if err := json.Unmarshal(line, &f); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
		h := newHasher(t, password.HasherConfig{ForeignPeppers: []password.Pepper{{ID: "devise", Key: []byte{1}}}})
		if _, err := h.Import(t.Context(), f); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}

func TestHA09_EveryRefusedHashNamesTheFieldAndTheReason(t *testing.T) {
	const salted = `"salt": "BuA5IR4PHHbKpw==", "saltSeparator": "Bw=="`
	const signer = `"signerKey": "w5ym8cME5KwxLne54P+U8bHqP4zu363s9wHa9s9L0yLkGsmIr5T2uCMcU3/m3aJYgbTi2O0ol4NQ2E2Pg9n5Zw=="`
	const hash = `"hash": "LowPH6r3z89h2OQUfu1aM1mC1wZ8IYqiwb3vSMDCP6g22JIOaA3W6r4E6xwH0A+LLIGRw+e0L33vsYuAXWXa3w=="`
	const fbscrypt = "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw==$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw=="
	encoded := func(old, new string) string {
		return `{"firebase": {"encoded": "` + strings.Replace(fbscrypt, old, new, 1) + `"}}`
	}
	h := newHasher(t, password.HasherConfig{ForeignPeppers: []password.Pepper{{ID: "devise", Key: []byte{1}}}})
	for line, want := range map[string]string{
		`{"firebase": {` + salted + `, ` + signer + `, ` + hash + `, "memory": 8, "rounds": 14}}`:   "Firebase.Rounds: 14 is not between 1 and 8",
		`{"firebase": {` + salted + `, ` + signer + `, ` + hash + `, "memory": 15, "rounds": 8}}`:   "Firebase.Memory: 15 is not between 1 and 14",
		`{"firebase": {` + salted + `, ` + signer + `, ` + hash + `, "memory": 14}}`:                "Firebase.Rounds: 0 is not between",
		`{"firebase": {` + salted + `, ` + hash + `, "memory": 14, "rounds": 8}}`:                   "Firebase.SignerKey: has 0 bytes",
		`{"firebase": {` + salted + `, ` + signer + `, "memory": 14, "rounds": 8}}`:                 "Firebase.Hash: has 0 bytes",
		`{"firebase": {` + salted + `, "signerKey": "#", "memory": 14, "rounds": 8}}`:               "Firebase.SignerKey: is not base64",
		`{"firebase": {` + salted + `, ` + signer + `, ` + hash + `, "memory": "14", "rounds": 8}}`: "Firebase.Memory: must not be a JSON string",
		`{"firebase": {"mem_cost": 14}}`: "Firebase.mem_cost: is not a member",
		`{"firebase": 14}`:               "firebase: must not be a JSON number",
		`{"firebase": {"encoded": "` + fbscrypt + `", "memory": 14}}`: "Firebase.Encoded: is set together",
		encoded("$fbscrypt", "$fbs"):                                  "Firebase.Encoded: is not a string $fbscrypt$",
		encoded("p=1", "p=2"):                                         "Firebase.Encoded: has other settings",
		encoded("ss=Bw==", "ss=#"):                                    "Firebase.Encoded: has a part that is not base64",
		encoded("n=14,r=8", "n=8,r=14"):                               "Firebase.Encoded: 14 is not between 1 and 8",
		`{"bcrypt": {"hash": "$2x$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG"}}`:                              "Bcrypt.Hash: is not $2a$, $2b$ or $2y$",
		`{"bcrypt": {"hash": "$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/B"}}`:                               "Bcrypt.Hash: has 59 characters, not 60",
		`{"bcrypt": {"hash": "$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG", "pepperId": "other"}}`:         `Bcrypt.PepperID: "other" is not in HasherConfig.ForeignPeppers`,
		`{"bcrypt": {"hash": "$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG", "pepperId": "a$b"}}`:           "Bcrypt.PepperID: is not the ID of a pepper",
		`{"stored": "$x-bcrypt,keyid=other$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG"}`:                   `Stored: needs the pepper "other"`,
		`{"argon2": {"phc": "$argon2d$v=19$m=16384,t=2,p=1$c29tZXNhbHRzYWx0$tJvDgDOI6U4ObtVV3oTdXlw13bmoVDTwE5QTEjvp3sQ"}}`: "Argon2.PHC: is not an argon2id or argon2i",
		`{"spring": {"hash": "$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG"}}`:                              "Spring.Hash: does not begin with the name",
		`{"spring": {"hash": "{noop}password"}}`:                                                                            "Spring.Hash: is a password in clear",
		`{"spring": {"hash": "{ldap}{SSHA}x"}}`:                                                                             "Spring.Hash: names no supported encoder",
		`{"spring": {"hash": "{bcrypt}$2a$04$dXJ3SW6G7P50lG"}}`:                                                             "Spring.Hash: has 21 characters",
		`{"spring": {"hash": "{sha256}97cde38028ad898e"}}`:                                                                  "Spring.Hash: is not 80 hexadecimal digits",
		`{"spring": {"hash": "{pbkdf2}97cde38028ad898e"}}`:                                                                  "Spring.Hash: malformed",
		`{"spring": {"hash": "{scrypt}$e0801$AAAA"}}`:                                                                       "Spring.Hash: malformed",
		`{"spring": {"hash": "{scrypt}$zz$AAAA$AAAA"}}`:                                                                     "Spring.Hash: malformed",
		`{"spring": {"hash": "{scrypt}$e0801$#$AAAA"}}`:                                                                     "Spring.Hash: malformed",
		`{"spring": {"hash": "{scrypt}$e0801$AAAA$#"}}`:                                                                     "Spring.Hash: malformed",
		`{"spring": {"hash": "{scrypt}$ff0801$AAAA$AAAA"}}`:                                                                 "Spring.Hash: N 4294967296",
		`{"aspnet": {"hash": "AwAB"}}`:                                                                                      "ASPNet.Hash: is not a hash of version 2 or 3",
		`{"aspnet": {"hash": "AAABAgME"}}`:                                                                                  "ASPNet.Hash: is not a hash of version 2 or 3",
		`{"aspnet": {"hash": "#"}}`:                                                                                         "ASPNet.Hash: is not base64",
		`{"aspnet": {"hash": "AQAAAAMAAAAyAAAAEOMwvh3+FZxqkdMB"}}`:                                                          "ASPNet.Hash: names an unknown digest",
		`{"aspnet": {"hash": "AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdM="}}`:                                                          "ASPNet.Hash: is cut short",
		`{"aspnet": {"hash": "AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4A="}}`:                                              "ASPNet.Hash: hash has 3 bytes",
		`{"aspnet": {"hash": "AQAAAAL/////AAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw"}}`:                              "ASPNet.Hash: 4294967295 iterations",
		`{"ldap": {"hash": "x"}}`:                                                                                           "ldap: is not a member",
		`"x"`:                                                                                                               "Foreign: must be a JSON object",
		`{}`:                                                                                                                "Foreign: has 0 formats set",
	} {
		var f password.Foreign
		err := json.Unmarshal([]byte(line), &f)
		if err == nil {
			_, err = h.Import(t.Context(), f)
		}
		var refused *password.ImportError
		if !errors.As(err, &refused) || !strings.HasPrefix(refused.Field+": "+refused.Reason, want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

func TestHA09_AForeignPepperMakesNoNewHash(t *testing.T) {
	h := newHasher(t, password.HasherConfig{ForeignPeppers: []password.Pepper{{ID: "devise", Key: []byte("short")}}})
	if stored := mustHash(t, h, "vast otter sings low"); strings.Contains(stored, "keyid") {
		t.Errorf("a new hash is %q", stored)
	}
	one := password.Pepper{ID: "a", Key: []byte{1}}
	for name, c := range map[string]password.HasherConfig{
		"no ID":            {ForeignPeppers: []password.Pepper{{Key: []byte{1}}}},
		"no key":           {ForeignPeppers: []password.Pepper{{ID: "a"}}},
		"one ID twice":     {ForeignPeppers: []password.Pepper{one, one}},
		"the ID of an own": {ForeignPeppers: []password.Pepper{one}, Peppers: []password.Pepper{pepper("a", 1)}},
	} {
		if _, err := password.NewHasher(c); !errors.Is(err, password.ErrInvalidConfig) || !strings.Contains(err.Error(), "ForeignPeppers[") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A stored string that is not wrapped is a hash of its own format again.
func TestHA10_StoredHashesAreHashesOfTheirFormat(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	own := mustHash(t, h, "vast otter sings low")
	fips := mustHash(t, newHasher(t, password.HasherConfig{Algorithm: password.PBKDF2SHA256}), "vast otter sings low")
	stored := map[string]string{own: "vast otter sings low", fips: "vast otter sings low"}
	for _, v := range vectors(t) {
		var f password.Foreign
		if err := json.Unmarshal(v.Hash, &f); err != nil {
			t.Fatal(err)
		}
		if s, err := h.Import(t.Context(), f); err == nil { // without the one with a pepper
			stored[s] = v.Password
		}
	}
	formats := map[string]int{}
	for s, pw := range stored {
		f, err := password.ParseStored(s)
		if strings.HasPrefix(s, "$x-wrapped") {
			if !errors.Is(err, password.ErrNotPortable) {
				t.Errorf("%.40s: %v", s, err)
			}
			formats["wrapped"]++
			continue
		}
		if err != nil {
			t.Errorf("%.40s: %v", s, err)
			continue
		}
		again, err := h.Import(t.Context(), f)
		if ok, _ := verify(t, h, again, pw); err != nil || !ok || s != own && s != fips && again != s {
			t.Errorf("%.40s becomes %.40s, %v", s, again, err)
		}
		formats[strings.Split(s, "$")[1]]++
	}
	for _, f := range []string{"wrapped", "argon2id", "pbkdf2-sha256", "x-argon2id", "x-argon2i", "x-bcrypt", "x-django-bcrypt-sha256", "x-pbkdf2-sha1", "x-scrypt", "x-firebase"} {
		if formats[f] == 0 {
			t.Errorf("no hash has the format %s: %v", f, formats)
		}
	}
	peppered := mustHash(t, newHasher(t, password.HasherConfig{Peppers: []password.Pepper{pepper("a", 1)}}), "vast otter sings low")
	if _, err := password.ParseStored(peppered); !errors.Is(err, password.ErrNotPortable) {
		t.Errorf("with a pepper: %v", err)
	}
	if _, err := password.ParseStored("$what"); !errors.Is(err, password.ErrDamagedHash) {
		t.Errorf("a damaged hash: %v", err)
	}
}
