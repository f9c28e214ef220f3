package password

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/usherkit/usher/internal/testonly"
)

// hashing holds the settings of a native hash. It is comparable: a stored hash
// whose hashing differs from the current one needs a rehash.
type hashing struct {
	algorithm  Algorithm
	params     Params // Argon2id
	iterations int    // PBKDF2
	keyID      string // of the pepper, or ""
}

// String returns the settings as in the PHC string.
func (g hashing) String() string {
	var s string
	switch g.algorithm {
	case PBKDF2SHA256:
		s = fmt.Sprintf("$%v$i=%d", g.algorithm, g.iterations)
	default:
		s = fmt.Sprintf("$%v$v=%d$m=%d,t=%d,p=%d", g.algorithm, argon2.Version, g.params.Memory, g.params.Time, g.params.Threads)
	}
	if g.keyID != "" {
		s += ",keyid=" + g.keyID
	}
	return s
}

func (g hashing) compute(secret, salt []byte, length int) ([]byte, error) {
	if g.algorithm == PBKDF2SHA256 {
		return pbkdf2.Key(sha256.New, string(secret), salt, g.iterations, length)
	}
	if g.params.Memory == testonly.Memory {
		testonly.Wait()
	}
	return argon2.IDKey(secret, salt, g.params.Time, g.params.Memory, g.params.Threads, uint32(length)), nil
}

// checkMinimum rejects costs that are too weak for new hashes. No Hasher makes such a hash.
func (g hashing) checkMinimum() error {
	if g.algorithm != PBKDF2SHA256 {
		return g.params.validate()
	}
	if g.iterations < DefaultPBKDF2Iterations {
		return fmt.Errorf("%d iterations are fewer than %d", g.iterations, DefaultPBKDF2Iterations)
	}
	return nil
}

func (g hashing) withTag(salt, tag []byte) *native {
	return &native{hashing: g, salt: salt, tag: tag}
}

func newSalt() []byte {
	salt := make([]byte, saltLen)
	_, _ = rand.Read(salt) // never fails: crypto/rand crashes the program instead
	return salt
}

// native is a hash made by this package.
type native struct {
	hashing
	salt, tag []byte
}

func (n *native) encode() string {
	return n.String() + "$" + b64(n.salt) + "$" + b64(n.tag)
}

func (n *native) pepperID() string { return n.keyID }

func (n *native) matches(c candidate, pepper []byte) (bool, error) {
	return n.matchesText(c.nfc, pepper)
}

func (n *native) matchesText(text string, pepper []byte) (bool, error) {
	tag, err := n.compute(keyed(text, pepper), n.salt, len(n.tag))
	return err == nil && subtle.ConstantTimeCompare(tag, n.tag) == 1, err
}

// parseNative parses the fields of a native hash, beginning with the name of the
// algorithm.
func parseNative(fields []string) (*native, error) {
	var g hashing
	var err error
	switch {
	case len(fields) == 5 && fields[0] == "argon2id":
		var costs string
		if costs, g.keyID, err = cutKeyID(fields[2]); err != nil {
			return nil, err
		}
		if g.params, err = argon2Params(fields[1], costs); err != nil {
			return nil, err
		}
	case len(fields) == 4 && fields[0] == "pbkdf2-sha256":
		g.algorithm = PBKDF2SHA256
		var costs string
		if costs, g.keyID, err = cutKeyID(fields[1]); err != nil {
			return nil, err
		}
		if g.iterations, err = pbkdf2Iterations(costs); err != nil {
			return nil, err
		}
	default:
		return nil, errForm
	}
	salt, tag, err := saltAndTag(fields[len(fields)-2], fields[len(fields)-1])
	if err != nil {
		return nil, err
	}
	if g.algorithm == PBKDF2SHA256 {
		if err := checkPBKDF2Cost(g.iterations, len(tag), sha256.Size); err != nil {
			return nil, err
		}
	}
	return g.withTag(salt, tag), nil
}

// cutKeyID splits the pepper's ID from the end of the costs.
func cutKeyID(s string) (costs, keyID string, err error) {
	costs, keyID, found := strings.Cut(s, ",keyid=")
	if found && !validPepperID(keyID) {
		return "", "", errForm
	}
	return costs, keyID, nil
}
