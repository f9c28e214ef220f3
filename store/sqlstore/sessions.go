package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/usherkit/usher/store"
)

const sessionColumns = `s.id, s.user_id, s.kind, s.created_at, s.last_seen_at, s.idle_expires_at, s.expires_at,
	s.amr, s.user_agent, s.address`

func sessionDest(s *store.Session) []any {
	return []any{
		&s.ID, &s.UserID, &s.Kind, timeColumn{&s.CreatedAt}, timeColumn{&s.LastSeenAt},
		timeColumn{&s.IdleExpiresAt}, timeColumn{&s.ExpiresAt},
		jsonColumn{&s.AMR}, &s.UserAgent, &s.Address,
	}
}

const recordColumns = sessionColumns + `, s.refresh_hash, s.previous_hash, s.rotated_at`

func recordDest(s *store.SessionRecord) []any {
	return append(sessionDest(&s.Session),
		bytesColumn{&s.Refresh.Current}, bytesColumn{&s.Refresh.Previous}, timeColumn{&s.Refresh.RotatedAt})
}

// endsAt returns when a session expires unless it is refreshed.
func endsAt(s store.Session) time.Time {
	if s.ExpiresAt.Before(s.IdleExpiresAt) {
		return s.ExpiresAt
	}
	return s.IdleExpiresAt
}

