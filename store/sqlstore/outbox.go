package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/usherkit/usher/store"
)

func emailInsert(q store.QueuedEmail) statement {
	return statement{
		`INSERT INTO usher_outbox (id, sealed, created_at, not_before, tries) VALUES (?, ?, ?, ?, ?)`,
		[]any{q.ID, q.Sealed, q.CreatedAt, q.NotBefore, q.Attempts},
	}
}

// ClaimEmails implements [store.OutboxStore].
func (s *Store) ClaimEmails(ctx context.Context, now time.Time, lease time.Duration, n int) ([]store.QueuedEmail, error) {
	var out []store.QueuedEmail
	err := s.transact(ctx, "claim emails", func(t *tx) error {
		out = nil
		// MATERIALIZED: the engine must not evaluate the query twice.
		return t.query(ctx, func(row scanner) error {
			var q store.QueuedEmail
			if err := row.Scan(&q.ID, bytesColumn{&q.Sealed},
				timeColumn{&q.CreatedAt}, timeColumn{&q.NotBefore}, &q.Attempts); err != nil {
				return err
			}
			out = append(out, q)
			return nil
		}, `
			WITH due AS MATERIALIZED (
				SELECT id FROM usher_outbox WHERE not_before <= ?
				ORDER BY not_before, created_at, id LIMIT ? FOR UPDATE SKIP LOCKED
			)
			UPDATE usher_outbox SET not_before = ?, tries = tries + 1
			WHERE id IN (SELECT id FROM due)
			RETURNING id, sealed, created_at, not_before, tries`,
			now, max(n, 0), now.Add(lease))
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b store.QueuedEmail) int { // RETURNING has no order
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// FinishEmail implements [store.OutboxStore].
func (s *Store) FinishEmail(ctx context.Context, id string, fx store.Effects) error {
	return s.transact(ctx, "finish email", func(t *tx) error {
		n, err := t.exec(ctx, `DELETE FROM usher_outbox WHERE id = ?`, id)
		if err != nil || n == 0 {
			return err // 0: another instance finished it and stored its effects
		}
		return t.storeEffects(ctx, fx)
	})
}

// RetryEmail implements [store.OutboxStore].
func (s *Store) RetryEmail(ctx context.Context, id string, notBefore time.Time) error {
	return s.transact(ctx, "retry email", func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE usher_outbox SET not_before = ? WHERE id = ?`, notBefore, id)
		return err
	})
}

// ReleaseEmail implements [store.OutboxStore].
func (s *Store) ReleaseEmail(ctx context.Context, id string, notBefore time.Time) error {
	return s.transact(ctx, "release email", func(t *tx) error {
		_, err := t.exec(ctx, `
			UPDATE usher_outbox SET not_before = ?, tries = CASE WHEN tries > 0 THEN tries - 1 ELSE 0 END
			WHERE id = ?`, notBefore, id)
		return err
	})
}

// EmailCount implements [store.OutboxStore].
func (s *Store) EmailCount(ctx context.Context) (int, error) {
	var n int
	err := s.read(ctx, "count emails", func(r runner) error {
		return r.get(ctx, []any{&n}, `SELECT COUNT(*) FROM usher_outbox`)
	})
	return n, err
}
