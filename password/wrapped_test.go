package password_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher/password"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/scrypt"
)

func TestHA08_FastHashesAreWrapped(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	n := 0
	for _, tt := range foreignVectors {
		var bare string
		switch {
		case tt.f.MD5 != nil:
			bare = tt.f.MD5.Hash
		case tt.f.SHA != nil:
			bare = tt.f.SHA.Hash
		case tt.f.PHPass != nil:
			bare = tt.f.PHPass.Hash[max(0, len(tt.f.PHPass.Hash)-22):]
		default:
			continue
		}
		n++
		stored, err := h.Import(t.Context(), tt.f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(stored), strings.ToLower(bare)) {
			t.Errorf("%s: the bare digest is in %q", tt.name, stored)
		}
		if raw, err := hex.DecodeString(bare); err == nil && strings.Contains(stored, base64.RawStdEncoding.EncodeToString(raw)) {
			t.Errorf("%s: the bare digest is in %q", tt.name, stored)
		}
		if !strings.Contains(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Errorf("%s: not wrapped: %q", tt.name, stored)
		}
		// An attacker who steals the old table cannot sign in with its values.
		if ok, _ := verify(t, h, stored, bare); ok {
			t.Errorf("%s: the digest itself signs in", tt.name)
		}
	}
	if h.Count() != uint64(2*n) || n < 8 {
		t.Errorf("%d computations for %d imports and checks", h.Count(), n)
	}
}

// A slow format with tiny costs is as fast to attack as a fast one.
func TestHA08_SlowFormatsWithTinyCostsAreWrapped(t *testing.T) {
	const pw = "vast otter sings low"
	salt := []byte("c2FsdA salt$:")
	h := newHasher(t, password.HasherConfig{})
	key := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	argon := func(memory, passes uint32) *password.Argon2 {
		return &password.Argon2{
			Hash: argon2.IDKey([]byte(pw), salt, passes, memory, 2, 32), Salt: salt,
			Memory: int(memory), Iterations: int(passes), Threads: 2,
		}
	}
	derived := func(iterations int) *password.PBKDF2 {
		return &password.PBKDF2{Type: "sha256", Hash: key(pbkdf2.Key(sha256.New, pw, salt, iterations, 32)), Salt: salt, Iterations: iterations}
	}
	memoryHard := func(n int) *password.Scrypt {
		return &password.Scrypt{Hash: key(scrypt.Key([]byte(pw), salt, n, 8, 1, 48)), Salt: salt, N: n, R: 8, P: 1}
	}
	firebase := func(memory, signer int) *password.Firebase {
		f := &password.Firebase{Salt: salt, SaltSeparator: []byte(":$"), SignerKey: bytes.Repeat([]byte{7}, signer), Memory: memory, Rounds: 8}
		block, err := aes.NewCipher(key(scrypt.Key([]byte(pw), append(slices.Clone(salt), ":$"...), 1<<memory, 8, 1, 32)))
		if err != nil {
			t.Fatal(err)
		}
		f.Hash = make([]byte, signer)
		cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(f.Hash, f.SignerKey)
		return f
	}
	for name, c := range map[string]struct {
		f       password.Foreign
		wrapped bool
	}{
		"firebase with memory 1":        {password.Foreign{Firebase: firebase(1, 16)}, true},
		"firebase with memory 13":       {password.Foreign{Firebase: firebase(13, 256)}, true},
		"firebase with memory 14":       {password.Foreign{Firebase: firebase(14, 64)}, false},
		"pbkdf2 with 1 iteration":       {password.Foreign{PBKDF2: derived(1)}, true},
		"pbkdf2 with 99,999 iterations": {password.Foreign{PBKDF2: derived(99_999)}, true},
		"pbkdf2 with 100,000":           {password.Foreign{PBKDF2: derived(100_000)}, false},
		"scrypt with N 2":               {password.Foreign{Scrypt: memoryHard(2)}, true},
		"scrypt with N 2^13":            {password.Foreign{Scrypt: memoryHard(1 << 13)}, true},
		"scrypt with N 2^14":            {password.Foreign{Scrypt: memoryHard(1 << 14)}, false},
		"argon2 of Django before 3.2":   {password.Foreign{Argon2: argon(512, 2)}, true},
		"argon2 with 8 MiB × 2":         {password.Foreign{Argon2: argon(8<<10, 2)}, false},
	} {
		stored, err := h.Import(t.Context(), c.f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Contains(stored, "$argon2id$v=19$m=19456,t=2,p=1$"); got != c.wrapped {
			t.Errorf("%s: wrapped is %v: %q", name, got, stored)
		}
		if ok, rehash := verify(t, h, stored, pw); !ok || !rehash {
			t.Errorf("%s: the right password is %v, rehash %v", name, ok, rehash)
		}
		if ok, _ := verify(t, h, stored, pw+"x"); ok {
			t.Errorf("%s: a wrong password signs in", name)
		}
	}
	_, err := h.Import(t.Context(), password.Foreign{Bcrypt: &password.Bcrypt{Hash: "$2a$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}})
	if err == nil || !strings.Contains(err.Error(), "import the user without a password") {
		t.Errorf("bcrypt with cost 4: %v", err)
	}
	// As the string of another store too, where no Hasher makes one with such costs.
	const salted = "$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for stored, reason := range map[string]string{
		"$x-bcrypt$2a$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW":               "import the user without a password",
		"$x-django-bcrypt-sha256$2a$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW": "import the user without a password",
		"$argon2id$v=19$m=8,t=1,p=1" + salted:                                                 "below every accepted minimum",
		"$x-wrapped$md5$argon2id$v=19$m=8,t=1,p=1" + salted:                                   "below every accepted minimum",
		// It would run, for seconds, in the slots of native hashes.
		"$x-wrapped$x-pbkdf2-sha256:i=100000:c2FsdA:32$argon2id$v=19$m=19456,t=2,p=1" + salted: "as it is",
		"$x-wrapped$x-pbkdf2-sha256:i=99999:c2FsdA:32$argon2id$v=19$m=19456,t=2,p=1" + salted:  "",
		"$pbkdf2-sha256$i=599999" + salted:        "fewer than 600000",
		"$pbkdf2-sha256$i=600000" + salted:        "",
		"$argon2id$v=19$m=12288,t=3,p=1" + salted: "",
	} {
		_, err := h.Import(t.Context(), password.Foreign{Stored: stored})
		if reason == "" && err != nil || reason != "" && (err == nil || !strings.Contains(err.Error(), reason)) {
			t.Errorf("%s: %v", stored, err)
		}
	}
}
