package mail

import (
	"errors"
	netmail "net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/usherkit/usher/internal/loginid"
)

var errAddress = errors.New("must be one email address")

// parseMailbox returns an address without a name. Its domain becomes A-labels (RFC
// 5891 §4.4), because servers without SMTPUTF8 accept no other domains; the part
// before the @ does not change.
func parseMailbox(s string) (string, error) {
	// An address is valid if sign-up accepts it.
	canonical, err := loginid.Canonical(s, true)
	if err != nil {
		return "", errAddress
	}
	_, domain, ok := strings.Cut(canonical, "@")
	local, _, _ := strings.Cut(s, "@")
	if !ok {
		return "", errAddress
	}
	return local + "@" + domain, nil
}

// parseSender reads "address" or "Name <address>".
func parseSender(s string) (*netmail.Address, error) {
	if !singleLine(s) {
		return nil, errors.New("must be one line without control characters")
	}
	a, err := netmail.ParseAddress(s)
	if err != nil {
		return nil, errors.New(`must be an email address or "Name <address>"`)
	}
	if a.Address, err = parseMailbox(a.Address); err != nil {
		return nil, err
	}
	if !singleLine(a.Name) {
		return nil, errors.New("must be one line without control characters")
	}
	return a, nil
}

// singleLine reports whether s is valid UTF-8 without control characters, U+2028
// and U+2029, which would end a line or control a terminal.
func singleLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
