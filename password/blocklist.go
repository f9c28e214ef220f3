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

// commonGzip is one common password a line, case-folded and sorted.
//
//go:embed common/common.txt.gz
var commonGzip []byte

// common is the list, unpacked at the first use: a program that sets no
// password does not pay for it.
var common = sync.OnceValue(func() []byte { return unzip(commonGzip) })

// unzip panics for what a build has embedded wrongly; a test has read it.
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

// listed is a binary search over the lines of the sorted list.
func listed(folded string) bool {
	if folded == "" || strings.ContainsRune(folded, '\n') {
		return false
	}
	list := common()
	for len(list) > 0 {
		start := bytes.LastIndexByte(list[:len(list)/2], '\n') + 1
		end := start + bytes.IndexByte(list[start:], '\n')
		switch c := bytes.Compare([]byte(folded), list[start:end]); {
		case c == 0:
			return true
		case c < 0:
			list = list[:start]
		default:
			list = list[end+1:]
		}
	}
	return false
}

// maxUnit is the length in runes up to which a repeated piece makes a password
// common, whatever it is: "abcabcabcabcabc".
const maxUnit = 3

// isCommon says whether the whole of pw is a listed password, a context word,
// or nothing but one of them repeated. A password that merely contains such a
// word is not common.
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

// minDecorated is the length in runes from which a word is looked for among
// digits and punctuation: "Usher2026!" is the word Usher to everyone who
// guesses, but two letters among twelve digits are chance.
const minDecorated = 4

// isDecorated says whether the letters of s, without the digits and
// punctuation around them, are word, once or more.
func isDecorated(s, word string) bool {
	s, word = strings.TrimFunc(s, isDecoration), strings.TrimFunc(word, isDecoration)
	return utf8.RuneCountInString(word) >= minDecorated && isRepeated(s, word)
}

func isDecoration(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }

// fold is the form in which passwords and words are compared.
func fold(s string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(s)))
}

// isRepeated says whether s is word once or more, the last time perhaps cut.
func isRepeated(s, word string) bool {
	if word == "" || len(s) < len(word) {
		return false
	}
	for ; len(s) >= len(word); s = s[len(word):] {
		if !strings.HasPrefix(s, word) {
			return false
		}
	}
	return strings.HasPrefix(word, s)
}

// period is the shortest prefix of s that repeated gives s, the last time
// perhaps cut; for most it is s. It takes time in proportion to s (the border
// table of Knuth, Morris and Pratt).
func period(s string) string {
	border := make([]int, len(s)+1) // of every prefix, its longest proper border
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
