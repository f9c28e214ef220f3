package password

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// Bcrypt is a bcrypt hash. Bcrypt reads only the first 72 bytes of a password;
// the rehash after the first successful sign-in covers all of it.
type Bcrypt struct {
	// Hash is the usual string of 60 characters, starting with $2a$, $2b$ or
	// $2y$, with a cost of 5 to 14. A hash with cost 4 cannot be wrapped: import
	// the user without a password, who then sets one by an emailed link.
	Hash string
	// PepperID is the ID of one of HasherConfig.ForeignPeppers, if the other system
	// appended a pepper to the password, as Devise does. Defaults to none.
	PepperID string
}

const (
	minBcryptImport = 5
	maxBcryptCost   = 14
	bcryptLen       = 60
	bcryptPrefix    = len("$2b$12$")
	pepperedBcrypt  = "x-bcrypt,keyid=" // before the ID of the pepper
)

type bcryptHash struct {
	hash string
	// prehash means that the input of bcrypt was hex(SHA-256(password)), as in
	// Django's bcrypt_sha256.
	prehash bool
	// keyID is the ID of the pepper that is appended to the password, or "".
	keyID string
}

func (b *Bcrypt) convert() (imported, error) {
	if b.PepperID != "" && !validPepperID(b.PepperID) {
		return imported{}, importErr("Bcrypt.PepperID", "is not the ID of a pepper")
	}
	s, err := importBcrypt(bcryptHash{hash: trimLineEnd(b.Hash), keyID: b.PepperID})
	if err != nil {
		return imported{}, importErr("Bcrypt.Hash", "%v", err)
	}
	return imported{scheme: s}, nil
}

// importBcrypt is checkBcrypt for a hash that is not stored yet.
func importBcrypt(b bcryptHash) (*bcryptHash, error) {
	s, err := checkBcrypt(b)
	if err != nil {
		return nil, err
	}
	if cost, err := bcrypt.Cost([]byte(b.hash)); err != nil || cost < minBcryptImport {
		return nil, fmt.Errorf("cost %d is under the minimum of %d; import the user without a password", cost, minBcryptImport)
	}
	return s, nil
}

func checkBcrypt(b bcryptHash) (*bcryptHash, error) {
	hash := b.hash
	// $2x$ marks hashes of a faulty implementation, which a correct one cannot
	// verify.
	if !strings.HasPrefix(hash, "$2a$") && !strings.HasPrefix(hash, "$2b$") && !strings.HasPrefix(hash, "$2y$") {
		return nil, errors.New("is not $2a$, $2b$ or $2y$")
	}
	if len(hash) != bcryptLen {
		return nil, fmt.Errorf("has %d characters, not %d", len(hash), bcryptLen)
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
	return &b, nil
}

func (b *bcryptHash) encode() string {
	switch {
	case b.prehash:
		return "$x-django-bcrypt-sha256" + b.hash
	case b.keyID != "":
		return "$" + pepperedBcrypt + b.keyID + b.hash
	}
	return "$x-bcrypt" + b.hash
}

func (b *bcryptHash) pepperID() string { return b.keyID }

func (b *bcryptHash) matches(c candidate, pepper []byte) (bool, error) {
	pw := append([]byte(c.typed), pepper...)
	if b.prehash {
		sum := sha256.Sum256(pw)
		pw = []byte(hex.EncodeToString(sum[:]))
	}
	// Every error means no match, because the form was checked by parseBcrypt.
	return bcrypt.CompareHashAndPassword([]byte(b.hash), pw) == nil, nil
}
