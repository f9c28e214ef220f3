package password

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Code identifies one rule of a [Policy]. Later versions may add codes.
type Code string

// The codes of a Violation.
const (
	CodeTooShort          Code = "too_short"
	CodeTooLong           Code = "too_long"
	CodeNotUTF8           Code = "not_utf8"
	CodeNoLowercase       Code = "no_lowercase"
	CodeNoUppercase       Code = "no_uppercase"
	CodeNoNumber          Code = "no_number"
	CodeNoNonAlphanumeric Code = "no_non_alphanumeric"
	CodeCommon            Code = "common"
	CodeBreached          Code = "breached"
	CodeReused            Code = "reused"
)

// Violation is one rule that a password breaks.
type Violation struct {
	// Code identifies the rule.
	Code Code
	// Detail is an English sentence for the user. It never contains the
	// password.
	Detail string
	// Limit is the number in the rule: the minimum or maximum length, or how
	// many earlier passwords are compared. It is 0 if the rule has none.
	Limit int
}

// PolicyError lists every rule that a password breaks.
type PolicyError struct {
	// Violations has at least one element.
	Violations []Violation
}

// Error joins the details. It never contains the password.
func (e *PolicyError) Error() string {
	details := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		details[i] = v.Detail
	}
	return "password: policy: " + strings.Join(details, " ")
}

// Has reports whether a violation has the given code.
func (e *PolicyError) Has(code Code) bool {
	for _, v := range e.Violations {
		if v.Code == code {
			return true
		}
	}
	return false
}

func violation(code Code, limit int, format string, args ...any) Violation {
	return Violation{Code: code, Limit: limit, Detail: fmt.Sprintf(format, args...)}
}

// Check reports whether a user may choose pw as a password. words are what an
// attacker would try for this user: the login id, the email address, the name. A
// password must not consist of one of them, compared case-folded, alone or
// repeated, with or without digits and punctuation around it. The local part of
// an email address counts as a word too.
//
// Check returns nil, a [*PolicyError] with every broken rule, the error of ctx,
// or the error of [Policy.WithDefaults]. It calls Breached last, only for a password
// that meets every other rule, and waits at most one second. If that call fails,
// the password is accepted and OnBreachError is called.
func (p Policy) Check(ctx context.Context, pw string, words ...string) error {
	p, err := p.WithDefaults()
	if err != nil {
		return err
	}
	pw, err = Normalize(pw)
	switch {
	case errors.Is(err, ErrNotUTF8):
		return &PolicyError{[]Violation{violation(CodeNotUTF8, 0, "The password is not valid text.")}}
	case err != nil:
		return &PolicyError{[]Violation{violation(CodeTooLong, p.MaxLength,
			"The password has more than %d bytes.", MaxBytes)}}
	case utf8.RuneCountInString(pw) > p.MaxLength:
		return &PolicyError{[]Violation{violation(CodeTooLong, p.MaxLength,
			"The password has more than %d characters.", p.MaxLength)}}
	}
	broken := append(p.checkLength(pw), p.checkComposition(pw)...)
	if !p.InsecureAllowCommon && isCommon(pw, slices.Concat(words, p.Words)) {
		broken = append(broken, violation(CodeCommon, 0,
			"The password is commonly used or easy to guess for this account."))
	}
	if len(broken) == 0 {
		leaked, err := p.CheckBreached(ctx, pw)
		var failed *BreachError
		switch {
		case errors.As(err, &failed):
			p.OnBreachError(failed)
		case err != nil:
			return err
		case leaked:
			broken = append(broken, violation(CodeBreached, 0,
				"The password is in a list of leaked passwords."))
		}
	}
	if len(broken) > 0 {
		return &PolicyError{broken}
	}
	return nil
}

// CheckReuse reports whether pw is one of the user's last ReuseAmount passwords.
// earlier holds their stored strings, the current one first, then the older ones
// in order; CheckReuse reads only the first ReuseAmount. Each comparison is as
// expensive as a sign-in, so call Check first.
//
// CheckReuse returns nil, a [*PolicyError] with [CodeReused], or an error of
// [Hasher.Verify]. If a stored string is damaged, CheckReuse still compares the
// others; if none matches, it returns an error that wraps [ErrDamagedHash].
func (p Policy) CheckReuse(ctx context.Context, h *Hasher, pw string, earlier []string) error {
	p, err := p.WithDefaults()
	if err != nil {
		return err
	}
	var damaged error
	for i, stored := range earlier[:min(len(earlier), p.ReuseAmount)] {
		ok, _, err := h.Verify(ctx, stored, pw)
		switch {
		case errors.Is(err, ErrDamagedHash):
			damaged = errors.Join(damaged, fmt.Errorf("password: reuse check: earlier[%d]: %w", i, err))
		case err != nil:
			return err
		case ok:
			return &PolicyError{[]Violation{violation(CodeReused, p.ReuseAmount,
				"The password is one of the last %d of this account.", p.ReuseAmount)}}
		}
	}
	return damaged
}

func (p Policy) checkLength(pw string) []Violation {
	if utf8.RuneCountInString(pw) >= p.MinLength {
		return nil
	}
	return []Violation{violation(CodeTooShort, p.MinLength, "The password has fewer than %d characters.", p.MinLength)}
}

func (p Policy) checkComposition(pw string) []Violation {
	var broken []Violation
	require := func(on bool, class func(rune) bool, code Code, name string) {
		if on && !strings.ContainsFunc(pw, class) {
			broken = append(broken, violation(code, 0, "The password has no %s.", name))
		}
	}
	require(p.Lowercase, unicode.IsLower, CodeNoLowercase, "lower-case letter")
	require(p.Uppercase, unicode.IsUpper, CodeNoUppercase, "upper-case letter")
	require(p.Number, unicode.IsDigit, CodeNoNumber, "digit")
	require(p.NonAlphanumeric, isNonAlphanumeric, CodeNoNonAlphanumeric, "character other than letters and digits")
	return broken
}

func isNonAlphanumeric(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r)
}
