package password

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Algorithm is the function that makes new hashes. Hashes of both are always
// verified.
type Algorithm int

const (
	// Argon2id is RFC 9106, version 0x13. It is the default.
	Argon2id Algorithm = iota
	// PBKDF2SHA256 is PBKDF2-HMAC-SHA-256 from crypto/pbkdf2, for programs
	// that may use FIPS-approved schemes only (NIST SP 800-132).
	PBKDF2SHA256
)

// String is the name as it is in a stored hash.
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

// ErrInvalidConfig is wrapped by every error of NewHasher.
var ErrInvalidConfig = errors.New("password: invalid hasher configuration")

// HasherConfig configures a Hasher. The zero value is a safe production
// configuration. It prints without the peppers' keys.
type HasherConfig struct {
	// Algorithm of new hashes. Defaults to Argon2id.
	Algorithm Algorithm

	// Params are the costs of Argon2id. They must reach one row of the floor
	// of OWASP ASVS 5.0 appendix C: 47104 KiB with 1 pass, 19456 with 2, or
	// 12288 with 3. Each field has a default of its own; together they are
	// 65536 KiB, 3 passes, 4 threads.
	Params Params

	// PBKDF2Iterations, 600,000 to 2,000,000, matter with PBKDF2SHA256 only.
	// Defaults to 600,000.
	PBKDF2Iterations int

	// Peppers, newest first. The first is in every new hash; the others still
	// verify older ones, which are then rehashed. Defaults to none.
	Peppers []Pepper

	// Slots is how many computations may run at once. One of Argon2id runs on as
	// many cores as it has threads, so more of them than that would only take
	// each other's time and memory. Memory for hashing is bounded by Slots ×
	// Params.Memory, plus what is not collected yet (see Hasher). Hashes made
	// elsewhere are verified in as many slots of their own; these take up to
	// 256 MiB each, at the very most.
	// Defaults to runtime.GOMAXPROCS(0) divided by Params.Threads, rounded up;
	// with PBKDF2SHA256 to runtime.GOMAXPROCS(0).
	Slots int

	// QueueWait is how long a caller waits for a slot before it gets a
	// *BusyError, which it gets at once where the queue is too long for that.
	// Defaults to 1 second.
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
	cores, lanes := runtime.GOMAXPROCS(0), int(c.Params.Threads)
	if c.Algorithm != Argon2id {
		lanes = 1
	}
	return (cores + lanes - 1) / lanes
}

func (c HasherConfig) validate() error {
	if c.Algorithm != Argon2id && c.Algorithm != PBKDF2SHA256 {
		return fmt.Errorf("%w: Algorithm: %v is not known", ErrInvalidConfig, c.Algorithm)
	}
	if err := c.Params.validate(); err != nil {
		return fmt.Errorf("%w: Params: %w", ErrInvalidConfig, err)
	}
	if c.PBKDF2Iterations < DefaultPBKDF2Iterations || c.PBKDF2Iterations > maxPBKDF2Iterations {
		return fmt.Errorf("%w: PBKDF2Iterations: %d is not within %d and %d",
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
			return fmt.Errorf("%w: Peppers[%d]: ID %q is there twice", ErrInvalidConfig, i, p.ID)
		}
		ids[p.ID] = true
	}
	return nil
}
