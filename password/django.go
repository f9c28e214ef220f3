package password

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// Django is a value from the password column of Django's user table. The
// supported hashers are pbkdf2_sha256, pbkdf2_sha1, argon2, bcrypt,
// bcrypt_sha256, scrypt, md5 and sha1; [Hasher.Import] wraps the last two in a
// hash with the current settings.
type Django struct {
	// Hash is the whole value, such as "pbkdf2_sha256$260000$salt$hash".
	Hash string
}

// convert translates to the importable format of the same algorithm.
func (d *Django) convert() (imported, error) {
	name, rest, _ := strings.Cut(trimLineEnd(d.Hash), "$")
	var in importable
	var err error
	switch name {
	case "pbkdf2_sha256", "pbkdf2_sha1":
		in, err = djangoPBKDF2(strings.TrimPrefix(name, "pbkdf2_"), rest)
	case "scrypt":
		in, err = djangoScrypt(rest)
	case "argon2":
		in = &Argon2{PHC: "$" + rest}
	case "bcrypt":
		in = &Bcrypt{Hash: rest}
	case "bcrypt_sha256":
		s, err := importBcrypt(bcryptHash{hash: rest, prehash: true})
		if err != nil {
			return imported{}, importErr("Django.Hash", "%v", err)
		}
		return imported{scheme: s}, nil
	case "md5", "sha1":
		in, err = djangoDigest(name, rest)
	default:
		return imported{}, importErr("Django.Hash", "names no supported hasher")
	}
	if err != nil {
		return imported{}, importErr("Django.Hash", "%v", err)
	}
	return within("Django.Hash", in)
}

func djangoPBKDF2(digest, rest string) (*PBKDF2, error) {
	f := strings.Split(rest, "$")
	if len(f) != 3 {
		return nil, errForm
	}
	iterations, err := strconv.Atoi(f[0])
	if err != nil {
		return nil, errForm
	}
	tag, err := base64.StdEncoding.Strict().DecodeString(f[2])
	if err != nil {
		return nil, errForm
	}
	return &PBKDF2{Type: digest, Hash: tag, Salt: []byte(f[1]), Iterations: iterations}, nil
}

// djangoScrypt parses N$salt$r$p$hash.
func djangoScrypt(rest string) (*Scrypt, error) {
	f := strings.Split(rest, "$")
	if len(f) != 5 {
		return nil, errForm
	}
	var v [3]int
	for i, s := range []string{f[0], f[2], f[3]} {
		var err error
		if v[i], err = strconv.Atoi(s); err != nil {
			return nil, errForm
		}
	}
	tag, err := base64.StdEncoding.Strict().DecodeString(f[4])
	if err != nil {
		return nil, errForm
	}
	return &Scrypt{Hash: tag, Salt: []byte(f[1]), N: v[0], R: v[1], P: v[2]}, nil
}

// djangoDigest parses salt$hash. The digest is of salt+password.
func djangoDigest(name, rest string) (importable, error) {
	salt, sum, ok := strings.Cut(rest, "$")
	if !ok {
		return nil, errForm
	}
	if name == "md5" {
		return &MD5{Hash: sum, Salt: []byte(salt)}, nil
	}
	return &SHA{Type: name, Hash: sum, Salt: []byte(salt)}, nil
}
