// Package emailcode makes the six-digit codes in emails, and reads what users type.
package emailcode

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"unicode"
)

// Digits is the number of digits of a code.
const Digits = 6

// New returns a random code. Every code is equally likely, also one with leading zeros.
func New() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic("emailcode: " + err.Error()) // crypto/rand never fails
	}
	return fmt.Sprintf("%0*d", Digits, n)
}

// maxTyped is the length of the longest input that Parse reads, in bytes.
const maxTyped = 128

// Parse returns the code that a user has typed or pasted. Blanks, hyphens and invisible
// characters do not count, and the digits of every script do, such as full-width ones. It
// returns false for anything else.
func Parse(typed string) (code string, ok bool) {
	if len(typed) > maxTyped {
		return "", false
	}
	var digits []byte
	for _, r := range typed {
		d, isDigit := digit(r)
		switch {
		case isDigit:
			digits = append(digits, '0'+d)
		case unicode.IsSpace(r), unicode.In(r, unicode.Pd, unicode.Cf), r == '\u2212': // minus sign
		default:
			return "", false
		}
	}
	return string(digits), len(digits) == Digits
}

// digit returns the value of a decimal digit of any script. Unicode has the digits of a
// script in order, in ranges that begin with zero.
func digit(r rune) (value byte, ok bool) {
	for _, of := range unicode.Nd.R16 {
		if rune(of.Lo) <= r && r <= rune(of.Hi) {
			return byte((r - rune(of.Lo)) % 10), true
		}
	}
	for _, of := range unicode.Nd.R32 {
		if rune(of.Lo) <= r && r <= rune(of.Hi) {
			return byte((r - rune(of.Lo)) % 10), true
		}
	}
	return 0, false
}
