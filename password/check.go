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

// Code names one rule of a Policy, for programs. The set may grow.
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

// Violation is one rule that a password does not meet.
type Violation struct {
	// Code is the rule.
	Code Code
	// Detail is a sentence for the person who chose the password. It never
	// holds the password.
	Detail string
	// Limit is the number in the rule: the minimum or maximum length, or how
	// many earlier passwords are compared. Zero where the rule has none.
	Limit int
}

// PolicyError is every rule that a password does not meet; there is at least
// one.
type PolicyError struct {
	Violations []Violation
}

// Error joins the details. It never holds the password.
func (e *PolicyError) Error() string {
	details := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		details[i] = v.Detail
	}
	return "password: policy: " + strings.Join(details, " ")
}

// Has says whether one of the violations is of this code.
func (e *PolicyError) Has(code Code) bool {
	for _, v := range e.Violations {
		if v.Code == code {
			return true
		}
	}
	return false
}

func refuse(code Code, limit int, format string, args ...any) Violation {
	return Violation{Code: code, Limit: limit, Detail: fmt.Sprintf(format, args...)}
}

// Check says whether pw may become a password. Every route that sets one calls
// it, so that all have the same rules. The context words are what a stranger
// would try for this user: login id, e-mail address, name. They are compared
// whole, case-folded, and repeated to fill the length; of an e-mail address
// the part before the @ counts as well.
//
// It returns nil, a *PolicyError with every rule that is broken, ctx's error,
// or, for a Policy that Complete refuses, that error. The list of leaked
// passwords is asked last, only about a password that is otherwise good, and
// for at most one second; when it fails, the local list has decided and
// OnBreachError is told.
func (p Policy) Check(ctx context.Context, pw string, words ...string) error {
	p, err := p.Complete()
	if err != nil {
		return err
	}
	pw, err = Normalize(pw)
	switch {
	case errors.Is(err, ErrNotUTF8):
		return &PolicyError{[]Violation{refuse(CodeNotUTF8, 0, "The password is not valid text.")}}
	case err != nil:
		return &PolicyError{[]Violation{refuse(CodeTooLong, p.MaxLength,
			"The password has more than %d bytes.", MaxBytes)}}
	case utf8.RuneCountInString(pw) > p.MaxLength:
		return &PolicyError{[]Violation{refuse(CodeTooLong, p.MaxLength,
			"The password has more than %d characters.", p.MaxLength)}}
	}
	broken := p.length(pw)
	broken = append(broken, p.composition(pw)...)
	if !p.InsecureAllowCommon && isCommon(pw, slices.Concat(words, p.Words)) {
		broken = append(broken, refuse(CodeCommon, 0,
			"The password is commonly used or easy to guess for this account."))
	}
	if len(broken) == 0 && p.Breached != nil {
		leaked, err := p.breached(ctx, pw)
		if err != nil {
			return err
		}
		if leaked {
			broken = append(broken, refuse(CodeBreached, 0,
				"The password is in a list of leaked passwords."))
		}
	}
	if len(broken) > 0 {
		return &PolicyError{broken}
	}
	return nil
}

func (p Policy) length(pw string) []Violation {
	if utf8.RuneCountInString(pw) >= p.MinLength {
		return nil
	}
	return []Violation{refuse(CodeTooShort, p.MinLength, "The password has fewer than %d characters.", p.MinLength)}
}

func (p Policy) composition(pw string) []Violation {
	var broken []Violation
	want := func(on bool, kind func(rune) bool, code Code, what string) {
		if on && !strings.ContainsFunc(pw, kind) {
			broken = append(broken, refuse(code, 0, "The password has no %s.", what))
		}
	}
	want(p.Lowercase, unicode.IsLower, CodeNoLowercase, "lower-case letter")
	want(p.Uppercase, unicode.IsUpper, CodeNoUppercase, "upper-case letter")
	want(p.Number, unicode.IsDigit, CodeNoNumber, "digit")
	want(p.NonAlphanumeric, isNonAlphanumeric, CodeNoNonAlphanumeric, "character other than letters and digits")
	return broken
}

func isNonAlphanumeric(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r)
}
