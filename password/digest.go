package password

import (
	"crypto/md5"
	"encoding/hex"
	"hash"
	"slices"
	"strings"
)

// MD5 is an MD5 digest of salt and password. [Hasher.Import] wraps it in a hash
// with the current settings, so that it is never stored by itself.
type MD5 struct {
	// Hash is 32 hexadecimal digits.
	Hash string
	// Salt is the raw salt, at most 256 bytes. Defaults to none.
	Salt Bytes
	// SaltAfter means that the digest is of password+salt, not salt+password.
	// Defaults to false.
	SaltAfter bool
}

// SHA is a SHA-1 or SHA-2 digest of salt and password. [Hasher.Import] wraps it
// in a hash with the current settings, so that it is never stored by itself.
type SHA struct {
	// Type is "sha1", "sha256" or "sha512". Required.
	Type string
	// Hash is the digest in hexadecimal digits.
	Hash string
	// Salt is the raw salt, at most 256 bytes. Defaults to none.
	Salt Bytes
	// SaltAfter means that the digest is of password+salt, not salt+password.
	// Defaults to false.
	SaltAfter bool
}

// digest describes the inner hash of a wrapped MD5 or SHA, in the form "sha256",
// or "sha256:salt-first:…" with the salt in base64.
type digest struct {
	name  string
	salt  []byte
	after bool
}

func (m *MD5) convert() (imported, error) {
	return convertDigest("MD5", digest{name: "md5", salt: m.Salt, after: m.SaltAfter}, m.Hash)
}

func (s *SHA) convert() (imported, error) {
	if newDigest(s.Type) == nil {
		return imported{}, importErr("SHA.Type", "%q is not sha1, sha256 or sha512", s.Type)
	}
	return convertDigest("SHA", digest{name: s.Type, salt: s.Salt, after: s.SaltAfter}, s.Hash)
}

func convertDigest(field string, d digest, hexText string) (imported, error) {
	if len(d.salt) > maxSalt {
		return imported{}, importErr(field+".Salt", "has more than %d bytes", maxSalt)
	}
	sum, err := hex.DecodeString(trimLineEnd(hexText))
	if size := d.new()().Size(); err != nil || len(sum) != size {
		return imported{}, importErr(field+".Hash", "is not %d hexadecimal digits", 2*size)
	}
	return imported{inner: d, innerHash: hex.EncodeToString(sum)}, nil
}

func (d digest) new() func() hash.Hash {
	if d.name == "md5" {
		return md5.New
	}
	return newDigest(d.name)
}

func (d digest) describe() string {
	switch {
	case len(d.salt) == 0:
		return d.name
	case d.after:
		return d.name + ":salt-last:" + b64(d.salt)
	default:
		return d.name + ":salt-first:" + b64(d.salt)
	}
}

func parseDigest(s string) (digest, error) {
	fields := strings.Split(s, ":")
	d := digest{name: fields[0]}
	if d.new() == nil {
		return digest{}, errForm
	}
	if len(fields) == 1 {
		return d, nil
	}
	if len(fields) != 3 || (fields[1] != "salt-first" && fields[1] != "salt-last") {
		return digest{}, errForm
	}
	d.after = fields[1] == "salt-last"
	var err error
	if d.salt, err = unb64(fields[2]); err != nil || len(d.salt) == 0 || len(d.salt) > maxSalt {
		return digest{}, errForm
	}
	return d, nil
}

func (d digest) sum(pw string) string {
	text := slices.Concat(d.salt, []byte(pw))
	if d.after {
		text = slices.Concat([]byte(pw), d.salt)
	}
	h := d.new()()
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}
