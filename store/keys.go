package store

import (
	"context"
	"time"
)

// StoredKeys are the signing keys, their private halves sealed.
type SigningKeys struct {
	// Version grows by one with every change.
	Version int64
	Keys    []SigningKey
}

// StoredKey is one signing key.
type SigningKey struct {
	ID, Algorithm string
	// Private is sealed; the store cannot read it.
	Private                                   []byte
	CreatedAt, ActiveAt, RetiredAt, RemovedAt time.Time
}

// KeyStore keeps the signing keys.
type KeyStore interface {
	// SigningKeys returns all keys; none, with Version 0, at first.
	SigningKeys(ctx context.Context) (SigningKeys, error)
	// SaveSigningKeys replaces all keys. ErrConflict unless k.Version is one
	// above the stored version.
	SaveSigningKeys(ctx context.Context, k SigningKeys, fx Effects) error
}
