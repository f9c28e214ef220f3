package password

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// Spring is a value of Spring Security's DelegatingPasswordEncoder, which names its encoder:
// bcrypt, argon2, scrypt and pbkdf2, each also as "…@SpringSecurity_v5_8", sha256, MD5,
// SHA-1 and SHA-256. The encoders must have their default settings; [Hasher.Import] wraps
// the last four in a hash with the current settings.
type Spring struct {
	// Hash is the whole value, such as "{bcrypt}$2a$10$…".
	Hash string
}

const (
	springStandardSalt   = 8
	springStandardRounds = 1024
)

// convert translates to the importable format of the same algorithm.
func (s *Spring) convert() (imported, error) {
	id, rest, ok := strings.Cut(trimLineEnd(s.Hash), "}")
	id, named := strings.CutPrefix(id, "{")
	if !ok || !named {
		return imported{}, importErr("Spring.Hash", "does not begin with the name of an encoder, such as {bcrypt}")
	}
	var in importable
	var err error
	switch id {
	case "bcrypt":
		in = &Bcrypt{Hash: rest}
	case "argon2", "argon2@SpringSecurity_v5_8":
		in = &Argon2{PHC: rest}
	case "scrypt", "scrypt@SpringSecurity_v5_8":
		in, err = springScrypt(rest)
	case "pbkdf2":
		in, err = springPBKDF2(rest, PBKDF2{Type: "sha1", Iterations: 185_000}, 8)
	case "pbkdf2@SpringSecurity_v5_8":
		in, err = springPBKDF2(rest, PBKDF2{Type: "sha256", Iterations: 310_000}, 16)
	case "sha256":
		return springStandard(rest)
	case "MD5", "SHA-1", "SHA-256":
		in = springDigest(id, rest)
	case "noop":
		return imported{}, importErr("Spring.Hash", "is a password in clear: import it as the password")
	default:
		return imported{}, importErr("Spring.Hash", "names no supported encoder")
	}
	if err != nil {
		return imported{}, importErr("Spring.Hash", "%v", err)
	}
	return within("Spring.Hash", in)
}

// springScrypt parses $costs$salt$hash. The costs are a number in hexadecimal digits: the
// exponent of N, R and P, from the highest byte to the lowest.
func springScrypt(rest string) (*Scrypt, error) {
	f := strings.Split(rest, "$")
	if len(f) != 4 || f[0] != "" {
		return nil, errForm
	}
	costs, err := strconv.ParseUint(f[1], 16, 24)
	if err != nil {
		return nil, errForm
	}
	salt, err := anyBase64(f[2])
	if err != nil {
		return nil, errForm
	}
	tag, err := anyBase64(f[3])
	if err != nil {
		return nil, errForm
	}
	return &Scrypt{N: 1 << min(costs>>16, 32), R: int(costs >> 8 & 0xff), P: int(costs & 0xff), Salt: salt, Hash: tag}, nil
}

// springPBKDF2 parses the salt and the hash in hexadecimal digits.
func springPBKDF2(rest string, in PBKDF2, saltLen int) (*PBKDF2, error) {
	b, err := hex.DecodeString(rest)
	if err != nil || len(b) <= saltLen {
		return nil, errForm
	}
	in.Salt, in.Hash = b[:saltLen], b[saltLen:]
	return &in, nil
}

// springDigest parses an optional salt in braces, and a digest of password+salt, of which
// the braces are a part.
func springDigest(id, rest string) importable {
	var salt []byte
	if strings.HasPrefix(rest, "{") {
		if i := strings.IndexByte(rest, '}') + 1; i > 0 {
			salt, rest = []byte(rest[:i]), rest[i:]
		}
	}
	switch id {
	case "MD5":
		return &MD5{Hash: rest, Salt: salt, SaltAfter: true}
	case "SHA-1":
		return &SHA{Type: "sha1", Hash: rest, Salt: salt, SaltAfter: true}
	}
	return &SHA{Type: "sha256", Hash: rest, Salt: salt, SaltAfter: true}
}

// springSHA256 describes the inner hash of a wrapped one: SHA-256 of salt+password, 1024
// times, in the form "spring-sha256:…" with the salt in base64.
type springSHA256 struct{ salt []byte }

func springStandard(rest string) (imported, error) {
	b, err := hex.DecodeString(rest)
	if err != nil || len(b) != springStandardSalt+sha256.Size {
		return imported{}, importErr("Spring.Hash", "is not %d hexadecimal digits", 2*(springStandardSalt+sha256.Size))
	}
	s := springSHA256{salt: b[:springStandardSalt]}
	return imported{inner: s, innerHash: hex.EncodeToString(b[springStandardSalt:])}, nil
}

func (s springSHA256) describe() string { return "spring-sha256:" + b64(s.salt) }

func parseSpringSHA256(salt string) (springSHA256, error) {
	b, err := unb64(salt)
	if err != nil || len(b) != springStandardSalt {
		return springSHA256{}, errForm
	}
	return springSHA256{salt: b}, nil
}

func (s springSHA256) sum(pw string) string {
	v := slices.Concat(s.salt, []byte(pw))
	for range springStandardRounds {
		next := sha256.Sum256(v)
		v = next[:]
	}
	return hex.EncodeToString(v)
}
