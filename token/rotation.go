package token

import "time"

// Rotation decides when signing keys change.
type Rotation struct {
	// Every is how long a key signs. Defaults to 90 days.
	Every time.Duration
	// PublishAhead is how long a key is published before it signs. Defaults to 24 hours.
	PublishAhead time.Duration
	// KeepAfter is how long a retired key stays published. Defaults to 30 days.
	KeepAfter time.Duration
}

// Plan returns the keys as they should be at now.
func (r Rotation) Plan(now time.Time, keys []*SigningKey, alg Algorithm) (next []*SigningKey, changed bool, err error) {
	return nil, false, nil
}

// SigningKeyAt returns the key that signs at now.
func SigningKeyAt(now time.Time, keys []*SigningKey) *SigningKey { return nil }
