package password

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Algorithm selects how new hashes are made. A Hasher verifies the hashes of
// both.
type Algorithm int

const (
	// Argon2id is Argon2id of RFC 9106, version 0x13. It is the default.
	Argon2id Algorithm = iota
	// PBKDF2SHA256 is PBKDF2-HMAC-SHA-256 from crypto/pbkdf2, for programs
	// restricted to FIPS-approved algorithms (NIST SP 800-132).
	PBKDF2SHA256
)

// String returns the name that stored hashes contain.
func (a Algorithm) String() string {
	switch a {
	case Argon2id:
		return "argon2id"
	case PBKDF2SHA256:
		return "pbkdf2-sha256"
	}
	return fmt.Sprintf("Algorithm(%d)", int(a))
}

// DefaultQueueWait is the default of HasherConfig.QueueWait.
const DefaultQueueWait = time.Second

// ErrInvalidConfig is wrapped by every error of [NewHasher].
var ErrInvalidConfig = errors.New("password: invalid hasher configuration")

// HasherConfig configures a [Hasher]. The zero value is safe in production. It
// prints without the keys of its peppers.
type HasherConfig struct {
	// Algorithm makes new hashes. Defaults to Argon2id.
	Algorithm Algorithm

	// Params are the costs of Argon2id. Each zero field has its own default;
	// together these are 65536 KiB, 3 passes and 1 thread. The costs must reach
	// one minimum of OWASP ASVS 5.0 appendix C: 47104 KiB with 1 pass, 19456 KiB
	// with 2, or 12288 KiB with 3.
	Params Params

	// PBKDF2Iterations is the cost of PBKDF2SHA256, 600,000 to 2,000,000.
	// Defaults to 600,000.
	PBKDF2Iterations int

	// Peppers lists the peppers, newest first. New hashes use the first; hashes
	// made with the others still verify and are then rehashed. Defaults to none.
	Peppers []Pepper

	// ForeignPeppers lists the peppers of other systems, for imported hashes that name them
	// by [Bcrypt.PepperID]. Each is needed until the last of these users has signed in, and
	// makes no new hash. A key may have any length. Defaults to none.
	ForeignPeppers []Pepper

	// Slots is how many computations may run at once. A computation of Argon2id keeps as
	// many cores busy as it has threads. Running computations need Slots × Params.Memory.
	// Hashes of other systems are verified in as many further slots, which need up to 256
	// MiB each. Defaults to as many as keep half of the cores busy, at least 1, so that the
	// other half answers requests: runtime.GOMAXPROCS(0) / 2 / Params.Threads; with
	// PBKDF2SHA256 runtime.GOMAXPROCS(0) / 2.
	Slots int

	// QueueWait is the longest time that a call waits for a slot. A call that is
	// expected to wait longer returns a BusyError at once. Defaults to 1 second.
	QueueWait time.Duration
}

func (c HasherConfig) withDefaults() HasherConfig {
	c.Params = c.Params.withDefaults()
	c.PBKDF2Iterations = cmp.Or(c.PBKDF2Iterations, DefaultPBKDF2Iterations)
	c.Slots = cmp.Or(c.Slots, c.defaultSlots())
	c.QueueWait = cmp.Or(c.QueueWait, DefaultQueueWait)
	return c
}

func (c HasherConfig) defaultSlots() int {
	threads := 1
	if c.Algorithm == Argon2id {
		threads = int(c.Params.Threads)
	}
	return max(1, runtime.GOMAXPROCS(0)/2/threads)
}

func (c HasherConfig) validate() error {
	if c.Algorithm != Argon2id && c.Algorithm != PBKDF2SHA256 {
		return fmt.Errorf("%w: Algorithm: %v is unknown", ErrInvalidConfig, c.Algorithm)
	}
	if err := c.Params.validate(); err != nil {
		return fmt.Errorf("%w: Params: %w", ErrInvalidConfig, err)
	}
	if c.PBKDF2Iterations < DefaultPBKDF2Iterations || c.PBKDF2Iterations > maxPBKDF2Iterations {
		return fmt.Errorf("%w: PBKDF2Iterations: %d is not between %d and %d",
			ErrInvalidConfig, c.PBKDF2Iterations, DefaultPBKDF2Iterations, maxPBKDF2Iterations)
	}
	if c.Slots < 1 {
		return fmt.Errorf("%w: Slots: %d is less than 1", ErrInvalidConfig, c.Slots)
	}
	if c.QueueWait < 0 {
		return fmt.Errorf("%w: QueueWait: %v is negative", ErrInvalidConfig, c.QueueWait)
	}
	ids := make(map[string]bool, len(c.Peppers))
	for i, p := range c.Peppers {
		if err := p.validate(); err != nil {
			return fmt.Errorf("%w: Peppers[%d]: %w", ErrInvalidConfig, i, err)
		}
		if ids[p.ID] {
			return fmt.Errorf("%w: Peppers[%d]: ID %q is not unique", ErrInvalidConfig, i, p.ID)
		}
		ids[p.ID] = true
	}
	for i, p := range c.ForeignPeppers {
		switch {
		case !validPepperID(p.ID):
			return fmt.Errorf("%w: ForeignPeppers[%d]: %w", ErrInvalidConfig, i, errPepperID(p.ID))
		case len(p.Key) == 0:
			return fmt.Errorf("%w: ForeignPeppers[%d]: Key of %q is empty", ErrInvalidConfig, i, p.ID)
		case ids[p.ID]:
			return fmt.Errorf("%w: ForeignPeppers[%d]: ID %q is not unique", ErrInvalidConfig, i, p.ID)
		}
		ids[p.ID] = true
	}
	return nil
}
