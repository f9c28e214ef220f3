package password

import (
	"crypto/subtle"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Argon2 is an Argon2id or Argon2i hash, version 0x13, given as one PHC string
// or in parts. The limits are 256 MiB, 10 passes and 64 threads.
type Argon2 struct {
	// PHC is $argon2id$v=19$m=…,t=…,p=…$salt$hash. If it is set, the other
	// fields must be empty.
	PHC string
	// Variant is "argon2id" or "argon2i". Defaults to "argon2id".
	Variant string
	// Hash is 16 to 64 raw bytes. Salt is up to 256 raw bytes.
	Hash, Salt Bytes
	// Iterations is the number of passes.
	Iterations int
	// Memory is in KiB, at least 8 for each thread.
	Memory int
	// Threads is the number of lanes.
	Threads int
}

// foreignArgon2 differs from a native hash: it has no pepper, it may be Argon2i,
// and Verify always asks for its rehash.
type foreignArgon2 struct {
	variant   string
	params    Params
	salt, tag []byte
}

func (a *Argon2) convert() (imported, error) {
	if a.PHC != "" {
		return a.convertPHC()
	}
	variant := a.Variant
	if variant == "" {
		variant = "argon2id"
	}
	if variant != "argon2id" && variant != "argon2i" {
		return imported{}, importErr("Argon2.Variant", "%q is not argon2id or argon2i", variant)
	}
	// Values that overflow the types of Params exceed the limits anyway.
	if a.Memory < 8 || a.Memory > maxMemory {
		return imported{}, importErr("Argon2.Memory", "%d KiB is not between 8 and %d", a.Memory, maxMemory)
	}
	if a.Iterations < 1 || a.Iterations > maxTime {
		return imported{}, importErr("Argon2.Iterations", "%d is not between 1 and %d", a.Iterations, maxTime)
	}
	if a.Threads < 1 || a.Threads > maxThreads {
		return imported{}, importErr("Argon2.Threads", "%d is not between 1 and %d", a.Threads, maxThreads)
	}
	params := Params{Memory: uint32(a.Memory), Time: uint32(a.Iterations), Threads: uint8(a.Threads)}
	if err := params.checkCaps(); err != nil {
		return imported{}, importErr("Argon2", "%v", err)
	}
	if err := checkSaltAndTag(a.Salt, a.Hash); err != nil {
		return imported{}, importErr("Argon2", "%v", err)
	}
	return imported{scheme: &foreignArgon2{variant: variant, params: params, salt: a.Salt, tag: a.Hash}}, nil
}

func (a *Argon2) convertPHC() (imported, error) {
	if a.Variant != "" || a.Hash != nil || a.Salt != nil || a.Iterations != 0 || a.Memory != 0 || a.Threads != 0 {
		return imported{}, importErr("Argon2.PHC", "is set together with other fields")
	}
	fields := strings.Split(trimLineEnd(a.PHC), "$")
	if len(fields) != 6 || fields[0] != "" || (fields[1] != "argon2id" && fields[1] != "argon2i") {
		return imported{}, importErr("Argon2.PHC", "is not an argon2id or argon2i PHC string with 5 fields (argon2d is not supported)")
	}
	s, err := parseForeignArgon2(fields[1], fields[2:])
	if err != nil {
		return imported{}, importErr("Argon2.PHC", "%v", err)
	}
	return imported{scheme: s}, nil
}

func parseForeignArgon2(variant string, fields []string) (*foreignArgon2, error) {
	if len(fields) != 4 {
		return nil, errForm
	}
	params, err := argon2Params(fields[0], fields[1])
	if err != nil {
		return nil, err
	}
	salt, tag, err := saltAndTag(fields[2], fields[3])
	if err != nil {
		return nil, err
	}
	return &foreignArgon2{variant: variant, params: params, salt: salt, tag: tag}, nil
}

// argon2Params parses the version and the costs of a PHC string.
func argon2Params(version, costs string) (Params, error) {
	if version != fmt.Sprintf("v=%d", argon2.Version) {
		return Params{}, fmt.Errorf("version is not %d", argon2.Version)
	}
	v, err := settings(costs, "m", "t", "p")
	if err != nil {
		return Params{}, err
	}
	if v[2] > maxThreads {
		return Params{}, fmt.Errorf("threads %d is not between 1 and %d", v[2], maxThreads)
	}
	p := Params{Memory: v[0], Time: v[1], Threads: uint8(v[2])}
	return p, p.checkCaps()
}

func (f *foreignArgon2) encode() string { return f.description() + "$" + b64(f.tag) }

func (f *foreignArgon2) description() string {
	return fmt.Sprintf("$x-%s$v=%d$m=%d,t=%d,p=%d$%s", f.variant, argon2.Version,
		f.params.Memory, f.params.Time, f.params.Threads, b64(f.salt))
}

func (f *foreignArgon2) weak() bool {
	return uint64(f.params.Memory)*uint64(f.params.Time) < minArgon2Import
}

func (f *foreignArgon2) result() []byte { return f.tag }

func (f *foreignArgon2) derive(pw string) ([]byte, error) {
	key := argon2.IDKey
	if f.variant == "argon2i" {
		key = argon2.Key
	}
	return key([]byte(pw), f.salt, f.params.Time, f.params.Memory, f.params.Threads, uint32(len(f.tag))), nil
}

func (*foreignArgon2) pepperID() string { return "" }

func (f *foreignArgon2) matches(c candidate, _ []byte) (bool, error) {
	tag, err := f.derive(c.typed)
	return err == nil && subtle.ConstantTimeCompare(tag, f.tag) == 1, err
}
