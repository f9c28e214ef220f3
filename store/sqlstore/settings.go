package sqlstore

import (
	"context"
	"errors"

	"github.com/usherkit/usher/store"
)

// PasswordSettings implements [store.SettingsStore].
func (s *Store) PasswordSettings(ctx context.Context) (store.PasswordSettings, error) {
	var out store.PasswordSettings
	err := s.read(ctx, "read password settings", func(r runner) error {
		err := r.get(ctx, []any{&out.Version, &out.Content}, `SELECT version, settings FROM usher_password_settings WHERE id = 1`)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return out, err
}

// SavePasswordSettings implements [store.SettingsStore].
func (s *Store) SavePasswordSettings(ctx context.Context, p store.PasswordSettings, fx store.Effects) error {
	return s.transact(ctx, "save password settings", func(t *tx) error {
		query := `UPDATE usher_password_settings SET version = ?, settings = ? WHERE id = 1 AND version = ?`
		args := []any{p.Version, p.Content, p.Version - 1}
		if p.Version == 1 {
			query = `INSERT INTO usher_password_settings (id, version, settings) VALUES (1, ?, ?) ON CONFLICT (id) DO NOTHING`
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
