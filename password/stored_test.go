package password

import (
	"fmt"
	"strings"
	"testing"
)

// memoryKiB returns how much memory matches needs.
func memoryKiB(s scheme) uint32 {
	scrypt := func(n, r, p int) uint32 { return uint32(r * (n + p) / 8) }
	switch s := s.(type) {
	case *native:
		return s.params.Memory
	case *wrapped:
		return s.outer.params.Memory
	case *foreignArgon2:
		return s.params.Memory
	case *scryptHash:
		return scrypt(s.n, s.r, s.p)
	case *firebaseHash:
		return scrypt(1<<s.memoryExp, s.rounds, 1)
	}
	return 0
}

// A stored string is read up to the limits, and in exactly the form in which it is
// written. Nothing is computed for that.
func TestHA05_StoredStringsAreReadToTheLimits(t *testing.T) {
	bytes := func(n int) string { return b64(make([]byte, n)) }
	salt, tag := bytes(16), bytes(32)
	argon := func(costs string) string { return "$argon2id$v=19$" + costs + "$" + salt + "$" + tag }
	const salted, letters = "c2FsdA", "./09AZaz"
	native := argon("m=65536,t=3,p=4")
	firebase := func(costs string, salt, separator, signer, encoded int) string {
		return fmt.Sprintf("$x-firebase$%s$%s$%s$%s$%s", costs, bytes(salt), bytes(separator), bytes(signer), bytes(encoded))
	}
	pbkdf2 := func(digest string, iterations, length int) string {
		return fmt.Sprintf("$x-pbkdf2-%s$i=%d$%s$%s", digest, iterations, salt, bytes(length))
	}
	for encoded, ok := range map[string]bool{
		argon("m=262144,t=10,p=64"):              true,
		argon("m=262145,t=10,p=64"):              false,
		argon("m=262144,t=11,p=64"):              false,
		argon("m=262144,t=10,p=65"):              false,
		argon("m=262144,t=10,p=320"):             false, // 64 in one byte
		argon("m=512,t=1,p=64"):                  true,
		argon("m=511,t=1,p=64"):                  false,
		argon("m=8,t=1,p=1"):                     true,
		argon("m=8,t=0,p=1"):                     false,
		argon("m=8,t=1,p=0"):                     false,
		argon("m=65536,t=3"):                     false,
		argon("m=65536,t=3,p=4,x=1"):             false,
		argon("m=065536,t=3,p=4"):                false,
		argon("m=x,t=3,p=4"):                     false,
		argon("m=65536,t=3,p=4294967300"):        false, // 4 in 32 bits
		argon("t=3,m=65536,p=4"):                 false,
		argon("m=+65536,t=3,p=4"):                false,
		argon("m=65536,t=3,p=4,keyid=a.b-1"):     true,
		argon("m=65536,t=3,p=4,keyid="):          false,
		argon("m=65536,t=3,p=4,keyid=a b"):       false,
		native + "$" + tag:                       false,
		"x" + native:                             false,
		"$argon2id$v=19$m=65536,t=3,p=4$" + salt: false,
		"$argon2id$v=19$m=65536,t=3,p=4$" + bytes(256) + "$" + bytes(64):           true,
		"$argon2id$v=19$m=65536,t=3,p=4$" + bytes(257) + "$" + bytes(64):           false,
		"$argon2id$v=19$m=65536,t=3,p=4$" + bytes(256) + "$" + bytes(65):           false,
		"$argon2id$v=19$m=65536,t=3,p=4$$" + bytes(16):                             true,
		"$argon2id$v=19$m=65536,t=3,p=4$$" + bytes(15):                             false,
		"$argon2id$v=19$m=65536,t=3,p=4$" + salt[:8] + "\n" + salt[8:] + "$" + tag: false,
		"$argon2id$v=19$m=65536,t=3,p=4$" + salt + "$" + tag[:8] + "\r" + tag[8:]:  false,
		"$argon2id$v=19$m=65536,t=3,p=4$!$" + tag:                                  false,

		"$x-argon2i$v=19$m=8,t=1,p=1$" + salt + "$" + tag:             true,
		"$x-argon2i$v=19$m=8,t=1,p=1$" + salt + "$" + tag + "$" + tag: false,
		"$x-argon2i$v=19$m=8,t=1,p=1$" + salt:                         false,
		"$x-argon2d$v=19$m=8,t=1,p=1$" + salt + "$" + tag:             false,

		"$pbkdf2-sha256$i=2000000$" + salt + "$" + tag:       true,
		"$pbkdf2-sha256$i=2000001$" + salt + "$" + tag:       false,
		"$pbkdf2-sha256$i=1,keyid=a$" + salt + "$" + tag:     true,
		"$pbkdf2-sha256$i=1,keyid=$" + salt + "$" + tag:      false,
		"$pbkdf2-sha256$i=0$" + salt + "$" + tag:             false,
		"$pbkdf2-sha256$i=1000000$" + salt + "$" + bytes(33): true,
		"$pbkdf2-sha256$i=1000001$" + salt + "$" + bytes(33): false,
		"$pbkdf2-sha256$i=1$" + salt:                         false,
		"$pbkdf2-sha256$i=1$" + salt + "$" + tag + "$" + tag: false,
		pbkdf2("sha1", 2_000_000, 20):                        true,
		pbkdf2("sha1", 2_000_001, 20):                        false,
		pbkdf2("sha1", 1_000_000, 21):                        true,
		pbkdf2("sha1", 1_000_001, 21):                        false,
		pbkdf2("sha512", 2_000_000, 64):                      true,
		pbkdf2("sha512", 2_000_000, 65):                      false,
		pbkdf2("sha256", 1, 16):                              true,
		pbkdf2("sha256", 0, 16):                              false,
		pbkdf2("md5", 1, 16):                                 false,
		pbkdf2("sha256", 1, 16) + "$":                        false,

		"$x-scrypt$n=2,r=1,p=1$" + salt + "$" + tag:      true,
		"$x-scrypt$n=1,r=1,p=1$" + salt + "$" + tag:      false,
		"$x-scrypt$n=3,r=1,p=1$" + salt + "$" + tag:      false,
		"$x-scrypt$n=2,r=0,p=1$" + salt + "$" + tag:      false,
		"$x-scrypt$n=2,r=1,p=0$" + salt + "$" + tag:      false,
		"$x-scrypt$n=2,r=524288,p=2$" + salt + "$" + tag: true, // 256 MiB
		"$x-scrypt$n=2,r=524289,p=2$" + salt + "$" + tag: false,
		"$x-scrypt$n=262144,r=8,p=1$" + salt + "$" + tag: false,
		"$x-scrypt$n=16384,r=8,p=16$" + salt + "$" + tag: true, // 2^21
		"$x-scrypt$n=16384,r=8,p=17$" + salt + "$" + tag: false,
		"$x-scrypt$n=2,r=1,p=1$" + salt:                  false,
		"$x-scrypt$n=2,r=1,p=1$!$" + tag:                 false,

		firebase("m=17,r=8", 128, 128, 256, 256):                true,
		firebase("m=18,r=8", 128, 128, 256, 256):                false,
		firebase("m=17,r=8", 129, 128, 256, 256):                false,
		firebase("m=17,r=8", 128, 129, 256, 256):                false,
		firebase("m=17,r=8", 128, 128, 257, 257):                false,
		firebase("m=1,r=1", 0, 0, 16, 16):                       true,
		firebase("m=1,r=1", 0, 0, 15, 15):                       false,
		firebase("m=1,r=1", 0, 0, 16, 17):                       false,
		firebase("m=0,r=1", 0, 0, 16, 16):                       false,
		firebase("m=1,r=0", 0, 0, 16, 16):                       false,
		firebase("m=1,r=1", 0, 0, 16, 16) + "$":                 false,
		firebase("m=1", 0, 0, 16, 16):                           false,
		"$x-firebase$m=1,r=1$!$$" + bytes(16) + "$" + bytes(16): false,

		"$x-bcrypt$2b$14$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW":           true,
		"$x-bcrypt,keyid=a.b$2b$14$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW": true,
		"$x-bcrypt,keyid=$2b$14$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW":    false,
		"$x-bcrypt,keyid=_$2b$14$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW":   false,
		"$x-bcrypt$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW":           false,
		"$x-bcrypt$2b$14CCCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW":           false,
		"$x-bcrypt$2b$14$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe":            false,
		"$x-bcrypt$2b$14$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe!":           false,
		"$x-bcrypt$2b$xx$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW":           false,

		"$x-wrapped$md5" + native:                                           true,
		"$x-wrapped$sha384" + native:                                        false,
		"$x-wrapped$" + native:                                              false,
		"$x-wrapped$md5":                                                    false,
		"$x-wrapped$md5$argon2id":                                           false,
		"$x-wrapped$md5:salt-first:" + salted + native:                      true,
		"$x-wrapped$md5:salt-last:" + bytes(256) + native:                   true,
		"$x-wrapped$md5:salt-last:" + bytes(257) + native:                   false,
		"$x-wrapped$md5:salt-last:" + native:                                false,
		"$x-wrapped$md5:salt-last:!" + native:                               false,
		"$x-wrapped$md5:salt-last" + native:                                 false,
		"$x-wrapped$md5:salt:" + salted + native:                            false,
		"$x-wrapped$md5:salt-last:" + salted + ":x" + native:                false,
		"$x-wrapped$phpass-md5:7:22:" + letters + native:                    true,
		"$x-wrapped$phpass-md5:6:22:" + letters + native:                    false,
		"$x-wrapped$phpass-md5:20:22:" + letters + native:                   true,
		"$x-wrapped$phpass-md5:21:22:" + letters + native:                   false,
		"$x-wrapped$phpass-md5:31:22:" + letters + native:                   false,
		"$x-wrapped$phpass-md5:07:22:" + letters + native:                   false,
		"$x-wrapped$phpass-md5:x:22:" + letters + native:                    false,
		"$x-wrapped$phpass-md5:7:x:" + letters + native:                     false,
		"$x-wrapped$phpass-md5:7:43:" + letters + native:                    false,
		"$x-wrapped$phpass-md5:7:22:" + letters + "x" + native:              false,
		"$x-wrapped$phpass-md5:7:22:saltsal!" + native:                      false,
		"$x-wrapped$phpass-md5:7:22" + native:                               false,
		"$x-wrapped$phpass-md5:7:22:" + letters + ":" + native:              false,
		"$x-wrapped$phpass-sha512:7:86:" + letters + native:                 true,
		"$x-wrapped$phpass-sha512:7:43:" + letters + native:                 true,
		"$x-wrapped$phpass-sha512:7:22:" + letters + native:                 false,
		"$x-wrapped$phpass-sha1:7:22:" + letters + native:                   false,
		"$x-wrapped$x-pbkdf2-sha256:i=1:" + salted + ":64" + native:         true,
		"$x-wrapped$x-pbkdf2-sha256:i=1:" + salted + ":65" + native:         false,
		"$x-wrapped$x-pbkdf2-sha256:i=1:" + salted + ":16" + native:         true,
		"$x-wrapped$x-pbkdf2-sha256:i=1:" + salted + ":15" + native:         false,
		"$x-wrapped$x-pbkdf2-sha256:i=1:" + salted + ":016" + native:        false,
		"$x-wrapped$x-pbkdf2-sha256:i=1:" + salted + ":x" + native:          false,
		"$x-wrapped$x-pbkdf2-sha256:i=0:" + salted + ":16" + native:         false,
		"$x-wrapped$x-pbkdf2-sha256:i=1:" + salted + ":-1" + native:         false,
		"$x-wrapped$spring-sha256:c2FsdHNhbHQ" + native:                     true,
		"$x-wrapped$spring-sha256:c2FsdA" + native:                          false,
		"$x-wrapped$spring-sha256:!" + native:                               false,
		"$x-wrapped":                                                        false,
		"$x-wrapped$x-16" + native:                                          false,
		"$x-wrapped$x-firebase:m=1,r=1:AA:AA:" + bytes(16) + ":16" + native: true,
		"$x-wrapped$x-firebase:m=1,r=1:AA:AA:" + bytes(16) + ":17" + native: false,
		"$x-wrapped$x-firebase:m=1,r=1:::" + bytes(256) + ":256" + native:   true,
		"$x-wrapped$x-firebase:m=1,r=1:::" + bytes(257) + ":257" + native:   false,

		strings.Repeat("$", 2048): false,
		"$x-unknown$x":            false,
		"$x":                      false,
		"":                        false,
	} {
		s, err := parse(encoded)
		if (err == nil) != ok {
			t.Errorf("%.100q: %v, want it to be read: %t", encoded, err, ok)
		} else if ok && s.encode() != encoded {
			t.Errorf("%q is encoded as %q", encoded, s.encode())
		}
	}
}

