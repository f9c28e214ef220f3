package password

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"hash"
)

// PBKDF2 is a PBKDF2-HMAC hash (RFC 8018).
type PBKDF2 struct {
	// Type is "sha1", "sha256" or "sha512". Required.
	Type string
	// Hash is 16 to 64 raw bytes. Salt is up to 256 raw bytes.
	Hash, Salt Bytes
	// Iterations is at least 1. Iterations × the number of digest-sized blocks in
	// Hash is at most 2,000,000.
	Iterations int
}

type foreignPBKDF2 struct {
	digest     string
	iterations int
	salt, tag  []byte
}

// newDigest returns the hash function with the given name, or nil.
func newDigest(name string) func() hash.Hash {
	switch name {
	case "sha1":
		return sha1.New
	case "sha256":
		return sha256.New
	case "sha512":
		return sha512.New
	}
	return nil
}

func (p *PBKDF2) convert() (imported, error) {
	digest := newDigest(p.Type)
	if digest == nil {
		return imported{}, importErr("PBKDF2.Type", "%q is not sha1, sha256 or sha512", p.Type)
	}
	if err := checkSaltAndTag(p.Salt, p.Hash); err != nil {
		return imported{}, importErr("PBKDF2", "%v", err)
	}
	if err := checkPBKDF2Cost(p.Iterations, len(p.Hash), digest().Size()); err != nil {
		return imported{}, importErr("PBKDF2.Iterations", "%v", err)
	}
	return imported{scheme: &foreignPBKDF2{digest: p.Type, iterations: p.Iterations, salt: p.Salt, tag: p.Hash}}, nil
}

func parseForeignPBKDF2(digest string, fields []string) (*foreignPBKDF2, error) {
	if len(fields) != 3 {
		return nil, errForm
	}
	iterations, err := pbkdf2Iterations(fields[0])
	if err != nil {
		return nil, err
	}
	salt, tag, err := saltAndTag(fields[1], fields[2])
	if err != nil {
		return nil, err
	}
	if err := checkPBKDF2Cost(iterations, len(tag), newDigest(digest)().Size()); err != nil {
		return nil, err
	}
	return &foreignPBKDF2{digest: digest, iterations: iterations, salt: salt, tag: tag}, nil
}

func pbkdf2Iterations(s string) (int, error) {
	v, err := settings(s, "i")
	if err != nil {
		return 0, err
	}
	return int(v[0]), nil
}

// checkPBKDF2Cost limits the total cost: each block of the output takes the full
// number of iterations.
func checkPBKDF2Cost(iterations, length, digestSize int) error {
	blocks := (length + digestSize - 1) / digestSize
	if iterations < 1 || iterations > maxPBKDF2Iterations/blocks {
		return fmt.Errorf("%d iterations for each of %d blocks are not between 1 and %d in total", iterations, blocks, maxPBKDF2Iterations)
	}
	return nil
}

func (f *foreignPBKDF2) encode() string { return f.description() + "$" + b64(f.tag) }

func (f *foreignPBKDF2) description() string {
	return fmt.Sprintf("$x-pbkdf2-%s$i=%d$%s", f.digest, f.iterations, b64(f.salt))
}

func (f *foreignPBKDF2) weak() bool { return f.iterations < minPBKDF2Import }

func (f *foreignPBKDF2) result() []byte { return f.tag }

func (f *foreignPBKDF2) derive(pw string) ([]byte, error) {
	return pbkdf2.Key(newDigest(f.digest), pw, f.salt, f.iterations, len(f.tag))
}

func (*foreignPBKDF2) pepperID() string { return "" }

func (f *foreignPBKDF2) matches(c candidate, _ []byte) (bool, error) {
	tag, err := f.derive(c.typed)
	return err == nil && subtle.ConstantTimeCompare(tag, f.tag) == 1, err
}
