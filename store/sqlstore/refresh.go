package sqlstore

import (
	"cmp"
	"context"
	"crypto/subtle"

	"github.com/usherkit/usher/store"
)

// SwapRefresh implements [store.SessionStore].
func (s *Store) SwapRefresh(ctx context.Context, in store.RefreshSwap) (store.RefreshResult, error) {
	var out store.RefreshResult
	err := s.transact(ctx, "swap refresh token", func(t *tx) error {
		now := toMicros(in.Now)
		a, ses, err := t.lockSession(ctx, in.SessionID)
		if err != nil {
			return err
		}
		if a.User.Status != store.StatusEnabled || !now.Before(endsAt(ses.Session)) {
			return store.ErrNotFound
		}
		out = store.RefreshResult{Outcome: refreshOutcome(in, ses), Session: ses, User: a.User}
		switch out.Outcome {
		case store.RefreshSwapped:
			out.Session = swappedSession(in, ses)
			return t.execAll(ctx, []statement{sessionUpdate(out.Session)}, effects(in.Swapped))
		case store.RefreshReused:
			if _, err := t.exec(ctx, `DELETE FROM usher_sessions WHERE id = ?`, ses.ID); err != nil {
				return err
			}
			return t.execAll(ctx, revocations([]string{ses.ID}, in.RevokedUntil, t.dialect), effects(in.Reused))
		default:
			return nil
		}
	})
	if err != nil {
		return store.RefreshResult{}, err
	}
	return out, nil
}

// lockSession locks a session and its user. All methods lock the user first.
func (t *tx) lockSession(ctx context.Context, id string) (store.Account, store.SessionRecord, error) {
	var (
		userID string
		ses    store.SessionRecord
	)
	if err := t.get(ctx, []any{&userID}, `SELECT user_id FROM usher_sessions WHERE id = ?`, id); err != nil {
		return store.Account{}, ses, err
	}
	a, err := t.lockAccount(ctx, userID)
	if err != nil {
		return store.Account{}, ses, err
	}
	// The lock makes sure that no other transaction exchanges its token or ends it.
	err = t.get(ctx, recordDest(&ses),
		`SELECT `+recordColumns+` FROM usher_sessions s WHERE s.id = ? FOR UPDATE`, id)
	return a, ses, err
}

// refreshOutcome compares the presented token with those of the session.
func refreshOutcome(in store.RefreshSwap, s store.SessionRecord) store.RefreshOutcome {
	if subtle.ConstantTimeCompare(in.Presented, s.Refresh.Current) == 1 {
		return store.RefreshSwapped
	}
	if len(s.Refresh.Previous) > 0 && inGrace(in, s) &&
		subtle.ConstantTimeCompare(in.Presented, s.Refresh.Previous) == 1 {
		return store.RefreshReplayed
	}
	return store.RefreshReused
}

func inGrace(in store.RefreshSwap, s store.SessionRecord) bool {
	return toMicros(in.Now).Before(s.Refresh.RotatedAt.Add(in.Grace))
}

// swappedSession returns the session after the exchange.
func swappedSession(in store.RefreshSwap, s store.SessionRecord) store.SessionRecord {
	now := toMicros(in.Now)
	if subtle.ConstantTimeCompare(in.Presented, in.Next) != 1 {
		s.Refresh.Previous, s.Refresh.Current = s.Refresh.Current, in.Next
	} else if !inGrace(in, s) {
		// Without rotation RotatedAt moves too. A token that was replaced before
		// rotation was switched off must not become valid again.
		s.Refresh.Previous = nil
	}
	s.LastSeenAt, s.Refresh.RotatedAt = now, now
	s.IdleExpiresAt = toMicros(now.Add(in.Idle))
	if s.IdleExpiresAt.After(s.ExpiresAt) {
		s.IdleExpiresAt = s.ExpiresAt
	}
	s.UserAgent = cmp.Or(in.UserAgent, s.UserAgent)
	s.Address = cmp.Or(in.Address, s.Address)
	return s
}

// sessionUpdate writes the columns that a refresh may change.
func sessionUpdate(s store.SessionRecord) statement {
	return statement{`
		UPDATE usher_sessions SET last_seen_at = ?, idle_expires_at = ?, ends_at = ?, user_agent = ?, address = ?,
			refresh_hash = ?, previous_hash = ?, rotated_at = ?
		WHERE id = ?`, []any{
		s.LastSeenAt, s.IdleExpiresAt, endsAt(s.Session), s.UserAgent, s.Address,
		s.Refresh.Current, s.Refresh.Previous, s.Refresh.RotatedAt, s.ID,
	}}
}
