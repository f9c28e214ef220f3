package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
)

// MaxAttributes is the maximum size of the attributes of a user that a patch may leave, in
// bytes of JSON.
const MaxAttributes = 64 << 10

// ErrAttributesTooLarge means that a patch would leave more than [MaxAttributes]. Nothing
// was written.
var ErrAttributesTooLarge = errors.New("usher: the attributes are too large")

// AttributesVersion returns the version of the user's attributes: a hash of them as they are
// stored, which changes with each change of a value.
func (u User) AttributesVersion() string {
	b := []byte("{}")
	if len(u.Attributes) > 0 {
		b = u.StoredAttributes()
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// StoredAttributes returns the attributes as JSON, with the numbers as they are stored.
func (u User) StoredAttributes() []byte {
	if u.exactAttributes != "" {
		return []byte(u.exactAttributes)
	}
	b, _ := json.Marshal(u.Attributes) // values that were stored can be encoded; keys are sorted
	return b
}

// maxFloatDigits is how many decimal digits every float64 keeps.
const maxFloatDigits = 15

// SetAttributes sets the attributes to a JSON object as it is stored. Its numbers become
// float64. If that may lose digits, the user also keeps the text for
// [User.StoredAttributes].
func (u *User) SetAttributes(stored []byte) error {
	u.Attributes, u.exactAttributes = nil, ""
	if err := json.Unmarshal(stored, &u.Attributes); err != nil || !hasLongNumber(stored) {
		return err
	}
	exact, err := decodeExactly(stored)
	if err != nil {
		return err
	}
	b, err := json.Marshal(exact) // the database may have changed the order of the keys
	u.exactAttributes = string(b)
	return err
}

// ExactAttributes returns the attributes with their numbers as they are stored: those that
// may have lost digits in Attributes are json.Number. The map must not be changed.
func (u User) ExactAttributes() map[string]any {
	if u.exactAttributes == "" {
		return u.Attributes
	}
	exact, _ := decodeExactly([]byte(u.exactAttributes)) // encoded by SetAttributes
	return exact
}

// decodeExactly decodes a JSON object, with json.Number for its numbers.
func decodeExactly(text []byte) (object map[string]any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return object, d.Decode(&object)
}

// hasLongNumber reports whether JSON has more than maxFloatDigits digits in a row, not
// counting a decimal point. They may also be in a string.
func hasLongNumber(text []byte) bool {
	n := 0
	for _, c := range text {
		switch {
		case c >= '0' && c <= '9':
			if n++; n > maxFloatDigits {
				return true
			}
		case c != '.':
			n = 0
		}
	}
	return false
}

// AttributesPatch changes single attributes of a user.
type AttributesPatch struct {
	// Set has the new values by key. A nil value removes the key (RFC 7396). Values are
	// replaced as a whole.
	Set map[string]any
	// IfVersion is the version that the attributes must have. Empty skips this check.
	IfVersion string
}

// Apply returns the attributes of the user after the patch. stored are those of the user
// before it, with values that are encoded as they are stored: a large number in
// User.Attributes may have lost digits. Neither is changed.
//
// Errors: [ErrConflict] if the attributes have another version; [ErrAttributesTooLarge].
func (p AttributesPatch) Apply(u User, stored map[string]any) (map[string]any, error) {
	if p.IfVersion != "" && p.IfVersion != u.AttributesVersion() {
		return nil, ErrConflict
	}
	out := maps.Clone(stored)
	if out == nil {
		out = map[string]any{}
	}
	for key, value := range p.Set {
		if value == nil {
			delete(out, key)
		} else {
			out[key] = value
		}
	}
	b, err := json.Marshal(out)
	if err == nil && len(b) > MaxAttributes {
		err = ErrAttributesTooLarge
	}
	return out, err
}
