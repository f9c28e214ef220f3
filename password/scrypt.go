package password

import (
	"crypto/subtle"
	"fmt"

	"golang.org/x/crypto/scrypt"
)

// Scrypt is an scrypt hash (RFC 7914).
type Scrypt struct {
	// Hash is 16 to 64 raw bytes. Salt is up to 256 raw bytes.
	Hash, Salt Bytes
	// N is the cost, a power of two; R the block size; P the parallelism. The
	// memory, 128 × R × (N + P) bytes, is at most 256 MiB, and the work, N × R × P,
	// at most 2^21.
	N, R, P int
}

const (
	maxScryptMemory = 256 << 20
	maxScryptWork   = 1 << 21
)

type scryptHash struct {
	n, r, p   int
	salt, tag []byte
}

func (s *Scrypt) convert() (imported, error) {
	if err := checkScrypt(s.N, s.R, s.P); err != nil {
		return imported{}, importErr("Scrypt", "%v", err)
	}
	if err := checkSaltAndTag(s.Salt, s.Hash); err != nil {
		return imported{}, importErr("Scrypt", "%v", err)
	}
	return imported{scheme: &scryptHash{n: s.N, r: s.R, p: s.P, salt: s.Salt, tag: s.Hash}}, nil
}

func checkScrypt(n, r, p int) error {
	const most = maxScryptMemory / 128
	// The first check keeps the products below from overflowing.
	if n < 2 || n > most || r < 1 || r > most || p < 1 || p > most || n&(n-1) != 0 {
		return fmt.Errorf("N %d, r %d, p %d are not valid scrypt parameters within the limits", n, r, p)
	}
	if m := int64(r) * int64(n+p); m > most {
		return fmt.Errorf("N %d, r %d, p %d need more than %d MiB", n, r, p, maxScryptMemory>>20)
	}
	if w := int64(r) * int64(n) * int64(p); w > maxScryptWork {
		return fmt.Errorf("N %d, r %d, p %d exceed the limit of work", n, r, p)
	}
	return nil
}

func parseScrypt(fields []string) (*scryptHash, error) {
	if len(fields) != 3 {
		return nil, errForm
	}
	v, err := settings(fields[0], "n", "r", "p")
	if err != nil {
		return nil, err
	}
	s := &scryptHash{n: int(v[0]), r: int(v[1]), p: int(v[2])}
	if err := checkScrypt(s.n, s.r, s.p); err != nil {
		return nil, err
	}
	s.salt, s.tag, err = saltAndTag(fields[1], fields[2])
	return s, err
}

func (s *scryptHash) encode() string { return s.description() + "$" + b64(s.tag) }

func (s *scryptHash) description() string {
	return fmt.Sprintf("$x-scrypt$n=%d,r=%d,p=%d$%s", s.n, s.r, s.p, b64(s.salt))
}

func (s *scryptHash) weak() bool { return s.n*s.r*s.p < minScryptImport }

func (s *scryptHash) result() []byte { return s.tag }

func (s *scryptHash) derive(pw string) ([]byte, error) {
	return scrypt.Key([]byte(pw), s.salt, s.n, s.r, s.p, len(s.tag))
}

func (*scryptHash) pepperID() string { return "" }

func (s *scryptHash) matches(c candidate, _ []byte) (bool, error) {
	tag, err := s.derive(c.typed)
	return err == nil && subtle.ConstantTimeCompare(tag, s.tag) == 1, err
}
