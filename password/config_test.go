package password_test

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/usherkit/usher/password"
)

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
		{"the most of all", argon(256*1024, 10, 64), ""},
		{"too many threads", argon(65536, 3, 65), "Params"},
		{"PBKDF2 600,000", pbkdf2(600_000), ""},
		{"PBKDF2 599,999", pbkdf2(599_999), "PBKDF2Iterations"},
		{"PBKDF2 2,000,000", pbkdf2(2_000_000), ""},
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

// By default hashes keep half of the cores busy, so that the others answer requests. A
// hash with four threads keeps four cores busy.
func TestLM02_DefaultSlotsLeaveHalfOfTheCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, c := range []struct {
		cores  int
		config password.HasherConfig
		want   int
	}{
		{1, password.HasherConfig{}, 1},
		{2, password.HasherConfig{}, 1},
		{3, password.HasherConfig{}, 1},
		{4, password.HasherConfig{}, 2},
		{8, password.HasherConfig{}, 4},
		{8, password.HasherConfig{Params: password.Params{Threads: 3}}, 1},
		{16, password.HasherConfig{Params: password.Params{Threads: 4}}, 2},
		{8, password.HasherConfig{Params: password.Params{Threads: 64}}, 1},
		{8, password.HasherConfig{Algorithm: password.PBKDF2SHA256}, 4},
		{8, password.HasherConfig{Slots: 5}, 5},
	} {
		runtime.GOMAXPROCS(c.cores)
		h, err := password.NewHasher(c.config)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Slots(); got != c.want {
			t.Errorf("%d cores, %+v: %d slots, want %d", c.cores, c.config, got, c.want)
		}
	}
	if h, err := password.NewHasher(password.HasherConfig{Slots: -1}); err == nil || !strings.Contains(err.Error(), "Slots") {
		t.Errorf("%v, %v", h, err)
	}
}

// Changing the caller's configuration later does not affect the Hasher.
func TestHasherCopiesItsConfiguration(t *testing.T) {
	key := bytes.Repeat([]byte{1}, 32)
	h := newHasher(t, password.HasherConfig{Peppers: []password.Pepper{{ID: "a", Key: key}}})
	stored := mustHash(t, h, "vast otter sings low")
	clear(key)
	if ok, _ := verify(t, h, stored, "vast otter sings low"); !ok {
		t.Error("the pepper changed with the caller's slice")
	}
}
