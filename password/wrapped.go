package password

import "strings"

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
	if len(fields) < 2 {
		return nil, errForm
	}
	var inner fast
	var err error
	if strings.HasPrefix(fields[0], "phpass-") {
		inner, err = parsePHPass(fields[0])
	} else {
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
