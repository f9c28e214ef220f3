package password_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usherkit/usher/password"
)

// codes are those of a *PolicyError, or none for nil.
func codes(t *testing.T, err error) []password.Code {
	t.Helper()
	if err == nil {
		return nil
	}
	var e *password.PolicyError
	if !errors.As(err, &e) {
		t.Fatalf("not a *PolicyError: %v", err)
	}
	var out []password.Code
	for _, v := range e.Violations {
		if v.Detail == "" {
			t.Errorf("%s has no detail", v.Code)
		}
		out = append(out, v.Code)
	}
	return out
}

func TestPO01_OutOfTheBox(t *testing.T) {
	got, err := password.Policy{}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	want := password.Policy{MinLength: 15, MaxLength: 256, LockAttempts: 100}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(password.Policy{}, "OnBreachError")); d != "" {
		t.Error(d)
	}
	if w := (password.Policy{}).Warnings(); len(w) != 0 {
		t.Errorf("warnings %q", w)
	}
	if err := (password.Policy{}).Check(t.Context(), "vast otter sings low", "otto@example.com"); err != nil {
		t.Error(err)
	}
}

func TestPW01_MinimumAndItsFloor(t *testing.T) {
	for _, tt := range []struct {
		policy password.Policy
		names  string // the field in the error; "" means allowed
	}{
		{password.Policy{}, ""},
		{password.Policy{MinLength: 8}, ""},
		{password.Policy{MinLength: 7}, "MinLength"},
		{password.Policy{MinLength: -1}, "MinLength"},
		{password.Policy{MaxLength: 64}, ""},
		{password.Policy{MaxLength: 63}, "MaxLength"},
		{password.Policy{MaxLength: 1024}, ""},
		{password.Policy{MaxLength: 1025}, "MaxLength"},
		{password.Policy{MinLength: 65, MaxLength: 64}, "MinLength"},
		{password.Policy{ReuseAmount: 10}, ""},
		{password.Policy{ReuseAmount: 11}, "ReuseAmount"},
		{password.Policy{ReuseAmount: 1000}, "ReuseAmount"},
		{password.Policy{ReuseAmount: -1}, "ReuseAmount"},
		{password.Policy{LockAttempts: 1}, ""},
		{password.Policy{LockAttempts: 101}, "LockAttempts"},
		{password.Policy{LockAttempts: -1}, "LockAttempts"},
		{password.Policy{Expiration: -1}, "Expiration"},
		{password.NIST(), ""},
		{password.SecondFactor(), ""},
		{password.PCIDSS(), ""},
	} {
		_, err := tt.policy.Complete()
		switch {
		case tt.names == "" && err != nil:
			t.Errorf("%+v: %v", tt.policy, err)
		case tt.names != "" && (!errors.Is(err, password.ErrInvalidPolicy) || !strings.Contains(err.Error(), tt.names+":")):
			t.Errorf("%+v: %v, want an error naming %s", tt.policy, err, tt.names)
		}
		if check := tt.policy.Check(t.Context(), "vast otter sings low"); tt.names != "" && !errors.Is(check, password.ErrInvalidPolicy) {
			t.Errorf("Check with an invalid policy: %v", check)
		}
	}
	err := password.Policy{}.Check(t.Context(), "vast otter sin")
	var e *password.PolicyError
	if !errors.As(err, &e) || len(e.Violations) != 1 || e.Violations[0].Code != password.CodeTooShort || e.Violations[0].Limit != 15 {
		t.Errorf("14 characters: %v", err)
	}
	if err := (password.Policy{}).Check(t.Context(), "vast otter sing"); err != nil {
		t.Errorf("15 characters: %v", err)
	}
}

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

func TestPO02_EachSwitchWorksAndWarns(t *testing.T) {
	for _, tt := range []struct {
		name     string
		policy   password.Policy
		bad      string
		good     string
		code     password.Code
		standard string
	}{
		{"lowercase", password.Policy{Lowercase: true}, "VAST OTTER SINGS LOW 7", "VAST OTTER SINGS LOw 7", password.CodeNoLowercase, "NIST"},
		{"uppercase", password.Policy{Uppercase: true}, "vast otter sings low", "vast otter sings loW", password.CodeNoUppercase, "NIST"},
		{"number", password.Policy{Number: true}, "vast otter sings low", "vast otter sings l0w", password.CodeNoNumber, "NIST"},
		{"nonAlphanumeric", password.Policy{NonAlphanumeric: true}, "vastottersingslow7", "vastotter singslow7", password.CodeNoNonAlphanumeric, "ASVS"},
		{"uppercase", password.Policy{Uppercase: true}, "быстрая выдра поёт", "Быстрая выдра поёт", password.CodeNoUppercase, "NIST"},
		{"nonAlphanumeric", password.Policy{NonAlphanumeric: true}, "नमस्तेनमस्कारशुभम", "नमस्ते नमस्कार शुभम", password.CodeNoNonAlphanumeric, "NIST"},
	} {
		if got := codes(t, tt.policy.Check(t.Context(), tt.bad)); !slices.Equal(got, []password.Code{tt.code}) {
			t.Errorf("%s: %v for %q", tt.name, got, tt.bad)
		}
		if err := tt.policy.Check(t.Context(), tt.good); err != nil {
			t.Errorf("%s: %v for %q", tt.name, err, tt.good)
		}
		w := tt.policy.Warnings()
		if len(w) != 1 || !strings.Contains(w[0], ": "+tt.name+": ") || !strings.Contains(w[0], tt.standard) {
			t.Errorf("%s: warnings %q", tt.name, w)
		}
	}
	for setting, policy := range map[string]password.Policy{
		"minLength 8":         {MinLength: 8},
		"expiration":          {Expiration: time.Hour},
		"InsecureAllowCommon": {InsecureAllowCommon: true},
	} {
		w := policy.Warnings()
		if len(w) != 1 || !strings.Contains(w[0], setting) || !strings.Contains(w[0], "NIST SP 800-63B-4") {
			t.Errorf("%s: warnings %q", setting, w)
		}
	}
	if w := password.PCIDSS().Warnings(); len(w) != 4 {
		t.Errorf("PCIDSS: warnings %q", w)
	}
	// Neither reuse nor lock is forbidden by a standard.
	if w := (password.Policy{ReuseAmount: 10, LockAttempts: 5}).Warnings(); len(w) != 0 {
		t.Errorf("warnings %q", w)
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
		"passwordpasswor", // the last time cut
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

// The caller's words are not changed, and no word reaches another user's check.
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
		t.Errorf("no earlier ones: %v", err)
	}
	// A damaged one hides nothing, and is told.
	damaged := []string{"$argon2id$garbage", earlier[0]}
	if err := policy.CheckReuse(t.Context(), h, pw(5), damaged); !hasCode(err, password.CodeReused) {
		t.Errorf("behind a damaged one: %v", err)
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

func ExamplePolicy_Check() {
	policy := password.Policy{Words: []string{"Usher"}}
	for _, pw := range []string{"otter", "usherusherusher", "vast otter sings low"} {
		fmt.Println(policy.Check(context.Background(), pw, "otto@example.com"))
	}
	// Output:
	// password: policy: The password has fewer than 15 characters.
	// password: policy: The password is commonly used or easy to guess for this account.
	// <nil>
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
			t.Fatalf("%q and its NFC are judged apart: %v, %v", pw, err, again)
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
