package password_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"github.com/usherkit/usher/password"
)

// small is the cheapest setting that is allowed.
var small = password.Params{Memory: 19456, Time: 2, Threads: 1}

func newHasher(t testing.TB, c password.HasherConfig) *password.Hasher {
	t.Helper()
	if c.Params == (password.Params{}) {
		c.Params = small
	}
	h, err := password.NewHasher(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func mustHash(t testing.TB, h *password.Hasher, pw string) string {
	t.Helper()
	s, err := h.Hash(t.Context(), pw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verify wants no error.
func verify(t testing.TB, h *password.Hasher, stored, pw string) (ok, rehash bool) {
	t.Helper()
	ok, rehash, err := h.Verify(t.Context(), stored, pw)
	if err != nil {
		t.Fatal(err)
	}
	return ok, rehash
}

func pepper(id string, b byte) password.Pepper {
	return password.Pepper{ID: id, Key: bytes.Repeat([]byte{b}, 32)}
}

func TestHA01_DefaultsAreRFC9106(t *testing.T) {
	h, err := password.NewHasher(password.HasherConfig{})
	if err != nil {
		t.Fatal(err)
	}
	stored := mustHash(t, h, "vast otter sings low")
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=65536,t=3,p=4$") {
		t.Errorf("stored %q", stored)
	}
	if ok, rehash := verify(t, h, stored, "vast otter sings low"); !ok || rehash {
		t.Errorf("Verify = %v, %v", ok, rehash)
	}
}

func TestHA01_ConfigurationFloorsAndLimits(t *testing.T) {
	argon := func(m, t uint32, p uint8) password.HasherConfig {
		return password.HasherConfig{Params: password.Params{Memory: m, Time: t, Threads: p}}
	}
	pbkdf2 := func(n int) password.HasherConfig {
		return password.HasherConfig{Algorithm: password.PBKDF2SHA256, PBKDF2Iterations: n}
	}
	peppers := func(p ...password.Pepper) password.HasherConfig { return password.HasherConfig{Peppers: p} }
	for _, tt := range []struct {
		name   string
		config password.HasherConfig
		names  string // the field in the error; "" means allowed
	}{
		{"zero", password.HasherConfig{}, ""},
		{"floor 1", argon(47104, 1, 1), ""},
		{"floor 2", argon(19456, 2, 1), ""},
		{"floor 3", argon(12288, 3, 1), ""},
		{"8192/1", argon(8192, 1, 1), "Params"},
		{"47103/1", argon(47103, 1, 1), "Params"},
		{"19455/2", argon(19455, 2, 1), "Params"},
		{"12287/3", argon(12287, 3, 1), "Params"},
		{"12287/10", argon(12287, 10, 1), "Params"},
		{"too much memory", argon(256*1024+1, 3, 4), "Params"},
		{"too many passes", argon(65536, 11, 4), "Params"},
		{"too many threads", argon(65536, 3, 65), "Params"},
		{"PBKDF2 600,000", pbkdf2(600_000), ""},
		{"PBKDF2 599,999", pbkdf2(599_999), "PBKDF2Iterations"},
		{"PBKDF2 2,000,001", pbkdf2(2_000_001), "PBKDF2Iterations"},
		{"unknown algorithm", password.HasherConfig{Algorithm: 7}, "Algorithm"},
		{"negative slots", password.HasherConfig{Slots: -1}, "Slots"},
		{"negative wait", password.HasherConfig{QueueWait: -1}, "QueueWait"},
		{"short pepper", peppers(password.Pepper{ID: "a", Key: make([]byte, 31)}), "Peppers[0]"},
		{"pepper without ID", peppers(pepper("", 1)), "Peppers[0]"},
		{"pepper ID with $", peppers(pepper("a$b", 1)), "Peppers[0]"},
		{"the same pepper ID twice", peppers(pepper("a", 1), pepper("a", 2)), "Peppers[1]"},
	} {
		_, err := password.NewHasher(tt.config)
		switch {
		case tt.names == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.names != "" && (!errors.Is(err, password.ErrInvalidConfig) || !strings.Contains(err.Error(), tt.names)):
			t.Errorf("%s: %v, want an error naming %s", tt.name, err, tt.names)
		}
	}
}

func TestHA02_SaltAndTag(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	a := strings.Split(mustHash(t, h, "vast otter sings low"), "$")
	b := strings.Split(mustHash(t, h, "vast otter sings low"), "$")
	for i, want := range map[int]int{4: 16, 5: 32} {
		if a[i] == b[i] {
			t.Errorf("field %d is the same for two users", i)
		}
		raw, err := base64.RawStdEncoding.DecodeString(a[i])
		if err != nil || len(raw) != want {
			t.Errorf("field %d has %d bytes, %v, want %d", i, len(raw), err, want)
		}
	}
}

func TestHA03_OlderParametersAreRehashed(t *testing.T) {
	older := newHasher(t, password.HasherConfig{Params: password.Params{Memory: 19456, Time: 2, Threads: 1}})
	newer := newHasher(t, password.HasherConfig{Params: password.Params{Memory: 19456, Time: 3, Threads: 1}})
	stored := mustHash(t, older, "vast otter sings low")
	if ok, rehash := verify(t, newer, stored, "vast otter sings high"); ok || rehash {
		t.Errorf("wrong password: %v, %v", ok, rehash)
	}
	if ok, rehash := verify(t, newer, stored, "vast otter sings low"); !ok || !rehash {
		t.Errorf("older hash: %v, %v, want a rehash", ok, rehash)
	}
	stored = mustHash(t, newer, "vast otter sings low")
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=3,p=1$") {
		t.Errorf("stored %q", stored)
	}
	if ok, rehash := verify(t, newer, stored, "vast otter sings low"); !ok || rehash {
		t.Errorf("current hash: %v, %v", ok, rehash)
	}
}

func TestHA03_AlgorithmsVerifyEachOther(t *testing.T) {
	argon := newHasher(t, password.HasherConfig{})
	fips := newHasher(t, password.HasherConfig{Algorithm: password.PBKDF2SHA256, Peppers: []password.Pepper{pepper("a", 1)}})
	stored := mustHash(t, fips, "vast otter sings low")
	if !strings.HasPrefix(stored, "$pbkdf2-sha256$i=600000,keyid=a$") {
		t.Errorf("stored %q", stored)
	}
	if ok, rehash := verify(t, fips, stored, "vast otter sings low"); !ok || rehash {
		t.Errorf("PBKDF2: %v, %v", ok, rehash)
	}
	if ok, _ := verify(t, fips, stored, "vast otter sings high"); ok {
		t.Error("PBKDF2: wrong password")
	}
	if ok, rehash := verify(t, fips, mustHash(t, argon, "vast otter sings low"), "vast otter sings low"); !ok || !rehash {
		t.Errorf("Argon2id under PBKDF2: %v, %v, want a rehash", ok, rehash)
	}
}

func TestHA04_Pepper(t *testing.T) {
	const pw = "vast otter sings low"
	plain := newHasher(t, password.HasherConfig{})
	first := newHasher(t, password.HasherConfig{Peppers: []password.Pepper{pepper("a", 1)}})
	rotated := newHasher(t, password.HasherConfig{Peppers: []password.Pepper{pepper("b", 2), pepper("a", 1)}})
	sameID := newHasher(t, password.HasherConfig{Peppers: []password.Pepper{pepper("a", 3)}})
	other := newHasher(t, password.HasherConfig{Peppers: []password.Pepper{pepper("c", 3)}})

	stored := mustHash(t, first, pw)
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1,keyid=a$") {
		t.Errorf("stored %q", stored)
	}
	if ok, rehash := verify(t, first, stored, pw); !ok || rehash {
		t.Errorf("same pepper: %v, %v", ok, rehash)
	}
	if ok, rehash := verify(t, rotated, stored, pw); !ok || !rehash {
		t.Errorf("rotated: %v, %v, want a rehash", ok, rehash)
	}
	if again := mustHash(t, rotated, pw); !strings.Contains(again, ",keyid=b$") {
		t.Errorf("rotated: stored %q", again)
	}
	if ok, _ := verify(t, sameID, stored, pw); ok {
		t.Error("another key of the same ID verified")
	}
	for name, h := range map[string]*password.Hasher{"other pepper": other, "no pepper": plain} {
		before := h.Count()
		ok, _, err := h.Verify(t.Context(), stored, pw)
		if ok || !errors.Is(err, password.ErrUnknownPepper) || !errors.Is(err, password.ErrDamagedHash) {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
		if h.Count() != before+1 {
			t.Errorf("%s: %d computations, want 1", name, h.Count()-before)
		}
	}
	if ok, rehash := verify(t, first, mustHash(t, plain, pw), pw); !ok || !rehash {
		t.Errorf("from before the pepper: %v, %v, want a rehash", ok, rehash)
	}
	// The ID is not what makes the hash: without the key, removing it gains nothing.
	if ok, _ := verify(t, plain, strings.Replace(stored, ",keyid=a", "", 1), pw); ok {
		t.Error("verified without the pepper")
	}
}

var damaged = []string{
	"",
	"$",
	"$$$$$$",
	"$argon2id$garbage",
	"$argon2id$v=19$m=4294967295,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$argon2id$v=19$m=262145,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$argon2id$v=19$m=65536,t=4294967295,p=4$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$argon2id$v=19$m=65536,t=0,p=4$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$argon2id$v=19$m=65536,t=3,p=0$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$argon2id$v=19$m=65536,t=3,p=256$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$argon2id$v=16$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$", // an empty tag would match everything
	"$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$AAAA",
	"$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!!",
	"$argon2id$v=19$m=65536,t=3,p=4,keyid=$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$argon2id$v=19$m=065536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$argon2d$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$2b$12$abcdefghijklmnopqrstuuOW8Oe2mE.kkOZbJLzkPVgBqBvhxqzGq", // bare, not imported
	"$x-bcrypt$2b$31$abcdefghijklmnopqrstuuOW8Oe2mE.kkOZbJLzkPVgBqBvhxqzGq",
	"$x-bcrypt$2b$12$short",
	"$pbkdf2-sha256$i=2000001$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$pbkdf2-sha256$i=0$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$x-scrypt$n=1073741824,r=8,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
	"$x-scrypt$n=3,r=8,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
	"$x-scrypt$n=2,r=1,p=2100000$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
	"$x-firebase$m=30,r=8$c2FsdA$$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
	"$x-wrapped$md5",
	"$x-wrapped$phpass-md5:30:22:saltsalt$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	strings.Repeat("$argon2id", 1<<17),
}

func TestHA05_DamagedHashFailsClosed(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	var before, after runtime.MemStats
	for _, stored := range damaged {
		name := stored[:min(len(stored), 60)]
		count := h.Count()
		runtime.ReadMemStats(&before)
		ok, rehash, err := h.Verify(t.Context(), stored, "vast otter sings low")
		runtime.ReadMemStats(&after)
		if ok || rehash || !errors.Is(err, password.ErrDamagedHash) {
			t.Errorf("%q: %v, %v, %v", name, ok, rehash, err)
		}
		if h.Count() != count+1 {
			t.Errorf("%q: %d computations, want 1", name, h.Count()-count)
		}
		// The dummy takes 19 MiB; nothing else of size may be allocated.
		if n := after.TotalAlloc - before.TotalAlloc; n > 24<<20 {
			t.Errorf("%q: allocated %d MiB", name, n>>20)
		}
	}
}

// Each answer costs one computation, whatever it is: time does not tell.
func TestHA05_OneComputationEach(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	stored := mustHash(t, h, "vast otter sings low")
	for name, do := range map[string]func() error{
		"right":   func() error { _, _, err := h.Verify(t.Context(), stored, "vast otter sings low"); return err },
		"wrong":   func() error { _, _, err := h.Verify(t.Context(), stored, "vast otter sings high"); return err },
		"unknown": func() error { return h.VerifyDummy(t.Context(), "vast otter sings low") },
	} {
		before := h.Count()
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if h.Count() != before+1 {
			t.Errorf("%s: %d computations, want 1", name, h.Count()-before)
		}
	}
}

func TestPW03_AcceptsEveryPrintableCharacter(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	const all = " !\"#$%&'()*+,-./:;<=>?@[\\]^_{|}~`密码Aa0é😀"
	for _, n := range []int{64, 256} {
		pw := string([]rune(strings.Repeat(all, 8))[:n])
		if err := password.NIST().Check(t.Context(), pw); err != nil {
			t.Errorf("%d characters: %v", n, err)
		}
		if ok, _ := verify(t, h, mustHash(t, h, pw), pw); !ok {
			t.Errorf("%d characters: not verified", n)
		}
	}
}

func TestPW05_TheWholePasswordCounts(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	long := strings.Repeat("0123456789", 7) + "abcdefghij"
	for _, tt := range []struct {
		set   string
		tries []string
	}{
		{long, []string{long[:72], long[:79], long + "k", long[:79] + "J"}},
		{"correct horse\x00AAAA", []string{"correct horse\x00BBBB", "correct horse", "correct horse\x00"}},
		{"correct horse\nAAAA", []string{"correct horse\nBBBB", "correct horse", "correct horse AAAA"}},
	} {
		stored := mustHash(t, h, tt.set)
		if ok, _ := verify(t, h, stored, tt.set); !ok {
			t.Errorf("%q does not verify", tt.set)
		}
		for _, pw := range tt.tries {
			if ok, _ := verify(t, h, stored, pw); ok {
				t.Errorf("%q verifies for %q", pw, tt.set)
			}
		}
	}
}

func TestPW06_NothingIsTrimmedOrFolded(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	stored := mustHash(t, h, "  Vast otter  sings low ")
	for _, pw := range []string{"Vast otter  sings low", "  Vast otter sings low ", "  vast otter  sings low "} {
		if ok, _ := verify(t, h, stored, pw); ok {
			t.Errorf("%q verifies", pw)
		}
	}
}

func TestPW07_SetAndCheckedInNFC(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	if ok, _ := verify(t, h, mustHash(t, h, "vast \u00e9 otter sings"), "vast e\u0301 otter sings"); !ok {
		t.Error("the same letter in two forms differs")
	}
	if ok, _ := verify(t, h, mustHash(t, h, "vast e\u0301 otter sings"), "vast \u00e9 otter sings"); !ok {
		t.Error("the same letter in two forms differs")
	}
	if ok, _ := verify(t, h, mustHash(t, h, "vast \ufb01sh otter"), "vast fish otter"); ok {
		t.Error("a ligature is taken for its letters")
	}
}

func TestCF02_NothingPrintsAPepper(t *testing.T) {
	const canary = "CANARY-0123456789-CANARY-0123456789"
	config := password.HasherConfig{Params: small, Peppers: []password.Pepper{{ID: "p1", Key: []byte(canary)}}}
	h := newHasher(t, config)
	firebase := password.Firebase{SignerKey: []byte(canary)}
	foreign := password.Foreign{Bcrypt: &password.Bcrypt{Hash: canary}}
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	text := slog.New(slog.NewTextHandler(&out, nil))
	for _, v := range []any{config, &config, config.Peppers[0], config.Peppers, h, firebase, foreign} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb, v)
		}
		log.Info("x", "v", v)
		text.Info("x", "v", v)
	}
	for _, v := range []any{config, config.Peppers[0], h} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		out.Write(b)
	}
	s := out.String()
	for _, secret := range []string{
		"CANARY", fmt.Sprintf("%x", canary[:8]), base64.StdEncoding.EncodeToString([]byte(canary))[:20],
		strings.Trim(fmt.Sprint([]byte(canary[:8])), "[]"),
	} {
		if strings.Contains(s, secret) {
			t.Errorf("%q is printed", secret)
		}
	}
	if !strings.Contains(s, "p1") {
		t.Error("the ID is not printed")
	}
}

