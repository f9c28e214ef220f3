package emailcode

import (
	"strings"
	"testing"
	"unicode"
)

func TestCO01_CodesHaveSixRandomDigits(t *testing.T) {
	t.Parallel()
	seen, zeros, counts := map[string]bool{}, 0, [10]int{}
	const n = 50_000
	for range n {
		code := New()
		if parsed, ok := Parse(code); !ok || parsed != code || len(code) != Digits || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("the code %q", code)
		}
		seen[code] = true
		if code[0] == '0' {
			zeros++
		}
		for _, d := range code {
			counts[d-'0']++
		}
	}
	// Of 50,000 draws about 48,770 differ, with a deviation of 34.
	if len(seen) < 48_500 || len(seen) > 49_050 {
		t.Errorf("%d different codes of %d", len(seen), n)
	}
	if zeros < n/10-500 || zeros > n/10+500 {
		t.Errorf("%d codes of %d begin with a zero", zeros, n)
	}
	for d, count := range counts {
		if count < 6*n/10-1200 || count > 6*n/10+1200 {
			t.Errorf("the digit %d occurs %d times in %d codes", d, count, n)
		}
	}
}

func TestCO02_BlanksHyphensAndOtherDigitsAreRead(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{
		"012345", " 012345\n", "012 345", "0 1 2 3 4 5", "012-345", "012\u2011345", "012\u2013345", "012\u2212345",
		"012\u00a0345", "012\u202f345", "012\u3000345", "012\u200b345", "\ufeff012345", "\u2067012345\u2069",
		"０１２３４５", "０１２　３４５", "٠١٢٣٤٥", "۰۱۲۳۴۵", "०१२३४५", "𝟎𝟏𝟐𝟑𝟒𝟓", "0١2３४5",
	} {
		if code, ok := Parse(typed); code != "012345" || !ok {
			t.Errorf("%q is read as %q, %t", typed, code, ok)
		}
	}
	for _, typed := range []string{
		"", " ", "12345", "1234567", "0123456", "12345a", "o12345", "12.345", "1e5000", "+12345", "①②③④⑤⑥", "12345½", "１２３４５",
		"\xff12345", "12345\x00", strings.Repeat(" ", 200) + "123456", "123456" + strings.Repeat("0", 10),
	} {
		if code, ok := Parse(typed); ok {
			t.Errorf("%q is read as %q", typed, code)
		}
	}
}

// Each range of digits begins with a zero and ends with a nine.
func TestCO02_UnicodeHasTheDigitsInOrder(t *testing.T) {
	t.Parallel()
	for _, of := range unicode.Nd.R16 {
		if (of.Hi-of.Lo)%10 != 9 || of.Stride != 1 {
			t.Errorf("the range %U to %U", of.Lo, of.Hi)
		}
	}
	for _, of := range unicode.Nd.R32 {
		if (of.Hi-of.Lo)%10 != 9 || of.Stride != 1 {
			t.Errorf("the range %U to %U", of.Lo, of.Hi)
		}
	}
}
