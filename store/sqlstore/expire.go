package sqlstore

import (
	"context"
	"time"
)

// DeleteExpired implements [store.Store].
func (s *Store) DeleteExpired(ctx context.Context, now, eventsBefore time.Time, max int) (int, error) {
	total := 0
	err := s.transact(ctx, "delete expired", func(t *tx) error {
		total = 0
		for _, kind := range []struct {
			table, key, over string
			at               time.Time
		}{
			{"usher_sessions", "id", "ends_at <= ?", now},
			{"usher_one_time_tokens", "hash", "expires_at <= ?", now},
			{"usher_revocations", "id", "revoked_until <= ?", now},
			{"usher_limits", "name", "expires_at <= ?", now},
			{"usher_events", "seq", "at < ?", eventsBefore},
		} {
			if kind.at.IsZero() {
				continue
			}
			// A locked row can wait for the next cleanup.
			n, err := t.exec(ctx, `
				WITH gone AS MATERIALIZED (
					SELECT `+kind.key+` FROM `+kind.table+` WHERE `+kind.over+` LIMIT ? FOR UPDATE SKIP LOCKED
				)
				DELETE FROM `+kind.table+` WHERE `+kind.key+` IN (SELECT `+kind.key+` FROM gone)`,
				kind.at, max)
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
