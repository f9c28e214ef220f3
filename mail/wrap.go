package mail

import (
	"strings"
	"unicode/utf8"
)

// lineLength is the longest line of a plain text in characters. RFC 3676 §4.2
// recommends at most 78.
const lineLength = 72

// wrap breaks a paragraph into lines. It does not break a long word.
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