// sessionInsert returns the statement that starts a session; none if s is nil.
func sessionInsert(userID string, s *store.SessionRecord) ([]statement, error) {
	if s == nil {
		return nil, nil
	}
	if s.UserID != userID {
		return nil, errors.New("the session belongs to another user")
	}
	return []statement{{`
		INSERT INTO usher_sessions (id, user_id, kind, created_at, last_seen_at, idle_expires_at, expires_at, ends_at,
			amr, user_agent, address, refresh_hash, previous_hash, rotated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, []any{
		s.ID, s.UserID, string(s.Kind), s.CreatedAt, s.LastSeenAt, s.IdleExpiresAt, s.ExpiresAt, endsAt(s.Session),
		asJSON{s.AMR}, s.UserAgent, s.Address, s.Refresh.Current, s.Refresh.Previous, s.Refresh.RotatedAt,
	}}}, nil
}

// StartSession implements [store.SessionStore].
func (s *Store) StartSession(ctx context.Context, in store.SessionStart) ([]string, error) {
	var ended []string
	err := s.transact(ctx, "start session", func(t *tx) error {
		ended = nil
		userID := in.Session.UserID
		a, err := t.lockAccount(ctx, userID)
		if errors.Is(err, store.ErrNotFound) {
			return store.ErrConflict
		}
		if err != nil {
			return err
		}
		if a.User.Status != store.StatusEnabled || a.Password.Version != in.IfPasswordVersion {
			return store.ErrConflict
		}
		if in.RehashTo != "" && a.Password.Hash == in.RehashFrom {
			if err := t.setUser(ctx, userID, []string{"password_hash = ?"}, []any{in.RehashTo}); err != nil {
				return err
			}
		}
		if in.Language != "" {
			if err := t.setUser(ctx, userID, []string{"language = ?"}, []any{in.Language}); err != nil {
				return err
			}
		}
		if in.EndSession != "" {
			n, err := t.exec(ctx, `DELETE FROM usher_sessions WHERE id = ?`, in.EndSession)
			if err != nil {
				return err
			}
			if n > 0 {
				ended = append(ended, in.EndSession)
			}
		}
		if in.Max > 0 && in.Session.Kind == store.SessionFull {
			over, err := t.endOldest(ctx, userID, in.Max-1, in.Session.CreatedAt)
			if err != nil {
				return err
			}
			ended = append(ended, over...)
		}
		if err := t.revoke(ctx, ended, in.RevokedUntil); err != nil {
			return err
		}
		session, err := sessionInsert(userID, &in.Session)
		if err != nil {
			return err
		}
		return t.execAll(ctx, session, lowerLimits(in.ClearLimits, in.ReleaseLimits), effects(in.Effects))
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// endOldest removes the user's oldest full sessions until at most keep of those alive
// at now are left.
func (t *tx) endOldest(ctx context.Context, userID string, keep int, now time.Time) ([]string, error) {
	// SQLite has no OFFSET without a LIMIT: this is the largest one.
	over, err := readColumn[string](ctx, t.runner, `
		SELECT id FROM usher_sessions WHERE user_id = ? AND kind = 'full' AND ends_at > ?
		ORDER BY created_at DESC, id DESC LIMIT 9223372036854775807 OFFSET ?`, userID, now, keep)
	if err != nil {
		return nil, err
	}
	for _, id := range over {
		if _, err := t.exec(ctx, `DELETE FROM usher_sessions WHERE id = ?`, id); err != nil {
			return nil, err
		}
	}
	return over, nil
}

// Session implements [store.SessionStore].
func (s *Store) Session(ctx context.Context, id string) (store.SessionRecord, error) {
	var out store.SessionRecord
	err := s.read(ctx, "read session", func(r runner) error {
		return r.get(ctx, recordDest(&out), `SELECT `+recordColumns+` FROM usher_sessions s WHERE s.id = ?`, id)
	})
	if err != nil {
		return store.SessionRecord{}, err
	}
	return out, nil
}

// UserSessions implements [store.SessionStore].
func (s *Store) UserSessions(ctx context.Context, userID string, now time.Time) ([]store.Session, error) {
	var out []store.Session
	err := s.read(ctx, "read sessions", func(r runner) error {
		return r.query(ctx, func(row scanner) error {
			var one store.Session
			if err := row.Scan(sessionDest(&one)...); err != nil {
				return err
			}
			out = append(out, one)
			return nil
		}, `SELECT `+sessionColumns+` FROM usher_sessions s
			WHERE s.user_id = ? AND s.kind = 'full' AND s.ends_at > ?
			ORDER BY s.created_at DESC, s.id DESC`, userID, now)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// EndSession implements [store.SessionStore].
func (s *Store) EndSession(ctx context.Context, userID, sessionID string, end store.SessionEnd, fx store.Effects) error {
	return s.transact(ctx, "end session", func(t *tx) error {
		if _, err := t.lockAccount(ctx, userID); err != nil {
			return err
		}
		n, err := t.exec(ctx, `DELETE FROM usher_sessions WHERE id = ? AND user_id = ?`, sessionID, userID)
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrNotFound
		}
		if err := t.revoke(ctx, []string{sessionID}, end.RevokedUntil); err != nil {
			return err
		}
		return t.storeEffects(ctx, fx)
	})
}

// EndUserSessions implements [store.SessionStore].
func (s *Store) EndUserSessions(ctx context.Context, userID string, end store.SessionEnd, fx store.Effects) ([]string, error) {
	var ended []string
	err := s.transact(ctx, "end sessions", func(t *tx) error {
		if _, err := t.lockAccount(ctx, userID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		var err error
		if ended, err = t.endSessions(ctx, userID, end); err != nil {
			return err
		}
		return t.storeEffects(ctx, fx)
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// endSessions ends a user's sessions and revokes them.
func (t *tx) endSessions(ctx context.Context, userID string, end store.SessionEnd) ([]string, error) {
	ended, err := readColumn[string](ctx, t.runner,
		`DELETE FROM usher_sessions WHERE user_id = ? AND id <> ? RETURNING id`, userID, end.Except)
	if err != nil {
		return nil, err
	}
	return ended, t.revoke(ctx, ended, end.RevokedUntil)
}

// NotifyChannel is the channel of PostgreSQL that is notified when a transaction
// commits new revocations.
const NotifyChannel = "usher_revocations"

// revoke writes a revocation for each session.
func (t *tx) revoke(ctx context.Context, ids []string, until time.Time) error {
	for _, id := range ids {
		if _, err := t.exec(ctx,
			`INSERT INTO usher_revocations (session_id, revoked_until) VALUES (?, ?)`, id, until); err != nil {
			return err
		}
	}
	if len(ids) == 0 || t.dialect != Postgres {
		return nil
	}
	_, err := t.exec(ctx, `SELECT pg_notify(?, '')`, NotifyChannel)
	return err
}

// Revocations implements [store.SessionStore].
func (s *Store) Revocations(ctx context.Context, after int64) ([]store.Revocation, error) {
	var out []store.Revocation
	err := s.read(ctx, "read revocations", func(r runner) error {
		return r.query(ctx, func(row scanner) error {
			var one store.Revocation
			if err := row.Scan(&one.ID, &one.SessionID, timeColumn{&one.Until}); err != nil {
				return err
			}
			out = append(out, one)
			return nil
		}, `SELECT id, session_id, revoked_until FROM usher_revocations WHERE id > ? ORDER BY id`, after)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
