package password_test

import (
	"encoding/base64"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/usherkit/usher/password"
)

// The second recommended option of RFC 9106, with one lane.
func TestHA01_TheDefaults(t *testing.T) {
	h, err := password.NewHasher(password.HasherConfig{})
	if err != nil {
		t.Fatal(err)
	}
	stored := mustHash(t, h, "vast otter sings low")
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=65536,t=3,p=1$") {
		t.Errorf("stored %q", stored)
	}
	if ok, rehash := verify(t, h, stored, "vast otter sings low"); !ok || rehash {
		t.Errorf("Verify = %v, %v", ok, rehash)
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

// A hash with four lanes takes another time than one with one lane, so the difference to
// the dummy hash ends with the rehash.
func TestHA03_OtherLanesAreRehashed(t *testing.T) {
	four := newHasher(t, password.HasherConfig{Params: password.Params{Memory: 19456, Time: 2, Threads: 4}})
	one := newHasher(t, password.HasherConfig{Params: password.Params{Memory: 19456, Time: 2, Threads: 1}})
	stored := mustHash(t, four, "vast otter sings low")
	if ok, rehash := verify(t, one, stored, "vast otter sings low"); !ok || !rehash {
		t.Errorf("four lanes under one: %v, %v, want a rehash", ok, rehash)
	}
	if ok, rehash := verify(t, one, stored, "vast otter sings high"); ok || rehash {
		t.Errorf("wrong password: %v, %v", ok, rehash)
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
	"$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$", // an empty tag matches everything
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
		// The dummy takes 19 MiB; nothing else may allocate much.
		if n := after.TotalAlloc - before.TotalAlloc; n > 24<<20 {
			t.Errorf("%q: allocated %d MiB", name, n>>20)
		}
	}
}

// Each result takes one computation, so that the duration does not reveal it.
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
