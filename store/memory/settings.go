package memory

import (
	"context"

	"github.com/usherkit/usher/store"
)

// PasswordSettings implements [store.SettingsStore].
func (m *Store) PasswordSettings(ctx context.Context) (out store.PasswordSettings, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		out = s.passwordSettings
		return nil
	})
	return out, err
}

// SavePasswordSettings implements [store.SettingsStore].
func (m *Store) SavePasswordSettings(ctx context.Context, p store.PasswordSettings, fx store.Effects) error {
	return m.transact(ctx, []any{p, fx}, func(s *transaction) error {
		if p.Version != s.passwordSettings.Version+1 {
			return store.ErrConflict
		}
		if err := s.storeEffects(fx); err != nil {
			return err
		}
		s.passwordSettings = p
		return nil
	})
}
