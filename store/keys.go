package store

import (
	"context"
	"time"
)

// SigningKeys are all signing keys.
type SigningKeys struct {
	// Version grows by one with every change.
	Version int64
	Keys    []SigningKey
}

// SigningKey is one signing key.
type SigningKey struct {
	ID, Algorithm string
	// Private is the private key, sealed by the Service: the store cannot read it.
	Private                                   []byte
	CreatedAt, ActiveAt, RetiredAt, RemovedAt time.Time
}

// KeyStore keeps the signing keys.
type KeyStore interface {
	// SigningKeys returns all keys. A new store has none, with Version 0.
	SigningKeys(ctx context.Context) (SigningKeys, error)
	// SaveSigningKeys replaces all keys. It returns ErrConflict unless k.Version is
	// one above the stored version.
	SaveSigningKeys(ctx context.Context, k SigningKeys, fx Effects) error
}
