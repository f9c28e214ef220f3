package password

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

const (
	minPepperKey   = 32
	maxPepperIDLen = 32
)

// Pepper is a secret that goes into every hash and is kept outside the database,
// so that an attacker cannot guess passwords with a stolen table alone (NIST SP
// 800-63B-4 §3.1.1.2, OWASP Password Storage Cheat Sheet, "Peppering"). The
// Hasher hashes the HMAC-SHA-256 of the password under Key. If a pepper is lost,
// the passwords hashed with it cannot be verified. A Pepper prints only its ID.
type Pepper struct {
	// ID is stored in each hash and identifies its key: 1 to 32 of the characters
	// A-Z a-z 0-9 . and -. Required, unique among the peppers.
	ID string
	// Key is at least 32 random bytes with no other use. Required.
	Key []byte
}

func (p Pepper) validate() error {
	if !validPepperID(p.ID) {
		return errPepperID(p.ID)
	}
	if len(p.Key) < minPepperKey {
		return fmt.Errorf("Key of %q has %d bytes, must have at least %d", p.ID, len(p.Key), minPepperKey)
	}
	return nil
}

func errPepperID(id string) error {
	return fmt.Errorf("ID %q is not 1 to %d of the characters A-Z a-z 0-9 . -", id, maxPepperIDLen)
}

func validPepperID(id string) bool {
	if id == "" || len(id) > maxPepperIDLen {
		return false
	}
	for _, r := range id {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
		default:
			return false
		}
	}
	return true
}

// Format prints the ID and never the key, for every verb.
func (p Pepper) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "password.Pepper{ID: "+p.ID+"}")
}

// LogValue logs the ID and never the key.
func (p Pepper) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", p.ID))
}

// MarshalJSON writes the ID and never the key.
func (p Pepper) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct{ ID string }{p.ID})
}

// keyed returns the input of the password hash: text, or its HMAC under the
// pepper if there is one.
func keyed(text string, pepper []byte) []byte {
	if pepper == nil {
		return []byte(text)
	}
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
