package password

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"golang.org/x/crypto/scrypt"
)

// Firebase is a hash of Firebase's modified scrypt: the key that scrypt derives
// encrypts the project's signer key, and the ciphertext is the hash. The
// Firebase console shows the parameters of a project; decode its base64 values.
//
// Verification needs the signer key, so the stored string contains it until the
// user's first sign-in replaces the hash.
type Firebase struct {
	// Hash is as long as SignerKey. Salt and SaltSeparator have up to 128
	// bytes each.
	Hash, Salt, SaltSeparator []byte
	// SignerKey is 16 to 256 bytes.
	SignerKey []byte
	// Memory is "mem_cost", the base-2 logarithm of scrypt's N. Rounds is
	// "rounds", the block size of scrypt. Together they may need at most 256 MiB.
	Memory, Rounds int
}

// Format hides the hash and the signer key, for every verb.
func (Firebase) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "password.Firebase{…}")
}

// LogValue hides the hash and the signer key.
func (f Firebase) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(f)) }

const (
	maxFirebaseSalt   = 128
	minFirebaseSigner = 16
	maxFirebaseSigner = 256
	maxFirebaseMemory = 24 // as an exponent; checkScrypt enforces the limit in bytes
)

type firebaseHash struct {
	memoryExp, rounds                int
	salt, separator, signer, encoded []byte
}

func (f *Firebase) convert() (imported, error) {
	s := &firebaseHash{
		memoryExp: f.Memory, rounds: f.Rounds,
		salt: f.Salt, separator: f.SaltSeparator, signer: f.SignerKey, encoded: f.Hash,
	}
	if err := s.check(); err != nil {
		return imported{}, importErr("Firebase", "%v", err)
	}
	return imported{scheme: s}, nil
}

func (s *firebaseHash) check() error {
	if s.memoryExp < 1 || s.memoryExp > maxFirebaseMemory {
		return fmt.Errorf("memory %d is not between 1 and %d", s.memoryExp, maxFirebaseMemory)
	}
	if err := checkScrypt(1<<s.memoryExp, s.rounds, 1); err != nil {
		return err
	}
	if len(s.salt) > maxFirebaseSalt || len(s.separator) > maxFirebaseSalt {
		return fmt.Errorf("salt or separator has more than %d bytes", maxFirebaseSalt)
	}
	if len(s.signer) < minFirebaseSigner || len(s.signer) > maxFirebaseSigner {
		return fmt.Errorf("signer key has %d bytes, not %d to %d", len(s.signer), minFirebaseSigner, maxFirebaseSigner)
	}
	if len(s.encoded) != len(s.signer) {
		return fmt.Errorf("hash has %d bytes, not as many as the signer key", len(s.encoded))
	}
	return nil
}

func parseFirebase(fields []string) (*firebaseHash, error) {
	if len(fields) != 5 {
		return nil, errForm
	}
	v, err := settings(fields[0], "m", "r")
	if err != nil {
		return nil, err
	}
	var parts [4][]byte
	for i := range parts {
		if parts[i], err = unb64(fields[i+1]); err != nil {
			return nil, err
		}
	}
	s := &firebaseHash{
		memoryExp: int(v[0]), rounds: int(v[1]),
		salt: parts[0], separator: parts[1], signer: parts[2], encoded: parts[3],
	}
	return s, s.check()
}

func (s *firebaseHash) encode() string {
	return fmt.Sprintf("$x-firebase$m=%d,r=%d$%s$%s$%s$%s", s.memoryExp, s.rounds,
		b64(s.salt), b64(s.separator), b64(s.signer), b64(s.encoded))
}

func (*firebaseHash) pepperID() string { return "" }

func (s *firebaseHash) matches(c candidate, _ []byte) (bool, error) {
	salt := slices.Concat(s.salt, s.separator)
	key, err := scrypt.Key([]byte(c.typed), salt, 1<<s.memoryExp, s.rounds, 1, 32)
	if err != nil {
		return false, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return false, err
	}
	// The key encrypts only this one text, so the counter may start at zero.
	got := make([]byte, len(s.signer))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(got, s.signer)
	return subtle.ConstantTimeCompare(got, s.encoded) == 1, nil
}
