package password

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Lengths of a password. All except MaxBytes count Unicode code points after NFC, as NIST
// SP 800-63B-4 §3.1.1.2 does.
const (
	// DefaultMinLength is the default of Policy.MinLength.
	DefaultMinLength = 15
	// DefaultMaxLength is the default of Policy.MaxLength.
	DefaultMaxLength = 256
	// FloorMinLength is the lowest allowed Policy.MinLength.
	FloorMinLength = 8
	// FloorMaxLength is the lowest allowed Policy.MaxLength.
	FloorMaxLength = 64
	// MaxBytes is the longest password, in bytes, that is normalized or hashed
	// under any policy. It limits the work that untrusted input can cause.
	MaxBytes = 1024
)

// Errors about the text of a password. They reveal nothing about an account and
// are returned before any hash is computed.
var (
	// ErrNotUTF8 means that the password is not valid UTF-8. It is refused
	// because repairing it could make different passwords equal.
	ErrNotUTF8 = errors.New("password: not valid UTF-8")
	// ErrTooLong means that the password is longer than the maximum.
	ErrTooLong = errors.New("password: too long")
	// ErrEmpty means that the password is the empty string.
	ErrEmpty = errors.New("password: empty")
)

// Normalize returns pw in Unicode normalization form C. It does not trim, fold
// case or map compatible characters (NIST SP 800-63B-4 §3.1.1.2). Hash and
// Verify normalize by themselves. Normalize is idempotent.
//
// It returns [ErrNotUTF8] if pw is not valid UTF-8, and [ErrTooLong] if pw has
// more than MaxBytes before or after normalization.
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

// CheckSize refuses long or malformed passwords within microseconds. Call it
// before any other work with a password from an untrusted client. maxRunes is
// Policy.MaxLength; 0 means DefaultMaxLength. Its errors are [ErrEmpty],
// [ErrNotUTF8] and [ErrTooLong].
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

// candidate is a password to hash or verify, checked for size and encoding.
type candidate struct {
	typed string // as received; the input of other systems' hashes
	nfc   string // the input of native hashes
}

// newCandidate checks pw before any computation is queued.
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
