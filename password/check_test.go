package password_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usherkit/usher/password"
)

func TestPW02_LengthIsCodePointsAfterNFC(t *testing.T) {
	lower := password.Policy{MinLength: 8}
	for _, tt := range []struct {
		name   string
		policy password.Policy
		pw     string
		want   []password.Code
	}{
		{"15 letters of 2 bytes", password.Policy{}, "éàüöñçßøåêîôûœæ", nil},
		{"14 emoji", password.Policy{}, "😀😁😂😃😄😅😆😇😈😉😊😋😌😍", []password.Code{password.CodeTooShort}},
		{"8 decomposed", password.Policy{}, "e\u0301a\u0301i\u0301o\u0301u\u0301y\u0301c\u0301n\u0301", []password.Code{password.CodeTooShort}},
		{"8 decomposed, minimum 8", lower, "e\u0301a\u0301i\u0301o\u0301u\u0301y\u0301c\u0301n\u0301", nil},
		{"7 decomposed, minimum 8", lower, "e\u0301a\u0301i\u0301o\u0301u\u0301y\u0301c\u0301", []password.Code{password.CodeTooShort}},
		{"empty", password.Policy{}, "", []password.Code{password.CodeTooShort}},
		{"65 of 64", password.Policy{MaxLength: 64}, strings.Repeat("vast otter si", 5), []password.Code{password.CodeTooLong}},
		{"not UTF-8", password.Policy{}, "vast otter sings low\xff", []password.Code{password.CodeNotUTF8}},
	} {
		if got := codes(t, tt.policy.Check(t.Context(), tt.pw)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestPO02_EveryBrokenRuleIsNamed(t *testing.T) {
	all := password.Policy{Lowercase: true, Uppercase: true, Number: true, NonAlphanumeric: true}
	want := []password.Code{
		password.CodeTooShort, password.CodeNoLowercase, password.CodeNoUppercase,
		password.CodeNoNumber, password.CodeNoNonAlphanumeric,
	}
	err := all.Check(t.Context(), "密")
	if got := codes(t, err)[:5]; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if strings.Contains(err.Error(), "密") {
		t.Errorf("the password is in %q", err)
	}
}

func TestPW09_CommonPasswordsAndContextWords(t *testing.T) {
	policy := password.Policy{Words: []string{"Usher", "例のサービス"}}
	words := []string{"Otto.Landgraf@example.com", "Otto Landgraf"}
	for _, pw := range []string{
		"passwordpassword",
		"PasswordPassword",
		"123456789012345",
		"12345678901234567890",
		"qwertyuiopasdfg",
		"1qaz2wsx3edc4rfv",
		"111111111111111",
		"abcdefghijklmno",
		"abcabcabcabcabc",
		"letmeinletmeinletmein",
		"password1234567",
		"passwordpasswor", // the last repetition is cut off
		"dragon dragon dragon",
		"correcthorsebatterystaple",
		"usherusherusher",
		"UsherUsherUsherUs",
		"usherusherusher1!",
		"2026usherusherusher",
		"例のサービス例のサービス例のサ",
		"otto.landgraf@example.com",
		"OTTO.LANDGRAF@EXAMPLE.COM",
		"otto.landgraf@example.com1",
		"otto.landgrafotto.landgraf",
		"otto.landgraf12345",
		"Otto LandgrafOtto Landgraf",
	} {
		if err := policy.Check(t.Context(), pw, words...); !hasCode(err, password.CodeCommon) {
			t.Errorf("%q: %v, want common", pw, err)
		} else if !strings.Contains(err.Error(), "commonly used") {
			t.Errorf("%q: %v", pw, err)
		}
	}
	for _, pw := range []string{
		"password of the blue otter",
		"vast otter sings low",
		"an usher shows the seat",
		"otto.landgraf sings in the bath",
		"7c!0Q#f5_9@2x-1al", // ends in two letters of a name
		"mañana llueve en Ávila",
	} {
		if err := policy.Check(t.Context(), pw, append(words, "al", "", "@", " ")...); err != nil {
			t.Errorf("%q: %v", pw, err)
		}
		if err := (password.Policy{Words: []string{"   ", "...", "12"}}).Check(t.Context(), pw); err != nil {
			t.Errorf("%q: %v", pw, err)
		}
	}
	if err := (password.Policy{InsecureAllowCommon: true}).Check(t.Context(), "passwordpassword"); err != nil {
		t.Errorf("InsecureAllowCommon: %v", err)
	}
	lower := password.Policy{MinLength: 8}
	for _, pw := range []string{"password", "Password1", "sunshine", "12345678", "qwertyuiop", "iloveyou"} {
		if err := lower.Check(t.Context(), pw); !hasCode(err, password.CodeCommon) {
			t.Errorf("minimum 8: %q: %v, want common", pw, err)
		}
	}
	if err := lower.Check(t.Context(), "vz7 otter"); err != nil {
		t.Errorf("minimum 8: %v", err)
	}
}

// Check does not change the caller's words, and no word reaches the check of
// another user.
func TestPW09_WordsAreNotShared(t *testing.T) {
	words := make([]string, 1, 8)
	words[0] = "otto@example.com"
	policy := password.Policy{Words: []string{"usher"}}
	if err := policy.Check(t.Context(), "vast otter sings low", words...); err != nil {
		t.Fatal(err)
	}
	if got := words[:2][1]; got != "" {
		t.Errorf("%q was written behind the caller's words", got)
	}
}

func TestPO05_Reuse(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	pw := func(n int) string { return fmt.Sprintf("vast otter sings low %d", n) }
	var earlier []string // the current one first
	for n := 5; n >= 1; n-- {
		earlier = append(earlier, mustHash(t, h, pw(n)))
	}
	policy := password.Policy{ReuseAmount: 3}
	for n, refused := range map[int]bool{5: true, 4: true, 3: true, 2: false, 1: false, 9: false} {
		before := h.Count()
		err := policy.CheckReuse(t.Context(), h, pw(n), earlier)
		if refused != hasCode(err, password.CodeReused) || (!refused && err != nil) {
			t.Errorf("password %d: %v", n, err)
		}
		if h.Count()-before > 3 {
			t.Errorf("password %d: %d computations", n, h.Count()-before)
		}
	}
	before := h.Count()
	if err := (password.Policy{}).CheckReuse(t.Context(), h, pw(5), earlier); err != nil || h.Count() != before {
		t.Errorf("reuse off: %v, %d computations", err, h.Count()-before)
	}
	if err := (password.Policy{ReuseAmount: 1000}).CheckReuse(t.Context(), h, pw(5), earlier); !errors.Is(err, password.ErrInvalidPolicy) {
		t.Errorf("amount 1000: %v", err)
	}
	if err := policy.CheckReuse(t.Context(), h, pw(5), nil); err != nil {
		t.Errorf("no earlier passwords: %v", err)
	}
	// A damaged hash hides no match in the others, and is reported.
	damaged := []string{"$argon2id$garbage", earlier[0]}
	if err := policy.CheckReuse(t.Context(), h, pw(5), damaged); !hasCode(err, password.CodeReused) {
		t.Errorf("after a damaged hash: %v", err)
	}
	if err := policy.CheckReuse(t.Context(), h, pw(9), damaged); !errors.Is(err, password.ErrDamagedHash) {
		t.Errorf("damaged: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := policy.CheckReuse(ctx, h, pw(9), earlier); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestPO06_OneFunctionOneAnswer(t *testing.T) {
	var policy password.Policy
	first := policy.Check(t.Context(), "passwordpassword", "a@example.com")
	for range 4 {
		again := policy.Check(t.Context(), "passwordpassword", "a@example.com")
		if d := cmp.Diff(first, again); d != "" {
			t.Error(d)
		}
	}
	if got := codes(t, first); !slices.Equal(got, []password.Code{password.CodeCommon}) {
		t.Errorf("codes %v", got)
	}
}

func FuzzPolicyCheck(f *testing.F) {
	f.Add("vast otter sings low", "otto@example.com")
	f.Add("e\u0301\xff", "@")
	f.Add("aaaaaaaaaaaaaaa", "a")
	policy := password.Policy{Lowercase: true, Words: []string{"usher"}}
	f.Fuzz(func(t *testing.T, pw, word string) {
		err := policy.Check(t.Context(), pw, word)
		var e *password.PolicyError
		if err != nil && (!errors.As(err, &e) || len(e.Violations) == 0) {
			t.Fatalf("%q: %v", pw, err)
		}
		n, nerr := password.Normalize(pw)
		if nerr != nil {
			if err == nil {
				t.Fatalf("%q is accepted and cannot be hashed: %v", pw, nerr)
			}
			return
		}
		if size := len([]rune(n)); err == nil && (size < 15 || size > 256) {
			t.Fatalf("%q is accepted with %d characters", pw, size)
		}
		if again := policy.Check(t.Context(), n, word); cmp.Diff(err, again) != "" {
			t.Fatalf("%q and its NFC have different results: %v, %v", pw, err, again)
		}
		if pw != "" && err == nil && policy.Check(t.Context(), pw, pw) == nil {
			t.Fatalf("%q is accepted as its own context word", pw)
		}
	})
}

func BenchmarkPolicyCheck(b *testing.B) {
	policy := password.Policy{Words: []string{"usher"}}
	b.ReportAllocs()
	for b.Loop() {
		if err := policy.Check(b.Context(), "vast otter sings low", "otto@example.com", "Otto Landgraf"); err != nil {
			b.Fatal(err)
		}
	}
}
