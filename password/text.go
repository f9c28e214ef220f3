package password

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Sizes of a password. Lengths are counted in Unicode code points after NFC,
// as NIST SP 800-63B-4 §3.1.1.2 counts them; MaxBytes is counted in bytes.
const (
	// DefaultMinLength is the minimum where the password is the only factor.
	DefaultMinLength = 15
	// DefaultMaxLength is the maximum that a zero Policy completes to.
	DefaultMaxLength = 256
	// FloorMinLength is the lowest minimum that a Policy may ask for.
	FloorMinLength = 8
	// FloorMaxLength is the lowest maximum that a Policy may ask for.
	FloorMaxLength = 64
	// MaxBytes is the most that is ever normalised or hashed, whatever the
	// policy says. Work on hostile input is bounded by it.
	MaxBytes = 1024
)

// Errors about the text itself. They say nothing about an account and come
// before any hashing.
var (
	// ErrNotUTF8 means the password is not valid UTF-8. It is refused rather
	// than repaired: repair would make different passwords equal.
	ErrNotUTF8 = errors.New("password: not valid UTF-8")
	// ErrTooLong means the password is longer than the maximum.
	ErrTooLong = errors.New("password: too long")
	// ErrEmpty means there is no password at all.
	ErrEmpty = errors.New("password: empty")
)

// Normalize returns pw in Unicode normalisation form C, and changes nothing
// else: no trimming, no case folding, no compatibility mapping (NIST SP
// 800-63B-4 §3.1.1.2). Hash and Verify apply it themselves; it is idempotent.
// It returns ErrNotUTF8 for bytes that are not UTF-8 and ErrTooLong for more
// than MaxBytes before or after the normalisation.
func Normalize(pw string) (string, error) {
	if len(pw) > MaxBytes {
		return "", fmt.Errorf("%w: more than %d bytes", ErrTooLong, MaxBytes)
	}
	if !utf8.ValidString(pw) {
		return "", ErrNotUTF8
	}
	n := norm.NFC.String(pw)
	if len(n) > MaxBytes {
		return "", fmt.Errorf("%w: more than %d bytes", ErrTooLong, MaxBytes)
	}
	return n, nil
}

// CheckSize is the check that every route taking a password makes first: it
// costs microseconds and keeps long or malformed input away from the hashing.
// maxRunes is Policy.MaxLength; zero means DefaultMaxLength. The errors are
// ErrEmpty, ErrNotUTF8 and ErrTooLong.
func CheckSize(pw string, maxRunes int) error {
	if pw == "" {
		return ErrEmpty
	}
	if maxRunes == 0 {
		maxRunes = DefaultMaxLength
	}
	n, err := Normalize(pw)
	if err != nil {
		return err
	}
	if utf8.RuneCountInString(n) > maxRunes {
		return fmt.Errorf("%w: more than %d characters", ErrTooLong, maxRunes)
	}
	return nil
}

// candidate is a password that someone typed, checked for size and encoding.
type candidate struct {
	typed string // as received; what another system has hashed
	nfc   string // what this package hashes
}

// newCandidate is the gate of every computation: what fails here never reaches
// the queue.
func newCandidate(pw string) (candidate, error) {
	if pw == "" {
		return candidate{}, ErrEmpty
	}
	n, err := Normalize(pw)
	if err != nil {
		return candidate{}, err
	}
	return candidate{typed: pw, nfc: n}, nil
}