// What other systems have stored is taken up to the limits, without a computation.
func TestHA06_PartsOfForeignHashesAreTakenToTheLimits(t *testing.T) {
	digits, letters := strings.Repeat("0", 32), strings.Repeat(".", 22)
	phpass := func(hash string, iterations int, kind string) *PHPass {
		return &PHPass{Hash: hash, Salt: "IQRaTwmf", Iterations: iterations, Type: kind}
	}
	whole := func(cost string) *PHPass { return &PHPass{Hash: "$P$" + cost + "IQRaTwmf" + letters} }
	for name, c := range map[string]struct {
		given importable
		want  string // of the error; "" means none
	}{
		"md5, salt of 256 bytes":     {&MD5{Hash: digits, Salt: make([]byte, 256)}, ""},
		"md5, salt of 257 bytes":     {&MD5{Hash: digits, Salt: make([]byte, 257)}, "MD5.Salt"},
		"md5, 30 digits":             {&MD5{Hash: digits[2:]}, "32 hexadecimal digits"},
		"md5, a letter more":         {&MD5{Hash: digits + "x"}, "32 hexadecimal digits"},
		"scrypt, over the memory":    {&Scrypt{N: 1 << 18, R: 8, P: 1}, "256 MiB"},
		"django md5":                 {&Django{Hash: "md5$salt$" + digits}, ""},
		"django sha1":                {&Django{Hash: "sha1$salt$" + digits + digits[:8]}, ""},
		"django sha1, short":         {&Django{Hash: "sha1$salt$" + digits}, "40 hexadecimal digits"},
		"phpass, exponent 7":         {phpass(letters, 7, "md5"), ""},
		"phpass, exponent 6":         {phpass(letters, 6, ""), "PHPass:"},
		"phpass, exponent 20":        {phpass(letters, 20, ""), ""},
		"phpass, exponent 21":        {phpass(letters, 21, ""), "PHPass:"},
		"phpass, exponent 30":        {phpass(letters, 30, ""), "PHPass:"},
		"phpass, 31 rounds":          {phpass(letters, 31, ""), "PHPass.Iterations"},
		"phpass, 64 rounds":          {phpass(letters, 64, ""), "PHPass:"},
		"phpass, 128 rounds":         {phpass(letters, 128, ""), ""},
		"phpass, 129 rounds":         {phpass(letters, 129, ""), "PHPass.Iterations"},
		"phpass, 2^20 rounds":        {phpass(letters, 1<<20, ""), ""},
		"phpass, 2^21 rounds":        {phpass(letters, 1<<21, ""), "PHPass:"},
		"phpass sha512":              {phpass(letters[1:]+letters, 15, "sha512"), ""},
		"phpass sha512, short":       {phpass(letters, 15, "sha512"), "PHPass:"},
		"phpass md5, long":           {phpass(letters[1:]+letters, 15, "md5"), "PHPass:"},
		"phpass sha1":                {phpass(letters, 15, "sha1"), "PHPass.Type"},
		"phpass whole, cost 7":       {whole("5"), ""},
		"phpass whole, cost 6":       {whole("4"), "PHPass.Hash"},
		"phpass whole, cost 20":      {whole("I"), ""},
		"phpass whole, cost 30":      {whole("S"), "PHPass:"},
		"phpass whole, cost 31":      {whole("T"), "PHPass.Hash"},
		"phpass whole, no cost":      {whole("!"), "PHPass.Hash"},
		"phpass whole, no hash":      {&PHPass{Hash: "$P$9IQRaTwmf"}, "PHPass.Hash: is too short"},
		"phpass whole, another name": {&PHPass{Hash: "$Q$9IQRaTwmf" + letters}, "PHPass.Hash"},
		"phpass whole, and a salt":   {&PHPass{Hash: "$P$9IQRaTwmf" + letters, Salt: "IQRaTwmf"}, "PHPass.Hash"},
		"phpass whole, and a cost":   {&PHPass{Hash: "$P$9IQRaTwmf" + letters, Iterations: 11}, "PHPass.Hash"},
		"phpass whole, and a type":   {&PHPass{Hash: "$P$9IQRaTwmf" + letters, Type: "md5"}, "PHPass.Hash"},
	} {
		if _, err := c.given.convert(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A hash that is cheaper than these is wrapped.
func TestHA08_WhichCostsAreTooLow(t *testing.T) {
	for name, c := range map[string]struct {
		of   derived
		weak bool
	}{
		"argon2, 16 MiB":         {&foreignArgon2{params: Params{Memory: 16384, Time: 1}}, false},
		"argon2, 8 MiB twice":    {&foreignArgon2{params: Params{Memory: 8192, Time: 2}}, false},
		"argon2, a KiB less":     {&foreignArgon2{params: Params{Memory: 16383, Time: 1}}, true},
		"pbkdf2, 100,000":        {&foreignPBKDF2{iterations: 100_000}, false},
		"pbkdf2, 99,999":         {&foreignPBKDF2{iterations: 99_999}, true},
		"scrypt, 2^14 × 8":       {&scryptHash{n: 1 << 14, r: 8, p: 1}, false},
		"scrypt, 2^13 × 8 twice": {&scryptHash{n: 1 << 13, r: 8, p: 2}, false},
		"scrypt, 2^13 × 8":       {&scryptHash{n: 1 << 13, r: 8, p: 1}, true},
		"firebase, 2^14 × 8":     {&firebaseHash{memoryExp: 14, rounds: 8}, false},
		"firebase, 2^14 × 7":     {&firebaseHash{memoryExp: 14, rounds: 7}, true},
	} {
		if c.of.weak() != c.weak {
			t.Errorf("%s: weak is %t", name, !c.weak)
		}
	}
}

func TestHA03_OnlyCurrentHashesAreCurrent(t *testing.T) {
	h, err := NewHasher(HasherConfig{})
	if err != nil {
		t.Fatal(err)
	}
	salt, tag := make([]byte, saltLen), make([]byte, tagLen)
	cheaper := h.current
	cheaper.params.Time--
	for name, c := range map[string]struct {
		stored  scheme
		current bool
	}{
		"as new ones":    {h.current.withTag(salt, tag), true},
		"other costs":    {cheaper.withTag(salt, tag), false},
		"a short salt":   {h.current.withTag(salt[1:], tag), false},
		"a short tag":    {h.current.withTag(salt, tag[1:]), false},
		"another system": {&foreignArgon2{variant: "argon2id", params: h.current.params, salt: salt, tag: tag}, false},
	} {
		if h.isCurrent(c.stored) != c.current {
			t.Errorf("%s: current is %t", name, !c.current)
		}
	}
}

func TestPepperIDs(t *testing.T) {
	for id, ok := range map[string]bool{
		"azAZ09.-": true, strings.Repeat("a", maxPepperIDLen): true, strings.Repeat("a", maxPepperIDLen+1): false, "": false,
		"`": false, "{": false, "@": false, "[": false, "/": false, ":": false, "_": false, "é": false,
	} {
		if validPepperID(id) != ok {
			t.Errorf("%q is valid: %t", id, !ok)
		}
	}
}

// FuzzVerifyEncoded parses stored strings as Verify does before it computes
// anything: parsing never panics, its result is within the limits, and encoding
// returns the same string.
func FuzzVerifyEncoded(f *testing.F) {
	const argon = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, s := range []string{
		argon,
		"$argon2id$v=19$m=65536,t=3,p=4,keyid=a.b-1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=4294967295,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$pbkdf2-sha256$i=600000$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$x-argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
		"$x-bcrypt$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$x-django-bcrypt-sha256$2b$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$x-bcrypt,keyid=devise$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$x-wrapped$spring-sha256:c2FsdHNhbHQ" + argon,
		"$x-pbkdf2-sha1$i=4096$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE",
		"$x-pbkdf2-sha512$i=4096$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$x-scrypt$n=16384,r=8,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$x-firebase$m=14,r=8$c2FsdA$Bw$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$x-wrapped$md5" + argon,
		"$x-wrapped$sha256:salt-last:c2FsdA" + argon,
		"$x-wrapped$phpass-sha512:15:43:eIZ1KTE." + argon,
		"",
		"$",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		s, err := parse(encoded)
		if err != nil {
			return
		}
		if got := s.encode(); got != encoded {
			t.Fatalf("%q is encoded as %q", encoded, got)
		}
		if m := memoryKiB(s); m > maxMemory {
			t.Fatalf("%q needs %d KiB", encoded, m)
		}
		if id := s.pepperID(); id != "" && !validPepperID(id) {
			t.Fatalf("%q needs pepper %q", encoded, id)
		}
	})
}
