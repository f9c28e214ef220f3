package password

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// ErrInvalidPolicy is wrapped by every error of [Policy.WithDefaults].
var ErrInvalidPolicy = errors.New("password: invalid policy")

// Defaults and limits of a [Policy].
const (
	// DefaultLockAttempts is the default and the maximum of Policy.LockAttempts:
	// NIST SP 800-63B-4 §3.2.2 disables a password after 100 consecutive
	// failures.
	DefaultLockAttempts = 100
	// MaxReuseAmount limits Policy.ReuseAmount, and so the work of one password
	// change.
	MaxReuseAmount = 10
)

// Policy is the set of rules for new passwords. The zero Policy is [NIST]. It
// does not apply to passwords that are already set.
//
// The fields that standards advise against exist for programs that have promised
// such rules to others; [Policy.Warnings] names the standard that each one
// contradicts.
type Policy struct {
	// MinLength is in code points after NFC, at least 8. Values under 15 are for
	// programs with a second factor. Defaults to 15.
	MinLength int
	// MaxLength is in code points after NFC, 64 to 1024. Passwords of more than
	// MaxBytes bytes are always refused. Defaults to 256.
	MaxLength int

	// Lowercase requires a lower-case letter of any script. Defaults to false.
	Lowercase bool
	// Uppercase requires an upper-case letter of any script. Defaults to false.
	Uppercase bool
	// Number requires a decimal digit of any script. Defaults to false.
	Number bool
	// NonAlphanumeric requires a character that is not a letter, mark or number,
	// such as a space. Defaults to false.
	NonAlphanumeric bool

	// Expiration is the age at which a password must be replaced. Defaults to 0,
	// which means never.
	Expiration time.Duration
	// ReuseAmount is how many of the user's last passwords, including the
	// current one, must not be chosen again, at most 10. Defaults to 0.
	ReuseAmount int
	// LockAttempts is how many consecutive failures disable the password, 1 to
	// 100. Defaults to 100.
	LockAttempts int

	// InsecureAllowCommon disables the checks for common passwords and context
	// words, so that "passwordpassword" is accepted. Use it in tests only.
	// Defaults to false.
	InsecureAllowCommon bool
	// Words are context words for every user, such as the name of the service;
	// see Check. Defaults to none.
	Words []string

	// Breached looks up new passwords in a list of leaked ones; see RangeClient.
	// Defaults to nil, which means no look-up.
	Breached BreachChecker
	// OnBreachError is called with a *BreachError if Breached failed and the
	// password was checked without it. Defaults to a warning in slog.Default().
	OnBreachError func(error)
}

// NIST returns the policy of NIST SP 800-63B-4 for a password that is the only
// factor: 15 to 256 characters, no common passwords, no composition rules, no
// expiration. The zero Policy is equivalent.
func NIST() Policy {
	return Policy{
		MinLength:    DefaultMinLength,
		MaxLength:    DefaultMaxLength,
		LockAttempts: DefaultLockAttempts,
	}
}

// PCIDSS returns a policy for programs that must follow PCI DSS 4.0.1 literally:
// at least 12 characters with letters and digits (8.3.6), none of the last four
// passwords (8.3.7), replaced after 90 days (8.3.9), disabled after ten failures
// (8.3.4). It goes further by requiring a lower-case letter. NIST and OWASP
// advise against most of these rules; see [Policy.Warnings].
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

// WithDefaults returns a copy of p with every default filled in. Its errors wrap
// [ErrInvalidPolicy] and name the field.
func (p Policy) WithDefaults() (Policy, error) {
	p = p.withDefaults()
	switch {
	case p.MinLength < FloorMinLength:
		return Policy{}, fmt.Errorf("%w: MinLength: %d is less than %d", ErrInvalidPolicy, p.MinLength, FloorMinLength)
	case p.MaxLength < FloorMaxLength:
		return Policy{}, fmt.Errorf("%w: MaxLength: %d is less than %d", ErrInvalidPolicy, p.MaxLength, FloorMaxLength)
	case p.MaxLength > MaxBytes:
		return Policy{}, fmt.Errorf("%w: MaxLength: %d is greater than %d", ErrInvalidPolicy, p.MaxLength, MaxBytes)
	case p.MinLength > p.MaxLength:
		return Policy{}, fmt.Errorf("%w: MinLength: %d is greater than MaxLength %d", ErrInvalidPolicy, p.MinLength, p.MaxLength)
	case p.Expiration < 0:
		return Policy{}, fmt.Errorf("%w: Expiration: %v is negative", ErrInvalidPolicy, p.Expiration)
	case p.ReuseAmount < 0 || p.ReuseAmount > MaxReuseAmount:
		return Policy{}, fmt.Errorf("%w: ReuseAmount: %d is not between 0 and %d", ErrInvalidPolicy, p.ReuseAmount, MaxReuseAmount)
	case p.LockAttempts < 1 || p.LockAttempts > DefaultLockAttempts:
		return Policy{}, fmt.Errorf("%w: LockAttempts: %d is not between 1 and %d", ErrInvalidPolicy, p.LockAttempts, DefaultLockAttempts)
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

// Warnings returns one line for each setting that a standard forbids or advises
// against. Log them when the program starts and when its policy changes. The
// zero Policy has none.
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
		"NIST SP 800-63B-4 §3.1.1.2 requires 15 characters unless every sign-in requires a second factor")
	warn(p.Lowercase, "lowercase", composition)
	warn(p.Uppercase, "uppercase", composition)
	warn(p.Number, "number", composition)
	warn(p.NonAlphanumeric, "nonAlphanumeric", composition)
	warn(p.Expiration > 0, "expiration",
		"NIST SP 800-63B-4 §3.1.1.2 forbids periodic changes, and so does OWASP ASVS 5.0 6.2.10; force a change after a compromise instead")
	warn(p.InsecureAllowCommon, "InsecureAllowCommon",
		"NIST SP 800-63B-4 §3.1.1.2 and OWASP ASVS 5.0 6.2.4 require a list of common passwords")
	return lines
}
