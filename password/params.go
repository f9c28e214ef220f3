package password

import (
	"cmp"
	"fmt"

	"github.com/usherkit/usher/internal/testonly"
)

// Params are the costs of Argon2id (RFC 9106). A zero field means its default;
// the defaults are the second recommended option of RFC 9106 §4, with one lane instead of
// four.
type Params struct {
	// Memory is in KiB, at most 262144. Defaults to 65536 (64 MiB).
	Memory uint32
	// Time is the number of passes, at most 10. Defaults to 3.
	Time uint32
	// Threads is the number of lanes, at most 64. Defaults to 1.
	Threads uint8
}

// Defaults and limits of the costs. The limits also apply to imported and stored
// hashes, so that a damaged or malicious one cannot exhaust the instance.
const (
	defaultMemory  = 64 * 1024
	defaultTime    = 3
	defaultThreads = 1

	maxMemory  = 256 * 1024 // KiB
	maxTime    = 10
	maxThreads = 64

	// DefaultPBKDF2Iterations is the default and the minimum of
	// HasherConfig.PBKDF2Iterations (OWASP Password Storage Cheat Sheet, ASVS
	// 5.0 appendix C).
	DefaultPBKDF2Iterations = 600_000
	maxPBKDF2Iterations     = 2_000_000

	saltLen = 16
	tagLen  = 32
)

// floors are the weakest settings that ASVS 5.0 appendix C accepts. Params must
// reach both numbers of one row.
var floors = [...]struct{ memory, time uint32 }{
	{47104, 1},
	{19456, 2},
	{12288, 3},
}

func (p Params) withDefaults() Params {
	return Params{
		Memory:  cmp.Or(p.Memory, defaultMemory),
		Time:    cmp.Or(p.Time, defaultTime),
		Threads: cmp.Or(p.Threads, defaultThreads),
	}
}

// checkCaps rejects costs that could exhaust the instance.
func (p Params) checkCaps() error {
	switch {
	case p.Memory > maxMemory:
		return fmt.Errorf("memory %d KiB is over the limit of %d KiB", p.Memory, maxMemory)
	case p.Time < 1 || p.Time > maxTime:
		return fmt.Errorf("time %d is not between 1 and %d", p.Time, maxTime)
	case p.Threads < 1 || p.Threads > maxThreads:
		return fmt.Errorf("threads %d is not between 1 and %d", p.Threads, maxThreads)
	case p.Memory < 8*uint32(p.Threads):
		return fmt.Errorf("memory %d KiB is less than 8 KiB per thread", p.Memory)
	}
	return nil
}

// validate also rejects costs that are too weak for new hashes.
func (p Params) validate() error {
	if err := p.checkCaps(); err != nil {
		return err
	}
	for _, f := range floors {
		if p.Memory >= f.memory && p.Time >= f.time {
			return nil
		}
	}
	if testonly.CheapHashAllowed() && p == (Params{Memory: testonly.Memory, Time: testonly.Passes, Threads: testonly.Threads}) {
		return nil
	}
	return fmt.Errorf("memory %d KiB with time %d is below every accepted minimum (47104/1, 19456/2, 12288/3)", p.Memory, p.Time)
}
