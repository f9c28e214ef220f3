package password

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

// Bcrypt is a bcrypt hash. Bcrypt reads only the first 72 bytes of a password;
// the rehash after the first successful sign-in covers all of it.
type Bcrypt struct {
	// Hash is the usual string of 60 characters, starting with $2a$, $2b$ or
	// $2y$, with a cost of 5 to 14. A hash with cost 4 cannot be wrapped: import
	// the user without a password, who then sets one by an emailed link.
	Hash string
}

const (
	minBcryptImport = 5
	maxBcryptCost   = 14
	bcryptLen       = 60
	bcryptPrefix    = len("$2b$12$")
)

type bcryptHash struct {
	hash string
	// prehash means that the input of bcrypt was hex(SHA-256(password)), as in
	// Django's bcrypt_sha256.
	prehash bool
}

func (b *Bcrypt) convert() (imported, error) {
	s, err := importBcrypt(b.Hash, false)
	if err != nil {
		return imported{}, importErr("Bcrypt.Hash", "%v", err)
	}
	return imported{scheme: s}, nil
}

// importBcrypt is parseBcrypt for a hash that is not stored yet.
func importBcrypt(hash string, prehash bool) (*bcryptHash, error) {
	s, err := parseBcrypt(hash, prehash)
	if err != nil {
		return nil, err
	}
	if cost, err := bcrypt.Cost([]byte(hash)); err != nil || cost < minBcryptImport {
		return nil, fmt.Errorf("cost %d is under the minimum of %d; import the user without a password", cost, minBcryptImport)
	}
	return s, nil
}

func parseBcrypt(hash string, prehash bool) (*bcryptHash, error) {
	if len(hash) != bcryptLen {
		return nil, errForm
	}
	// $2x$ marks hashes of a faulty implementation, which a correct one cannot
	// verify.
	switch hash[:4] {
	case "$2a$", "$2b$", "$2y$":
	default:
		return nil, errors.New("is not $2a$, $2b$ or $2y$")
	}
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || hash[6] != '$' {
		return nil, errForm
	}
	if cost > maxBcryptCost {
		return nil, fmt.Errorf("cost %d is over the limit of %d", cost, maxBcryptCost)
	}
	for _, r := range hash[bcryptPrefix:] {
		if phpassValue(r) < 0 { // bcrypt and phpass use the same alphabet
			return nil, errForm
		}
	}
	return &bcryptHash{hash: hash, prehash: prehash}, nil
}

func (b *bcryptHash) encode() string {
	if b.prehash {
		return "$x-django-bcrypt-sha256" + b.hash
	}
	return "$x-bcrypt" + b.hash
}

func (*bcryptHash) pepperID() string { return "" }

func (b *bcryptHash) matches(c candidate, _ []byte) (bool, error) {
	pw := []byte(c.typed)
	if b.prehash {
		sum := sha256.Sum256(pw)
		pw = []byte(hex.EncodeToString(sum[:]))
	}
	// Every error means no match, because the form was checked by parseBcrypt.
	return bcrypt.CompareHashAndPassword([]byte(b.hash), pw) == nil, nil
}
