package password

import (
	"crypto/md5"
	"crypto/sha512"
	"fmt"
	"hash"
	"math/bits"
	"strconv"
	"strings"
)

// PHPass is a portable phpass hash (WordPress, phpBB) or its SHA-512 variant
// (Drupal 7). Attackers compute it quickly on graphics cards, so [Hasher.Import]
// wraps it in a hash with the current settings.
type PHPass struct {
	// Hash is in the alphabet of phpass, ./0-9A-Za-z. It may also be the whole
	// string $P$…, $H$… or $S$…; then the other fields must be empty.
	Hash string
	// Salt is the 8 characters after the cost.
	Salt string
	// Iterations is the number of rounds, a power of two from 2^7 to 2^20, or its
	// exponent, 7 to 20.
	Iterations int
	// Type is "md5" or "sha512". Defaults to "md5".
	Type string
}

const (
	phpassAlphabet  = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	phpassSaltLen   = 8
	phpassMD5Len    = 22
	phpassSHA512Len = 86
	// Drupal cuts its strings to 55 characters, of which 43 are the hash.
	phpassDrupalLen = 43
	minPHPassExp    = 7
	maxPHPassExp    = 30
	maxPHPassRounds = 2_000_000
)

// phpass describes the inner hash of a wrapped one, in the form
// "phpass-md5:13:22:saltsalt" with the exponent and the length of the hash.
type phpass struct {
	sha512 bool
	exp    int
	length int
	salt   string
}

func (p *PHPass) convert() (imported, error) {
	in := *p
	in.Hash = trimLineEnd(in.Hash)
	if strings.HasPrefix(in.Hash, "$") {
		var err error
		if in, err = in.split(); err != nil {
			return imported{}, err
		}
	}
	if in.Type != "" && in.Type != "md5" && in.Type != "sha512" {
		return imported{}, importErr("PHPass.Type", "%q is not md5 or sha512", in.Type)
	}
	exp := in.Iterations
	if exp > maxPHPassExp {
		exp = bits.Len(uint(in.Iterations)) - 1
		if in.Iterations != 1<<exp {
			return imported{}, importErr("PHPass.Iterations", "%d is not a power of two", in.Iterations)
		}
	}
	s := phpass{sha512: in.Type == "sha512", exp: exp, length: len(in.Hash), salt: in.Salt}
	if err := s.check(); err != nil {
		return imported{}, importErr("PHPass", "%v", err)
	}
	if !inPHPassAlphabet(in.Hash) {
		return imported{}, importErr("PHPass.Hash", "is not in the alphabet of phpass")
	}
	return imported{inner: s, innerHash: in.Hash}, nil
}

// split parses a whole string: $P$, the exponent, the salt, the hash.
func (p *PHPass) split() (PHPass, error) {
	const head = len("$P$B") + phpassSaltLen
	if p.Salt != "" || p.Iterations != 0 || p.Type != "" {
		return PHPass{}, importErr("PHPass.Hash", "is a whole string, but other fields are set too")
	}
	if len(p.Hash) <= head {
		return PHPass{}, importErr("PHPass.Hash", "is too short")
	}
	out := PHPass{
		Hash:       p.Hash[head:],
		Salt:       p.Hash[head-phpassSaltLen : head],
		Iterations: phpassValue(rune(p.Hash[3])),
		Type:       "md5",
	}
	switch p.Hash[:3] {
	case "$P$", "$H$":
	case "$S$":
		out.Type = "sha512"
	default:
		return PHPass{}, importErr("PHPass.Hash", "is not $P$, $H$ or $S$")
	}
	if out.Iterations < minPHPassExp || out.Iterations > maxPHPassExp {
		return PHPass{}, importErr("PHPass.Hash", "has a cost that is not between %d and %d", minPHPassExp, maxPHPassExp)
	}
	return out, nil
}

func (s phpass) check() error {
	if s.exp < minPHPassExp || s.exp > maxPHPassExp || 1<<s.exp > maxPHPassRounds {
		return fmt.Errorf("2^%d rounds are not between 128 and %d", s.exp, maxPHPassRounds)
	}
	if len(s.salt) != phpassSaltLen || !inPHPassAlphabet(s.salt) {
		return fmt.Errorf("salt is not %d characters in the alphabet of phpass", phpassSaltLen)
	}
	switch {
	case !s.sha512 && s.length == phpassMD5Len:
	case s.sha512 && (s.length == phpassSHA512Len || s.length == phpassDrupalLen):
	default:
		return fmt.Errorf("hash has %d characters", s.length)
	}
	return nil
}

func (s phpass) describe() string {
	name := "phpass-md5"
	if s.sha512 {
		name = "phpass-sha512"
	}
	return fmt.Sprintf("%s:%d:%d:%s", name, s.exp, s.length, s.salt)
}

func parsePHPass(s string) (phpass, error) {
	fields := strings.Split(s, ":")
	if len(fields) != 4 {
		return phpass{}, errForm
	}
	exp, _ := strconv.Atoi(fields[1]) // 0 is neither a cost nor a length
	length, _ := strconv.Atoi(fields[2])
	p := phpass{sha512: fields[0] == "phpass-sha512", exp: exp, length: length, salt: fields[3]}
	if err := p.check(); err != nil {
		return phpass{}, err
	}
	if p.describe() != s {
		return phpass{}, errForm
	}
	return p, nil
}

func (s phpass) sum(pw string) string {
	var h hash.Hash
	if s.sha512 {
		h = sha512.New()
	} else {
		h = md5.New()
	}
	h.Write([]byte(s.salt))
	h.Write([]byte(pw))
	sum := h.Sum(nil)
	for range 1 << s.exp {
		h.Reset()
		h.Write(sum)
		h.Write([]byte(pw))
		sum = h.Sum(sum[:0])
	}
	return encodePHPass(sum)[:s.length]
}

// encodePHPass encodes b in the base64 of phpass: little-endian, the least
// significant six bits first.
func encodePHPass(b []byte) string {
	var out strings.Builder
	for i := 0; i < len(b); i += 3 {
		group := b[i:min(i+3, len(b))]
		var v uint32
		for j, x := range group {
			v |= uint32(x) << (8 * j)
		}
		for range len(group) + 1 {
			out.WriteByte(phpassAlphabet[v&0x3f])
			v >>= 6
		}
	}
	return out.String()
}

// phpassValue returns the value of r in the alphabet, or -1.
func phpassValue(r rune) int { return strings.IndexRune(phpassAlphabet, r) }

func inPHPassAlphabet(s string) bool {
	for _, r := range s {
		if phpassValue(r) < 0 {
			return false
		}
	}
	return true
}
