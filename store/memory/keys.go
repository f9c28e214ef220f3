package memory

import (
	"context"

	"github.com/usherkit/usher/store"
)

// SigningKeys implements [store.KeyStore].
func (m *Store) SigningKeys(ctx context.Context) (out store.SigningKeys, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		out = copyKeys(s.keys)
		return nil
	})
	return out, err
}

// SaveSigningKeys implements [store.KeyStore].
func (m *Store) SaveSigningKeys(ctx context.Context, k store.SigningKeys, fx store.Effects) error {
	return m.transact(ctx, []any{k, fx}, func(s *transaction) error {
		if k.Version != s.keys.Version+1 {
			return store.ErrConflict
		}
		if err := s.storeEffects(fx); err != nil {
			return err
		}
		s.keys = copyKeys(k)
		return nil
	})
}
