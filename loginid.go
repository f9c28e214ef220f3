package usher

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// The most bytes of a login id or an address, and of the part before its @
// (RFC 5321 §4.5.3.1).
const (
	maxLoginID   = 254
	maxLocalPart = 64
)

// CanonicalLoginID returns the form in which login ids are compared and kept
// unique: ASCII letters in lower case, the domain of an address as A-labels
// (RFC 5890), and NFC. Nothing else is folded: dots and plus signs count, and
// no character outside ASCII ever becomes one inside, so that a look-alike
// never reaches another account. The error is a [*FieldError] for the field
// loginId.
//
// Without unicodeLocal, a login id or the part before the @ must be ASCII.
func CanonicalLoginID(s string, unicodeLocal bool) (string, error) {
	return canonical("loginId", s, unicodeLocal)
}

// canonicalEmail is CanonicalLoginID for what must be a mail address.
func canonicalEmail(field, s string, unicodeLocal bool) (string, error) {
	c, err := canonical(field, s, unicodeLocal)
	if err != nil {
		return "", err
	}
	if !isEmail(c) {
		return "", &FieldError{field, "invalid", "must be an e-mail address"}
	}
	return c, nil
}

// isEmail reports whether a canonical login id is a mail address.
func isEmail(canonical string) bool { return strings.Contains(canonical, "@") }

func canonical(field, s string, unicodeLocal bool) (string, error) {
	invalid := func(detail string) (string, error) {
		return "", &FieldError{field, "invalid", detail}
	}
	switch {
	case s == "":
		return "", &FieldError{field, "required", "must not be empty"}
	case len(s) > maxLoginID:
		return "", &FieldError{field, "too_long", "must be at most 254 bytes"}
	case !utf8.ValidString(s) || strings.ContainsRune(s, utf8.RuneError):
		return invalid("must be valid UTF-8")
	}
	local, domain, address := strings.Cut(s, "@")
	if address && (local == "" || domain == "" || strings.Contains(domain, "@")) {
		return invalid("must be an e-mail address or a name without @")
	}
	if len(local) > maxLocalPart && address {
		return "", &FieldError{field, "too_long", "must have at most 64 bytes before the @"}
	}
	local, ok := canonicalLocal(local, unicodeLocal)
	if !ok {
		return invalid("has a character that is not allowed")
	}
	if !address {
		return local, nil
	}
	domain, ok = canonicalDomain(domain)
	if !ok {
		return invalid("must have a domain name after the @")
	}
	c := local + "@" + domain
	// The length is bounded above: net/mail never sees a long input. It is the
	// second opinion on the form of the address.
	if a, err := mail.ParseAddress(c); len(c) > maxLoginID || err != nil || a.Address != c {
		return invalid("must be an e-mail address")
	}
	return c, nil
}

// canonicalLocal checks the characters of a name or of the part before the @.
// The quoted form, comments, lists and white space of RFC 5322 are not
// allowed: nobody has such an address, and they have fooled many parsers.
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
	if len(c) > maxLocalPart*4 || !sameASCII(s, c) {
		return "", false
	}
	return lowerASCII(c), true
}

// sameASCII reports whether normalisation has left the ASCII characters alone.
// U+212A KELVIN SIGN, for one, becomes the letter K.
func sameASCII(before, after string) bool {
	keep := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < utf8.RuneSelf {
				return r
			}
			return -1
		}, s)
	}
	// Composition takes letters away (e + U+0301 is one character), it may
	// never add any.
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

// canonicalDomain returns the domain as A-labels. But for upper case, a domain
// must be written as IDNA wants it: what the mapping would fold into ASCII
// (full-width letters, U+212A, U+3002) or drop (U+00AD) is refused instead.
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
	a = lowerASCII(a)
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

// foldsIntoASCII reports whether compatibility folding turns r into ASCII.
func foldsIntoASCII(r rune) bool {
	for _, c := range norm.NFKC.String(string(unicode.ToLower(r))) {
		if c < utf8.RuneSelf {
			return true
		}
	}
	return false
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