// The configuration is the caller's: wiping or changing it later does no harm.
func TestHasherCopiesItsConfiguration(t *testing.T) {
	key := bytes.Repeat([]byte{1}, 32)
	h := newHasher(t, password.HasherConfig{Peppers: []password.Pepper{{ID: "a", Key: key}}})
	stored := mustHash(t, h, "vast otter sings low")
	clear(key)
	if ok, _ := verify(t, h, stored, "vast otter sings low"); !ok {
		t.Error("the pepper has changed with the caller's slice")
	}
}

func ExampleHasher() {
	ctx := context.Background()
	hasher, err := password.NewHasher(password.HasherConfig{})
	if err != nil {
		panic(err)
	}
	const pw = "vast otter sings low"
	if err := password.NIST().Check(ctx, pw, "otto@example.com"); err != nil {
		panic(err)
	}
	stored, err := hasher.Hash(ctx, pw)
	if err != nil {
		panic(err)
	}
	ok, rehash, err := hasher.Verify(ctx, stored, pw)
	fmt.Println(stored[:31], ok, rehash, err)
	// Output: $argon2id$v=19$m=65536,t=3,p=4$ true false <nil>
}

func BenchmarkHash(b *testing.B) {
	h, err := password.NewHasher(password.HasherConfig{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		mustHash(b, h, "vast otter sings low")
	}
}
