package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/usherkit/usher/store"
)

// sealedKey is a signing key in the JSON text of all keys. Keys are always read and
// replaced together, so one row holds all of them.
type sealedKey struct {
	ID        string    `json:"id"`
	Algorithm string    `json:"alg"`
	Private   []byte    `json:"private"`
	CreatedAt time.Time `json:"created"`
	ActiveAt  time.Time `json:"active"`
	RetiredAt time.Time `json:"retired"`
	RemovedAt time.Time `json:"removed"`
}

// SigningKeys implements [store.KeyStore].
func (s *Store) SigningKeys(ctx context.Context) (store.SigningKeys, error) {
	var (
		out    store.SigningKeys
		sealed []sealedKey
	)
	err := s.read(ctx, "read signing keys", func(r runner) error {
		err := r.get(ctx, []any{&out.Version, jsonColumn{&sealed}}, `SELECT version, sealed FROM usher_signing_keys WHERE id = 1`)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return store.SigningKeys{}, err
	}
	for _, k := range sealed {
		out.Keys = append(out.Keys, store.SigningKey(k))
	}
	return out, nil
}

// SaveSigningKeys implements [store.KeyStore].
func (s *Store) SaveSigningKeys(ctx context.Context, k store.SigningKeys, fx store.Effects) error {
	sealed := make([]sealedKey, len(k.Keys))
	for i, one := range k.Keys {
		sealed[i] = sealedKey(one)
		for _, t := range []*time.Time{
			&sealed[i].CreatedAt, &sealed[i].ActiveAt, &sealed[i].RetiredAt, &sealed[i].RemovedAt,
		} {
			*t = toMicros(*t)
		}
	}
	return s.transact(ctx, "save signing keys", func(t *tx) error {
		query := `UPDATE usher_signing_keys SET version = ?, sealed = ? WHERE id = 1 AND version = ?`
		args := []any{k.Version, asJSON{sealed}, k.Version - 1}
		if k.Version == 1 {
			query = `INSERT INTO usher_signing_keys (id, version, sealed) VALUES (1, ?, ?) ON CONFLICT (id) DO NOTHING`
			args = args[:2]
		}
		n, err := t.exec(ctx, query, args...)
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrConflict
		}
		return t.storeEffects(ctx, fx)
	})
}
