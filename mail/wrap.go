package mail

import (
	"strings"
	"unicode/utf8"
)

// lineLength is how long a line of a plain text may get, in characters (RFC 3676
// §4.2 suggests no more than 78).
const lineLength = 72

// wrap breaks a paragraph into lines. A word that is longer stays whole.
func wrap(paragraph string) string {
	var b strings.Builder
	n := 0
	for _, word := range strings.Fields(paragraph) {
		size := utf8.RuneCountInString(word)
		switch {
		case n == 0:
		case n+1+size > lineLength:
			b.WriteByte('\n')
			n = 0
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += size
	}
	return b.String()
}
