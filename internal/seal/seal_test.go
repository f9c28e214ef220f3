package seal_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/seal"
)

const (
	one = "0123456789abcdef0123456789abcdef"
	two = "fedcba9876543210fedcba9876543210"
)

func box(t *testing.T, use string, secrets ...string) *seal.Box {
	t.Helper()
	b, err := seal.NewBox(secrets, use)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpensOnlyWhatBelongs(t *testing.T) {
	sealed := box(t, "mail", one).Seal([]byte("text"), "id-1")
	if bytes.Contains(sealed, []byte("text")) {
		t.Fatal("the plaintext is readable")
	}
	damaged := bytes.Clone(sealed)
	damaged[len(damaged)-1] ^= 1
	for name, c := range map[string]struct {
		box     *seal.Box
		sealed  []byte
		context string
		ok      bool
	}{
		"same":           {box(t, "mail", one), sealed, "id-1", true},
		"rotated":        {box(t, "mail", two, one), sealed, "id-1", true},
		"secret removed": {box(t, "mail", two), sealed, "id-1", false},
		"other use":      {box(t, "keys", one), sealed, "id-1", false},
		"other context":  {box(t, "mail", one), sealed, "id-2", false},
		"damaged":        {box(t, "mail", one), damaged, "id-1", false},
		"cut":            {box(t, "mail", one), sealed[:5], "id-1", false},
		"empty":          {box(t, "mail", one), nil, "id-1", false},
	} {
		t.Run(name, func(t *testing.T) {
			plain, err := c.box.Open(c.sealed, c.context)
			if c.ok != (err == nil) {
				t.Fatalf("Open: %v", err)
			}
			if c.ok && string(plain) != "text" {
				t.Fatalf("got %q", plain)
			}
			if !c.ok && !errors.Is(err, seal.ErrOpen) {
				t.Fatalf("error is %v, want ErrOpen", err)
			}
		})
	}
}

// One key, one use (RFC 8725 §3.5): no two uses or secrets share a key.
func TestJK09_EachUseHasAKeyOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, use := range []string{"a", "b", "cookie mac", "cookie encryption"} {
		keys, err := seal.DeriveKeys([]string{one, two}, use, 32)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if len(k) != 32 || seen[string(k)] {
				t.Fatalf("key of %q is short or not its own", use)
			}
			seen[string(k)] = true
		}
	}
}

func TestMACBindsEachPart(t *testing.T) {
	m, err := seal.NewMAC([]string{two, one}, "x")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(m.Sum([]byte("ab"), []byte("c")), m.Sum([]byte("a"), []byte("bc"))) {
		t.Fatal("parts run together")
	}
	old, _ := seal.NewMAC([]string{one}, "x")
	if !bytes.Equal(m.Sums([]byte("q"))[1], old.Sum([]byte("q"))) {
		t.Fatal("an older secret's sum is not among Sums")
	}
}

func TestJK09_AWeakSecretIsRefused(t *testing.T) {
	t.Parallel()
	for _, weak := range []string{"", "hunter2", strings.Repeat("ab", 15) + "c", strings.Repeat("a", 32), strings.Repeat("\x00", 64)} {
		if err := seal.CheckSecret(weak); err == nil || weak != "" && strings.Contains(err.Error(), weak) {
			t.Errorf("%q: %v", weak, err)
		}
	}
	if err := seal.CheckSecret("0123456789abcdef0123456789abcdef"); err != nil {
		t.Error(err)
	}
}
