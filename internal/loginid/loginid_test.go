package loginid

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSU01_CanonicalForms(t *testing.T) {
	for _, c := range []struct {
		typed, want string
		unicode     bool
	}{
		{"bob", "bob", false},
		{"Bob.The+Builder", "bob.the+builder", false},
		{"+4915112345678", "+4915112345678", false},
		{"Ann@Example.COM", "ann@example.com", false},
		{"ann@xn--BCHER-kva.example", "ann@xn--bcher-kva.example", false},
		{"ann@b\u00fccher.xn--p1ai", "ann@xn--bcher-kva.xn--p1ai", false},
		{"ann@fa\u00df.example", "ann@xn--fa-hia.example", false},
		{"Ren\u00c9@example.com", "ren\u00c9@example.com", true}, // only ASCII is folded
		{"rene\u0301@example.com", "ren\u00e9@example.com", true},
		{"m\u0131ke@example.com", "m\u0131ke@example.com", true},
	} {
		if got, err := Canonical(c.typed, c.unicode); err != nil || got != c.want {
			t.Errorf("%+q: %+q, %v, want %+q", c.typed, got, err, c.want)
		}
	}
}

// A mail program decodes an encoded word (RFC 2047) in the header To, so the user
// would see another address.
func TestSU01_NoEncodedWordBeforeTheAt(t *testing.T) {
	for _, s := range []string{"=?utf-8?q?victim=40bank.test=3e=20?=@evil.test", "ann=?x@example.com"} {
		if got, err := Canonical(s, true); err == nil {
			t.Errorf("%q is accepted as %q", s, got)
		}
	}
	for _, s := range []string{"ann=x?@example.com", "=?"} {
		if _, err := Canonical(s, true); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// A canonical form is its own canonical form, has a bounded length, contains no
// character that could break an email header, and has no ASCII that the input
// does not have.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		"", "bob", "User@EXAMPLE.com", "m\u0131ke@example.org", "MI\u212aE@example.org", "mike@ex\u0430mple.org",
		"a@b\u00fccher.example", "a@xn--bcher-kva.example", "mike@example\u3002org", "mike@exam\u00adple.org",
		`"A" <a@b.c>`, "a(x)@b.c", "a@b.c,d@e.f", "a\r\nBcc: x@b.c", "a@b\x00.c", "\xff@b.c", "rene\u0301@example.com",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, unicode bool) {
		c, err := Canonical(s, unicode)
		if err != nil {
			if c != "" {
				t.Fatalf("%+q: %+q and an error", s, c)
			}
			return
		}
		if again, err := Canonical(c, unicode); err != nil || again != c {
			t.Fatalf("%+q: canonical form %+q becomes %+q, %v", s, c, again, err)
		}
		if len(c) > 256 || !utf8.ValidString(c) || strings.ContainsAny(c, " \t\r\n\x00\"(),:;<>[]\\") {
			t.Fatalf("%+q: canonical form %+q", s, c)
		}
		ascii := isASCII(s)
		if ascii && c != strings.ToLower(s) {
			t.Fatalf("%q: canonical form %q, want it in lower case and no more", s, c)
		}
		if !ascii && isASCII(c) && !strings.Contains(c, "xn--") {
			t.Fatalf("%+q: reaches the account of %q", s, c)
		}
	})
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 && utf8.ValidString(s)
}
