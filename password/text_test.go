package password_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/password"
)

func TestPW07_NormalizeIsNFCOnly(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"e\u0301", "\u00e9"},
		{"\u00e9", "\u00e9"},
		{"\ufb01", "\ufb01"}, // a ligature is not f and i
		{"\u212b", "\u00c5"}, // canonically equivalent
		{"  Vast \u00a0 Otter\n\x00", "  Vast \u00a0 Otter\n\x00"},
		{"", ""},
	} {
		got, err := password.Normalize(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("Normalize(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestPW08_RefusesWhatIsNotUTF8(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	stored := mustHash(t, h, "vast otter \ufffd sings low")
	before := h.Count()
	for _, pw := range []string{"vast otter \xff sings low", "vast otter \xed\xa0\x80 sings low", "\xc3"} {
		if _, err := password.Normalize(pw); !errors.Is(err, password.ErrNotUTF8) {
			t.Errorf("Normalize(%q): %v", pw, err)
		}
		if err := password.CheckSize(pw, 0); !errors.Is(err, password.ErrNotUTF8) {
			t.Errorf("CheckSize(%q): %v", pw, err)
		}
		if _, err := h.Hash(t.Context(), pw); !errors.Is(err, password.ErrNotUTF8) {
			t.Errorf("Hash(%q): %v", pw, err)
		}
		if ok, _, err := h.Verify(t.Context(), stored, pw); ok || !errors.Is(err, password.ErrNotUTF8) {
			t.Errorf("Verify(%q) = %v, %v", pw, ok, err)
		}
	}
	if h.Count() != before {
		t.Errorf("%d computations for text that is not UTF-8", h.Count()-before)
	}
}

func TestPW04_TooLongIsRefusedBeforeAnyHashing(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	stored := mustHash(t, h, "vast otter sings low")
	before := h.Count()
	for name, pw := range map[string]string{
		"1 MiB":                   strings.Repeat("a", 1<<20),
		"1 MiB of combining":      strings.Repeat("\u0301", 1<<19),
		"1,025 bytes":             strings.Repeat("a", 1025),
		"grows in the NFC":        strings.Repeat("\u0958", 300), // 900 bytes, then 1,800
		"257 characters, by rune": strings.Repeat("é", 257),
	} {
		start := time.Now()
		if err := password.CheckSize(pw, 0); !errors.Is(err, password.ErrTooLong) {
			t.Errorf("%s: CheckSize: %v", name, err)
		}
		if err := password.NIST().Check(t.Context(), pw); !hasCode(err, password.CodeTooLong) {
			t.Errorf("%s: Check: %v", name, err)
		}
		if len(pw) > 800 {
			if _, err := h.Hash(t.Context(), pw); !errors.Is(err, password.ErrTooLong) {
				t.Errorf("%s: Hash: %v", name, err)
			}
			if ok, _, err := h.Verify(t.Context(), stored, pw); ok || !errors.Is(err, password.ErrTooLong) {
				t.Errorf("%s: Verify = %v, %v", name, ok, err)
			}
			if err := h.VerifyDummy(t.Context(), pw); !errors.Is(err, password.ErrTooLong) {
				t.Errorf("%s: VerifyDummy: %v", name, err)
			}
		}
		if d := time.Since(start); d > 50*time.Millisecond {
			t.Errorf("%s: took %v", name, d)
		}
	}
	if h.Count() != before {
		t.Errorf("%d computations for passwords that are too long", h.Count()-before)
	}
}

func TestCheckSize(t *testing.T) {
	for _, tt := range []struct {
		pw   string
		max  int
		want error
	}{
		{"", 0, password.ErrEmpty},
		{"a", 0, nil},
		{strings.Repeat("é", 256), 0, nil},
		{strings.Repeat("e\u0301", 256), 0, nil}, // 256 after NFC
		{strings.Repeat("a", 65), 64, password.ErrTooLong},
		{strings.Repeat("😀", 256), 0, nil},
		{strings.Repeat("😀", 257), 1024, password.ErrTooLong}, // by bytes
	} {
		if err := password.CheckSize(tt.pw, tt.max); !errors.Is(err, tt.want) {
			t.Errorf("CheckSize(%d bytes, %d) = %v, want %v", len(tt.pw), tt.max, err, tt.want)
		}
	}
}

func TestEmptyPasswordIsNeverHashed(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	if _, err := h.Hash(t.Context(), ""); !errors.Is(err, password.ErrEmpty) {
		t.Errorf("Hash: %v", err)
	}
	if err := h.VerifyDummy(t.Context(), ""); !errors.Is(err, password.ErrEmpty) {
		t.Errorf("VerifyDummy: %v", err)
	}
	if h.Count() != 0 {
		t.Errorf("%d computations", h.Count())
	}
}
