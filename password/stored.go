package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// scheme is a parsed stored hash, well-formed and with costs within the limits.
type scheme interface {
	// encode returns the stored string.
	encode() string
	// pepperID returns the ID of the pepper that matches needs, or "".
	pepperID() string
	// matches makes the expensive computation and compares in constant time.
	matches(c candidate, pepper []byte) (bool, error)
}

// maxEncoded limits the length of a stored string. The longest that this package
// writes are those of Firebase, which contain a signer key.
const maxEncoded = 2048

// Limits of the salts and tags in a stored string, in bytes. A short tag would
// match by chance, and an empty one always.
const (
	maxSalt = 256
	minTag  = 16
	maxTag  = 64
)

var errForm = errors.New("malformed")

// parse parses a stored string. It allocates in proportion to the length of the
// string, not to its costs. The names of imported hashes begin with "x-", which
// distinguishes them from native hashes of the same algorithm.
func parse(encoded string) (scheme, error) {
	if len(encoded) > maxEncoded {
		return nil, fmt.Errorf("longer than %d bytes", maxEncoded)
	}
	fields := strings.Split(encoded, "$")
	if len(fields) < 3 || fields[0] != "" {
		return nil, errForm
	}
	name, rest := fields[1], fields[2:]
	switch name {
	case "argon2id", "pbkdf2-sha256":
		return parseNative(fields[1:])
	case "x-argon2id", "x-argon2i":
		return parseForeignArgon2(strings.TrimPrefix(name, "x-"), rest)
	case "x-bcrypt", "x-django-bcrypt-sha256":
		return checkBcrypt(bcryptHash{hash: "$" + strings.Join(rest, "$"), prehash: name == "x-django-bcrypt-sha256"})
	case "x-pbkdf2-sha1", "x-pbkdf2-sha256", "x-pbkdf2-sha512":
		return parseForeignPBKDF2(strings.TrimPrefix(name, "x-pbkdf2-"), rest)
	case "x-scrypt":
		return parseScrypt(rest)
	case "x-firebase":
		return parseFirebase(rest)
	case "x-wrapped":
		return parseWrapped(rest)
	}
	if id, ok := strings.CutPrefix(name, pepperedBcrypt); ok && validPepperID(id) {
		return checkBcrypt(bcryptHash{hash: "$" + strings.Join(rest, "$"), keyID: id})
	}
	return nil, errors.New("unknown scheme")
}

var base64Strict = base64.RawStdEncoding.Strict()

// b64 encodes in the base64 of PHC strings: standard alphabet, no padding.
func b64(b []byte) string { return base64Strict.EncodeToString(b) }

func unb64(s string) ([]byte, error) {
	// The decoder would skip line breaks.
	if strings.ContainsAny(s, "\r\n") {
		return nil, errForm
	}
	b, err := base64Strict.DecodeString(s)
	if err != nil {
		return nil, errForm
	}
	return b, nil
}

// saltAndTag decodes the last two fields of a stored string.
func saltAndTag(salt, tag string) (s, t []byte, err error) {
	if s, err = unb64(salt); err != nil {
		return nil, nil, err
	}
	if t, err = unb64(tag); err != nil {
		return nil, nil, err
	}
	return s, t, checkSaltAndTag(s, t)
}

func checkSaltAndTag(salt, tag []byte) error {
	if len(salt) > maxSalt {
		return fmt.Errorf("salt has more than %d bytes", maxSalt)
	}
	if len(tag) < minTag || len(tag) > maxTag {
		return fmt.Errorf("hash has %d bytes, not %d to %d", len(tag), minTag, maxTag)
	}
	return nil
}

// settings parses "m=65536,t=3,p=4" with exactly the given names in their order.
// Each number must be in the form that strconv writes.
func settings(s string, names ...string) ([]uint32, error) {
	parts := strings.Split(s, ",")
	if len(parts) != len(names) {
		return nil, errForm
	}
	values := make([]uint32, len(names))
	for i, part := range parts {
		text, ok := strings.CutPrefix(part, names[i]+"=")
		if !ok {
			return nil, errForm
		}
		n, _ := strconv.ParseUint(text, 10, 31)
		if strconv.FormatUint(n, 10) != text {
			return nil, errForm
		}
		values[i] = uint32(n)
	}
	return values, nil
}
