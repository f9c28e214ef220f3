package password

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// ErrInvalidPolicy is wrapped by every error of Policy.Complete.
var ErrInvalidPolicy = errors.New("password: invalid policy")

// Limits and defaults of a Policy, besides those of the length.
const (
	// DefaultLockAttempts is also the most that a Policy may allow: NIST SP
	// 800-63B-4 §3.2.2 disables a password after 100 failures in a row.
	DefaultLockAttempts = 100
	// MaxReuseAmount bounds the work of one password change.
	MaxReuseAmount = 10
)

// Policy is what a new password must meet. The zero Policy means [NIST]. The
// switches that Usher advises against exist because programs that move here
// may have promised them; [Policy.Warnings] says which standard each one
// breaks. A password that is already set is never judged by a Policy.
type Policy struct {
	// MinLength in code points after NFC, 8 and up. Under 15 is for programs
	// with a second factor. Defaults to 15.
	MinLength int
	// MaxLength in code points after NFC, 64 to 1024. A password has at most
	// MaxBytes bytes besides. Defaults to 256.
	MaxLength int

	// Lowercase wants a lower-case letter of any script. Defaults to false.
	Lowercase bool
	// Uppercase wants an upper-case letter of any script. Defaults to false.
	Uppercase bool
	// Number wants a decimal digit of any script. Defaults to false.
	Number bool
	// NonAlphanumeric wants a character that is no letter, mark or number; a
	// space is one. Defaults to false.
	NonAlphanumeric bool

	// Expiration is the age at which a password must be replaced. Defaults to
	// 0, never.
	Expiration time.Duration
	// ReuseAmount is how many of the user's last passwords, the current one
	// among them, cannot be chosen again; at most 10. Defaults to 0, none.
	ReuseAmount int
	// LockAttempts is how many failures in a row disable the password, 1 to
	// 100. Defaults to 100.
	LockAttempts int

	// InsecureAllowCommon switches the list of common passwords and the
	// context words off. Then "passwordpassword" is a password. It is for
	// tests. Defaults to false.
	InsecureAllowCommon bool
	// Words are context words for every user, such as the name of the
	// service. They cannot be a password, nor repeated to make one. Defaults
	// to none.
	Words []string

	// Breached looks new passwords up in a list of leaked ones, see
	// RangeClient. Defaults to nil, no look-up: nothing leaves the machine.
	Breached BreachChecker
	// OnBreachError is told when Breached failed and the decision was made
	// without it. Defaults to a warning in slog.Default().
	OnBreachError func(error)
}

// NIST is the policy of NIST SP 800-63B-4 for a password that is the only
// factor: 15 to 256 characters, no common password, no composition rules, no
// expiry. It is what the zero Policy completes to.
func NIST() Policy {
	return Policy{
		MinLength:    DefaultMinLength,
		MaxLength:    DefaultMaxLength,
		LockAttempts: DefaultLockAttempts,
	}
}

// SecondFactor is NIST with the 8 characters that NIST SP 800-63B-4 §3.1.1.2
// and OWASP ASVS 5.0 6.2.1 allow where every sign-in also demands a second
// factor. Without one it is too weak.
func SecondFactor() Policy {
	p := NIST()
	p.MinLength = FloorMinLength
	return p
}

// PCIDSS is for programs that must show the letter of PCI DSS 4.0.1: at least
// 12 characters with letters and digits (8.3.6), not one of the last four
// (8.3.7), 90 days where no other control replaces it (8.3.9), ten attempts
// (8.3.4). It is stricter than the letter in wanting a lower-case letter.
// NIST and OWASP advise against most of it, and Warnings says so.
func PCIDSS() Policy {
	p := NIST()
	p.MinLength = 12
	p.Lowercase = true
	p.Number = true
	p.ReuseAmount = 4
	p.Expiration = 90 * 24 * time.Hour
	p.LockAttempts = 10
	return p
}

// Complete returns a copy with every default filled in, or an error that wraps
// ErrInvalidPolicy and names the field.
func (p Policy) Complete() (Policy, error) {
	p = p.withDefaults()
	switch {
	case p.MinLength < FloorMinLength:
		return Policy{}, fmt.Errorf("%w: MinLength: %d is under %d", ErrInvalidPolicy, p.MinLength, FloorMinLength)
	case p.MaxLength < FloorMaxLength:
		return Policy{}, fmt.Errorf("%w: MaxLength: %d is under %d", ErrInvalidPolicy, p.MaxLength, FloorMaxLength)
	case p.MaxLength > MaxBytes:
		return Policy{}, fmt.Errorf("%w: MaxLength: %d is over %d", ErrInvalidPolicy, p.MaxLength, MaxBytes)
	case p.MinLength > p.MaxLength:
		return Policy{}, fmt.Errorf("%w: MinLength: %d is over MaxLength %d", ErrInvalidPolicy, p.MinLength, p.MaxLength)
	case p.Expiration < 0:
		return Policy{}, fmt.Errorf("%w: Expiration: %v is negative", ErrInvalidPolicy, p.Expiration)
	case p.ReuseAmount < 0 || p.ReuseAmount > MaxReuseAmount:
		return Policy{}, fmt.Errorf("%w: ReuseAmount: %d is not within 0 and %d", ErrInvalidPolicy, p.ReuseAmount, MaxReuseAmount)
	case p.LockAttempts < 1 || p.LockAttempts > DefaultLockAttempts:
		return Policy{}, fmt.Errorf("%w: LockAttempts: %d is not within 1 and %d", ErrInvalidPolicy, p.LockAttempts, DefaultLockAttempts)
	}
	return p, nil
}

func (p Policy) withDefaults() Policy {
	p.MinLength = cmp.Or(p.MinLength, DefaultMinLength)
	p.MaxLength = cmp.Or(p.MaxLength, DefaultMaxLength)
	p.LockAttempts = cmp.Or(p.LockAttempts, DefaultLockAttempts)
	if p.OnBreachError == nil {
		p.OnBreachError = logBreachError
	}
	return p
}

// Warnings is one line for each setting that a standard forbids or advises
// against, to be logged when a program starts and when its policy changes. It
// is empty for the zero Policy.
func (p Policy) Warnings() []string {
	p = p.withDefaults()
	const composition = "NIST SP 800-63B-4 §3.1.1.2 forbids composition rules, and so does OWASP ASVS 5.0 6.2.5"
	var lines []string
	warn := func(on bool, setting, why string) {
		if on {
			lines = append(lines, "password policy: "+setting+": "+why)
		}
	}
	warn(p.MinLength < DefaultMinLength, fmt.Sprintf("minLength %d", p.MinLength),
		"NIST SP 800-63B-4 §3.1.1.2 wants 15 characters unless every sign-in demands a second factor")
	warn(p.Lowercase, "lowercase", composition)
	warn(p.Uppercase, "uppercase", composition)
	warn(p.Number, "number", composition)
	warn(p.NonAlphanumeric, "nonAlphanumeric", composition)
	warn(p.Expiration > 0, "expiration",
		"NIST SP 800-63B-4 §3.1.1.2 forbids periodic changes, and so does OWASP ASVS 5.0 6.2.10; force a change after a compromise instead")
	warn(p.InsecureAllowCommon, "InsecureAllowCommon",
		"NIST SP 800-63B-4 §3.1.1.2 and OWASP ASVS 5.0 6.2.4 demand a list of common passwords")
	return lines
}
