package logs

import (
	"strings"
	"unicode"
)

// Clean shortens text that a client chose to max bytes of valid UTF-8 without
// control characters and line separators.
func Clean(s string, max int) string {
	if len(s) > max {
		s = s[:max]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\uFFFD' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
