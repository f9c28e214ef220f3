package password

import (
	"errors"
	"fmt"
)

// ErrNotPortable means that a stored string can be verified by this package only.
var ErrNotPortable = errors.New("password: the stored hash is not one of another format")

// ParseStored returns a stored string of a [Hasher] as a hash in its own format, for an
// export to another system. [Hasher.Import] is the inverse. The other system must get the
// passwords in Unicode's form NFC, as this package hashes them.
//
// Errors: [ErrNotPortable] for a hash with a pepper and for a wrapped one; [ErrDamagedHash].
func ParseStored(stored string) (Foreign, error) {
	s, err := parse(stored)
	if err != nil {
		return Foreign{}, fmt.Errorf("%w: %w", ErrDamagedHash, err)
	}
	if s.pepperID() != "" {
		return Foreign{}, ErrNotPortable
	}
	switch s := s.(type) {
	case *native:
		if s.algorithm == PBKDF2SHA256 {
			return Foreign{PBKDF2: &PBKDF2{Type: "sha256", Iterations: s.iterations, Salt: s.salt, Hash: s.tag}}, nil
		}
		return argon2Of("argon2id", s.params, s.salt, s.tag), nil
	case *foreignArgon2:
		return argon2Of(s.variant, s.params, s.salt, s.tag), nil
	case *foreignPBKDF2:
		return Foreign{PBKDF2: &PBKDF2{Type: s.digest, Iterations: s.iterations, Salt: s.salt, Hash: s.tag}}, nil
	case *scryptHash:
		return Foreign{Scrypt: &Scrypt{N: s.n, R: s.r, P: s.p, Salt: s.salt, Hash: s.tag}}, nil
	case *bcryptHash:
		if s.prehash {
			return Foreign{Django: &Django{Hash: "bcrypt_sha256$" + s.hash}}, nil
		}
		return Foreign{Bcrypt: &Bcrypt{Hash: s.hash}}, nil
	case *firebaseHash:
		return Foreign{Firebase: &Firebase{
			Memory: s.memoryExp, Rounds: s.rounds, Salt: s.salt, SaltSeparator: s.separator, SignerKey: s.signer, Hash: s.encoded,
		}}, nil
	}
	return Foreign{}, ErrNotPortable
}

func argon2Of(variant string, p Params, salt, tag []byte) Foreign {
	return Foreign{Argon2: &Argon2{
		Variant: variant, Memory: int(p.Memory), Iterations: int(p.Time), Threads: int(p.Threads), Salt: salt, Hash: tag,
	}}
}
