package strictjson

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// HasLoneSurrogate reports whether body, which is valid JSON, has an escape of
// half a surrogate pair. In valid JSON a backslash occurs only in strings, and the
// character or the four digits that it escapes follow it.
func HasLoneSurrogate(body []byte) bool {
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		r, size := escaped(body[i:])
		if utf16.IsSurrogate(r) {
			low, more := escaped(body[i+size:])
			if utf16.DecodeRune(r, low) == utf8.RuneError {
				return true
			}
			size += more
		}
		i += size - 1
	}
	return false
}

// escaped returns the code unit of an escape such as \u0041 at the start of b, or -1,
// and how long the escape is.
func escaped(b []byte) (unit rune, size int) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1, 2
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return -1, 2
	}
	return rune(n), 6
}
