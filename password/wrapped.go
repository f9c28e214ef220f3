package password

import (
	"strconv"
	"strings"
)

// fast is a hash of another system that is too cheap to be stored. Only its
// description is stored, and its result is the input of a native hash (OWASP
// Password Storage Cheat Sheet, "Upgrading Legacy Hashes").
type fast interface {
	// describe returns its parameters for the stored string, without any $.
	describe() string
	// sum returns the text that the other system stored for pw.
	sum(pw string) string
}

// wrapped is $x-wrapped$inner followed by a native hash of the inner hash's text.
type wrapped struct {
	inner fast
	outer *native
}

func encodeWrapped(inner fast, outer string) string {
	return "$x-wrapped$" + inner.describe() + outer
}

func parseWrapped(fields []string) (*wrapped, error) {
	var inner fast
	var err error
	switch {
	case strings.HasPrefix(fields[0], "phpass-"):
		inner, err = parsePHPass(fields[0])
	case strings.HasPrefix(fields[0], "spring-sha256:"):
		inner, err = parseSpringSHA256(strings.TrimPrefix(fields[0], "spring-sha256:"))
	case strings.HasPrefix(fields[0], "x-"):
		inner, err = parseWeakInner(fields[0])
	default:
		inner, err = parseDigest(fields[0])
	}
	if err != nil {
		return nil, err
	}
	outer, err := parseNative(fields[1:])
	if err != nil {
		return nil, err
	}
	return &wrapped{inner: inner, outer: outer}, nil
}

func (w *wrapped) encode() string { return encodeWrapped(w.inner, w.outer.encode()) }

func (w *wrapped) pepperID() string { return w.outer.keyID }

func (w *wrapped) matches(c candidate, pepper []byte) (bool, error) {
	return w.outer.matchesText(w.inner.sum(c.typed), pepper)
}

// The costs below which a hash of a slow format is wrapped. That of Firebase is scrypt too.
const (
	minPBKDF2Import = 100_000
	minScryptImport = 1 << 17
	minArgon2Import = 16 << 10 // KiB × passes
)

// derived is a hash of a slow format: the output of a key derivation.
type derived interface {
	scheme
	// description is the stored string without the last field, the output.
	description() string
	// weak reports whether the costs are too low for the hash to be stored.
	weak() bool
	// result returns the output of the right password.
	result() []byte
	// derive returns the output of a password.
	derive(pw string) ([]byte, error)
}

// weakInner describes the inner hash of a wrapped one that has a slow format, as its
// description with : for $, and the length of the output.
type weakInner struct{ of derived }

func (w weakInner) describe() string {
	return strings.ReplaceAll(w.of.description()[1:], "$", ":") + ":" + strconv.Itoa(len(w.of.result()))
}

func parseWeakInner(s string) (weakInner, error) {
	i := strings.LastIndexByte(s, ':')
	length, _ := strconv.Atoi(s[i+1:]) // 0 without a colon, because s begins with x-
	// Firebase has the longest output. parse checks the length for each format.
	if length < minTag || length > maxFirebaseSigner {
		return weakInner{}, errForm
	}
	stored, err := parse("$" + strings.ReplaceAll(s[:i], ":", "$") + "$" + b64(make([]byte, length)))
	if err != nil {
		return weakInner{}, err
	}
	of, ok := stored.(derived)
	if inner := (weakInner{of}); !ok || inner.describe() != s {
		return weakInner{}, errForm
	}
	return weakInner{of}, nil
}

func (w weakInner) sum(pw string) string {
	tag, err := w.of.derive(pw)
	if err != nil {
		return "" // is the output of no password
	}
	return b64(tag)
}
