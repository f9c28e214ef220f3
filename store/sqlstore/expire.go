package sqlstore

import (
	"context"
	"maps"
	"slices"

	"github.com/usherkit/usher/store"
)

// DeleteExpired implements [store.Store].
func (s *Store) DeleteExpired(ctx context.Context, x store.Expiry) (int, error) {
	type expired struct {
		table, key, over string
		args             []any
	}
	kinds := []expired{
		{"usher_sessions", "id", "ends_at <= ?", []any{x.Now}},
		{"usher_one_time_tokens", "hash", "expires_at <= ?", []any{x.Now}},
		{"usher_invitations", "canonical", "expires_at <= ?", []any{x.Now}},
		{"usher_revocations", "id", "revoked_until <= ?", []any{x.Now}},
		{"usher_limits", "name", "expires_at <= ?", []any{x.Now}},
	}
	if !x.EventsBefore.IsZero() {
		kinds = append(kinds, expired{"usher_events", "seq", "at < ?", []any{x.EventsBefore}})
	}
	for _, name := range slices.Sorted(maps.Keys(x.NamedEventsBefore)) {
		kinds = append(kinds, expired{"usher_events", "seq", "name = ? AND at < ?", []any{string(name), x.NamedEventsBefore[name]}})
	}
	total := 0
	err := s.transact(ctx, "delete expired", func(t *tx) error {
		total = 0
		for _, kind := range kinds {
			// A locked row can wait for the next cleanup.
			n, err := t.exec(ctx, `
				WITH gone AS MATERIALIZED (
					SELECT `+kind.key+` FROM `+kind.table+` WHERE `+kind.over+` LIMIT ? FOR UPDATE SKIP LOCKED
				)
				DELETE FROM `+kind.table+` WHERE `+kind.key+` IN (SELECT `+kind.key+` FROM gone)`,
				slices.Concat(kind.args, []any{x.Max})...)
			if err != nil {
				return err
			}
			total += int(n)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return total, nil
}
