package password

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"

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
	Hash, Salt, SaltSeparator Bytes
	// SignerKey is 16 to 256 bytes.
	SignerKey Bytes
	// Memory is "mem_cost", the base-2 logarithm of scrypt's N: 1 to 14. Rounds is
	// "rounds", the block size of scrypt: 1 to 8. Most projects have 14 and 8.
	Memory, Rounds int
	// Encoded is the string $fbscrypt$… in which Supabase stores such hashes. If it is
	// set, the other fields must be empty.
	Encoded string
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

	// The limits of Firebase, which also find two numbers in the wrong order.
	maxFirebaseImportMemory = 14
	maxFirebaseImportRounds = 8
)

type firebaseHash struct {
	memoryExp, rounds                int
	salt, separator, signer, encoded []byte
}

func (f *Firebase) convert() (imported, error) {
	if f.Encoded != "" {
		return f.convertEncoded()
	}
	s := &firebaseHash{
		memoryExp: f.Memory, rounds: f.Rounds,
		salt: f.Salt, separator: f.SaltSeparator, signer: f.SignerKey, encoded: f.Hash,
	}
	if s.memoryExp < 1 || s.memoryExp > maxFirebaseImportMemory {
		return imported{}, importErr("Firebase.Memory", "%d is not between 1 and %d", s.memoryExp, maxFirebaseImportMemory)
	}
	if s.rounds < 1 || s.rounds > maxFirebaseImportRounds {
		return imported{}, importErr("Firebase.Rounds", "%d is not between 1 and %d", s.rounds, maxFirebaseImportRounds)
	}
	if err := s.check(); err != nil {
		return imported{}, err
	}
	return imported{scheme: s}, nil
}

// convertEncoded parses $fbscrypt$v=1,n=14,r=8,p=1,ss=separator,sk=signer$salt$hash.
func (f *Firebase) convertEncoded() (imported, error) {
	if f.Hash != nil || f.Salt != nil || f.SaltSeparator != nil || f.SignerKey != nil || f.Memory != 0 || f.Rounds != 0 {
		return imported{}, importErr("Firebase.Encoded", "is set together with other fields")
	}
	fields := strings.Split(trimLineEnd(f.Encoded), "$")
	if len(fields) != 5 || fields[0] != "" || fields[1] != "fbscrypt" {
		return imported{}, importErr("Firebase.Encoded", "is not a string $fbscrypt$…")
	}
	named := map[string]string{}
	for _, setting := range strings.Split(fields[2], ",") {
		name, value, _ := strings.Cut(setting, "=")
		named[name] = value
	}
	if len(named) != 6 || named["v"] != "1" || named["p"] != "1" {
		return imported{}, importErr("Firebase.Encoded", "has other settings than v=1, n, r, p=1, ss and sk")
	}
	var in Firebase
	in.Memory, _ = strconv.Atoi(named["n"]) // 0 is refused
	in.Rounds, _ = strconv.Atoi(named["r"])
	var errs [4]error
	in.SaltSeparator, errs[0] = anyBase64(named["ss"])
	in.SignerKey, errs[1] = anyBase64(named["sk"])
	in.Salt, errs[2] = anyBase64(fields[3])
	in.Hash, errs[3] = anyBase64(fields[4])
	if errors.Join(errs[:]...) != nil {
		return imported{}, importErr("Firebase.Encoded", "has a part that is not base64")
	}
	return within("Firebase.Encoded", &in)
}

func (s *firebaseHash) check() error {
	if s.memoryExp < 1 || s.memoryExp > maxFirebaseMemory {
		return importErr("Firebase.Memory", "%d is not between 1 and %d", s.memoryExp, maxFirebaseMemory)
	}
	if err := checkScrypt(1<<s.memoryExp, s.rounds, 1); err != nil {
		return importErr("Firebase.Rounds", "%v", err)
	}
	if len(s.salt) > maxFirebaseSalt {
		return importErr("Firebase.Salt", "has more than %d bytes", maxFirebaseSalt)
	}
	if len(s.separator) > maxFirebaseSalt {
		return importErr("Firebase.SaltSeparator", "has more than %d bytes", maxFirebaseSalt)
	}
	if len(s.signer) < minFirebaseSigner || len(s.signer) > maxFirebaseSigner {
		return importErr("Firebase.SignerKey", "has %d bytes, not %d to %d", len(s.signer), minFirebaseSigner, maxFirebaseSigner)
	}
	if len(s.encoded) != len(s.signer) {
		return importErr("Firebase.Hash", "has %d bytes, not as many as the signer key", len(s.encoded))
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

func (s *firebaseHash) encode() string { return s.description() + "$" + b64(s.encoded) }

func (s *firebaseHash) description() string {
	return fmt.Sprintf("$x-firebase$m=%d,r=%d$%s$%s$%s", s.memoryExp, s.rounds, b64(s.salt), b64(s.separator), b64(s.signer))
}

func (s *firebaseHash) weak() bool { return s.rounds<<s.memoryExp < minScryptImport }

func (s *firebaseHash) result() []byte { return s.encoded }

func (s *firebaseHash) derive(pw string) ([]byte, error) {
	salt := slices.Concat(s.salt, s.separator)
	key, err := scrypt.Key([]byte(pw), salt, 1<<s.memoryExp, s.rounds, 1, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	// The key encrypts only this one text, so the counter may start at zero.
	encoded := make([]byte, len(s.signer))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(encoded, s.signer)
	return encoded, nil
}

func (*firebaseHash) pepperID() string { return "" }

func (s *firebaseHash) matches(c candidate, _ []byte) (bool, error) {
	encoded, err := s.derive(c.typed)
	return err == nil && subtle.ConstantTimeCompare(encoded, s.encoded) == 1, err
}
