package password

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

//go:generate go run ./common/generate.go ./common

// commonGzip holds the common passwords, one a line, case-folded and sorted.
//
//go:embed common/common.txt.gz
var commonGzip []byte

// common unpacks the list at its first use, so that programs that set no
// password do not pay for it.
var common = sync.OnceValue(func() []byte { return unzip(commonGzip) })

// unzip panics if packed is not a gzip file. A test reads the embedded one.
func unzip(packed []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic("password: the embedded list of common passwords: " + err.Error())
	}
	list, err := io.ReadAll(r)
	if err != nil {
		panic("password: the embedded list of common passwords: " + err.Error())
	}
	return list
}

// listed reports whether the list contains folded, by binary search over its
// lines.
func listed(folded string) bool {
	list := common()
	for len(list) > 0 {
		start := bytes.LastIndexByte(list[:len(list)/2], '\n') + 1
		end := start + bytes.IndexByte(list[start:], '\n')
		switch bytes.Compare([]byte(folded), list[start:end]) {
		case 0:
			return true
		case -1:
			list = list[:start]
		default:
			list = list[end+1:]
		}
	}
	return false
}

// maxUnit is the length in runes up to which any repeated unit makes a password
// common, as in "abcabcabcabcabc".
const maxUnit = 3

// isCommon reports whether all of pw is a listed password, a context word, or
// one of these repeated. A password that only contains such a word is not
// common.
func isCommon(pw string, words []string) bool {
	folded := fold(pw)
	if listed(folded) {
		return true
	}
	unit := period(folded)
	if unit != folded && (utf8.RuneCountInString(unit) <= maxUnit || listed(unit)) {
		return true
	}
	for _, word := range words {
		word = fold(word)
		local, _, _ := strings.Cut(word, "@")
		for _, w := range []string{word, local} {
			if isRepeated(folded, w) || isDecorated(folded, w) {
				return true
			}
		}
	}
	return false
}

// minDecorated is the shortest word, in runes, that makes a password common if
// only digits and punctuation surround it. Attackers try "Usher2026!" for the
// word "Usher", but two letters among twelve digits are a coincidence.
const minDecorated = 4

// isDecorated reports whether s without leading and trailing digits and
// punctuation is word, possibly repeated.
func isDecorated(s, word string) bool {
	s, word = strings.TrimFunc(s, isDecoration), strings.TrimFunc(word, isDecoration)
	return utf8.RuneCountInString(word) >= minDecorated && isRepeated(s, word)
}

func isDecoration(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }

// fold returns the form in which passwords and words are compared.
func fold(s string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(s)))
}

// isRepeated reports whether s consists of one or more repetitions of word, the
// last of which may be cut off.
func isRepeated(s, word string) bool {
	if word == "" || len(s) < len(word) {
		return false
	}
	for strings.HasPrefix(s, word) {
		s = s[len(word):]
	}
	return strings.HasPrefix(word, s)
}

// period returns the shortest prefix of s whose repetition gives s, the last
// repetition possibly cut off. For most s that is s itself. It takes linear time
// (the border table of Knuth, Morris and Pratt).
func period(s string) string {
	border := make([]int, len(s)+1) // the longest proper border of each prefix
	k := 0
	for i := 1; i < len(s); i++ {
		for k > 0 && s[i] != s[k] {
			k = border[k]
		}
		if s[i] == s[k] {
			k++
		}
		border[i+1] = k
	}
	return s[:len(s)-border[len(s)]]
}
