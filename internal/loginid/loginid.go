// Package loginid computes the form in which login ids and email addresses are
// compared. Two login ids name the same user if they have the same canonical form.
package loginid

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// The maximum lengths in bytes of a login id or an address, and of the part
// before the @ (RFC 5321 §4.5.3.1).
const (
	maxLength    = 254
	maxLocalPart = 64
)

// Error says why a login id is not valid.
type Error struct {
	// Code is "required", "invalid" or "too_long".
	Code string
	// Detail says what is accepted. It never repeats the input.
	Detail string
}

// Error returns the detail.
func (e *Error) Error() string { return e.Detail }

// Canonical returns the canonical form of a login id: ASCII letters in lower
// case, the domain of an address as A-labels (RFC 5890), and NFC. Nothing else is
// folded. Dots and plus signs are significant, and a character outside ASCII never
// becomes an ASCII character, so that a look-alike never reaches another account.
//
// Without unicodeLocal, a name or the part before the @ must be ASCII. Errors are
// of type [*Error].
func Canonical(s string, unicodeLocal bool) (string, error) {
	switch {
	case s == "":
		return "", &Error{"required", "must not be empty"}
	case len(s) > maxLength:
		return "", &Error{"too_long", "must be at most 254 bytes"}
	case !utf8.ValidString(s) || strings.ContainsRune(s, utf8.RuneError):
		return "", &Error{"invalid", "must be valid UTF-8"}
	}
	local, domain, address := strings.Cut(s, "@")
	if address && (local == "" || domain == "" || strings.Contains(domain, "@")) {
		return "", &Error{"invalid", "must be an e-mail address or a name without @"}
	}
	if len(local) > maxLocalPart && address {
		return "", &Error{"too_long", "must have at most 64 bytes before the @"}
	}
	if address && strings.Contains(local, "=?") {
		// Mail programs decode =?utf-8?q?…?= in the header To (RFC 2047), so the user
		// would see another address.
		return "", &Error{"invalid", "has a character that is not allowed"}
	}
	local, ok := canonicalLocal(local, unicodeLocal)
	if !ok {
		return "", &Error{"invalid", "has a character that is not allowed"}
	}
	if !address {
		return local, nil
	}
	domain, ok = canonicalDomain(domain)
	if !ok {
		return "", &Error{"invalid", "must have a domain name after the @"}
	}
	c := local + "@" + domain
	// A second, independent check of the form. The checks above bound the length,
	// so net/mail never parses a long input.
	if a, err := mail.ParseAddress(c); len(c) > maxLength || err != nil || a.Address != c {
		return "", &Error{"invalid", "must be an e-mail address"}
	}
	return c, nil
}

// Trim removes the blanks (U+0020) at both ends of a login id or an address as typed.
// Keyboards of phones add one after a completed address.
func Trim(s string) string { return strings.Trim(s, " ") }

// CanonicalEmail is [Canonical] for a string that must be an email address.
func CanonicalEmail(s string, unicodeLocal bool) (string, error) {
	c, err := Canonical(s, unicodeLocal)
	if err == nil && !IsEmail(c) {
		return "", &Error{"invalid", "must be an e-mail address"}
	}
	return c, err
}

// IsEmail reports whether a canonical login id is an email address.
func IsEmail(canonical string) bool { return strings.Contains(canonical, "@") }

// canonicalLocal returns the canonical form of a name or of the part before the @,
// and whether all its characters are allowed. The quoted form, comments, lists and
// white space of RFC 5322 are not allowed: real addresses do not use them, and
// many parsers read them wrongly.
func canonicalLocal(s string, allowUnicode bool) (string, bool) {
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			if r <= ' ' || r == 0x7f || strings.ContainsRune(`"(),:;<>[\]`, r) {
				return "", false
			}
		case !allowUnicode,
			!unicode.IsPrint(r),
			unicode.Is(unicode.Cf, r):
			return "", false
		}
	}
	c := norm.NFC.String(s)
	if len(c) > maxLocalPart*4 || !addsNoASCII(s, c) {
		return "", false
	}
	return LowerASCII(c), true
}

// addsNoASCII reports whether normalization added no ASCII character. It adds one
// where, for example, U+212A KELVIN SIGN becomes the letter K.
func addsNoASCII(before, after string) bool {
	keep := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < utf8.RuneSelf {
				return r
			}
			return -1
		}, s)
	}
	// Composition removes ASCII letters: e and U+0301 become one character.
	return len(keep(after)) <= len(keep(before)) && isSubsequence(keep(after), keep(before))
}

func isSubsequence(s, of string) bool {
	for i := 0; i < len(of) && s != ""; i++ {
		if of[i] == s[0] {
			s = s[1:]
		}
	}
	return s == ""
}

var domainProfile = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.BidiRule(),
	idna.StrictDomainName(true),
	idna.VerifyDNSLength(true),
)

// canonicalDomain returns the domain as A-labels, and whether it is valid. Except
// for upper case, the domain must have the form that IDNA prescribes: characters
// that the IDNA mapping folds into ASCII (full-width letters, U+212A, U+3002) or
// removes (U+00AD) are refused.
func canonicalDomain(s string) (string, bool) {
	for _, r := range s {
		if r >= utf8.RuneSelf && foldsIntoASCII(r) {
			return "", false
		}
	}
	a, err := domainProfile.ToASCII(s)
	if err != nil || a == "" || strings.HasSuffix(a, ".") {
		return "", false
	}
	a = LowerASCII(a)
	typed, labels := strings.Split(norm.NFC.String(strings.ToLower(s)), "."), strings.Split(a, ".")
	if len(typed) != len(labels) {
		return "", false
	}
	for i, label := range labels {
		if typed[i] == label {
			continue
		}
		if u, err := domainProfile.ToUnicode(label); err != nil || u != typed[i] {
			return "", false
		}
	}
	return a, true
}

// foldsIntoASCII reports whether compatibility normalization turns r into ASCII.
func foldsIntoASCII(r rune) bool {
	for _, c := range norm.NFKC.String(string(unicode.ToLower(r))) {
		if c < utf8.RuneSelf {
			return true
		}
	}
	return false
}

// LowerASCII returns a text with its ASCII letters in lower case.
func LowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
