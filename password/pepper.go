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

// Pepper is a secret that is mixed into every hash and lives outside the
// database (NIST SP 800-63B-4 §3.1.1.2, OWASP Password Storage Cheat Sheet
// "Peppering"): a stolen table alone is then of no use for guessing. The
// password is HMAC-SHA-256'd with Key before it is hashed. A lost pepper means
// that nobody can sign in any more. It prints as its ID only.
type Pepper struct {
	// ID is stored with each hash and says which key made it: 1 to 32 of
	// A-Z a-z 0-9 . and -. Required, unique in its list.
	ID string
	// Key is at least 32 random bytes, used for nothing else. Required.
	Key []byte
}

func (p Pepper) validate() error {
	if !validPepperID(p.ID) {
		return fmt.Errorf("ID %q is not 1 to %d of A-Z a-z 0-9 . -", p.ID, maxPepperIDLen)
	}
	if len(p.Key) < minPepperKey {
		return fmt.Errorf("Key of %q has %d bytes, at least %d are needed", p.ID, len(p.Key), minPepperKey)
	}
	return nil
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

// Format prints the ID and never the key, whatever the verb.
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

// keyed is what goes into the password hash: the text itself, or its HMAC
// under the pepper.
func keyed(text string, pepper []byte) []byte {
	if pepper == nil {
		return []byte(text)
	}
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
