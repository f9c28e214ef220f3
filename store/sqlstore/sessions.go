package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/usherkit/usher/store"
)

const sessionColumns = `s.id, s.user_id, s.kind, s.created_at, s.last_seen_at, s.idle_expires_at, s.expires_at,
	s.amr, s.user_agent, s.address, s.ends_with_browser, s.tenant`

func sessionDest(s *store.Session) []any {
	return []any{
		&s.ID, &s.UserID, &s.Kind, timeColumn{&s.CreatedAt}, timeColumn{&s.LastSeenAt},
		timeColumn{&s.IdleExpiresAt}, timeColumn{&s.ExpiresAt},
		jsonColumn{&s.AMR}, &s.UserAgent, &s.Address, &s.EndsWithBrowser, &s.Tenant,
	}
}

const recordColumns = sessionColumns + `, s.refresh_hash, s.previous_hash, s.rotated_at, s.refresh_others`

func recordDest(s *store.SessionRecord) []any {
	return append(sessionDest(&s.Session),
		bytesColumn{&s.Refresh.Current}, bytesColumn{&s.Refresh.Previous}, timeColumn{&s.Refresh.RotatedAt},
		othersColumn{&s.Refresh})
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
			amr, user_agent, address, ends_with_browser, tenant, refresh_hash, previous_hash, rotated_at, refresh_others)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, []any{
		s.ID, s.UserID, string(s.Kind), s.CreatedAt, s.LastSeenAt, s.IdleExpiresAt, s.ExpiresAt, endsAt(s.Session),
		asJSON{s.AMR}, s.UserAgent, s.Address, s.EndsWithBrowser, s.Tenant, s.Refresh.Current, s.Refresh.Previous, s.Refresh.RotatedAt,
		othersParam(s.Refresh),
	}}}, nil
}

// StartSession implements [store.SessionStore].
func (s *Store) StartSession(ctx context.Context, in store.SessionStart) ([]store.Event, error) {
	var ended []store.Event
	err := s.transact(ctx, "start session", func(t *tx) error {
		userID := in.Session.UserID
		over, args := "id = ?", []any{in.EndSession}
		if in.Max > 0 && in.Session.Kind == store.SessionFull {
			// SQLite has no OFFSET without a LIMIT: this is the largest one.
			over = `id IN (SELECT ? UNION ALL SELECT id FROM (
				SELECT id FROM usher_sessions WHERE user_id = ? AND id <> ? AND kind = 'full' AND ends_at > ?
				ORDER BY created_at DESC, id DESC LIMIT 9223372036854775807 OFFSET ?) oldest)`
			args = append(args, userID, in.EndSession, in.Session.LastSeenAt, in.Max-1)
		}
		a, removed, err := t.lockAndRemove(ctx, userID, in.EndSession, over, args)
		if errors.Is(err, store.ErrNotFound) && in.Spend == nil {
			return store.ErrConflict
		}
		if err != nil {
			return err
		}
		if in.Spend != nil {
			_, o, err := t.spend(ctx, *in.Spend)
			if err != nil {
				return err
			}
			if o.UserID != userID {
				return store.ErrNotFound
			}
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
		if ended, err = t.recordEnds(ctx, in.End, removed); err != nil {
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

// lockAccountAndOwner is lockAccount that also locks the owner of a session, who may be
// another user. It locks both in the order of their ids, so that two users who sign in
// with each other's session do not wait for each other.
func (t *tx) lockAccountAndOwner(ctx context.Context, userID, sessionID string) (store.Account, error) {
	if sessionID == "" {
		return t.lockAccount(ctx, userID)
	}
	var found store.Account
	err := t.query(ctx, func(row scanner) error {
		var a store.Account
		if err := row.Scan(accountDest(&a)...); err != nil {
			return err
		}
		if a.User.ID == userID {
			found = a
		}
		return nil
	}, `SELECT `+accountColumns+` FROM usher_users u
		WHERE u.id IN (?, (SELECT s.user_id FROM usher_sessions s WHERE s.id = ?)) ORDER BY u.id FOR UPDATE`, userID, sessionID)
	if err == nil && found.User.ID == "" {
		err = store.ErrNotFound
	}
	return found, err
}

// lockAndRemove is lockAccountAndOwner that also removes sessions. On PostgreSQL it is one
// round trip: the second statement waits for the first one in the server, and sees what
// was committed before it got the lock.
func (t *tx) lockAndRemove(ctx context.Context, userID, sessionID, condition string, args []any) (a store.Account, removed []endedSession, err error) {
	if t.dialect != Postgres {
		if a, err = t.lockAccount(ctx, userID); err != nil {
			return a, nil, err
		}
		removed, err = t.removeSessions(ctx, condition, args...)
		return a, removed, err
	}
	lock := statement{`SELECT u.id FROM usher_users u
		WHERE u.id IN (?, (SELECT s.user_id FROM usher_sessions s WHERE s.id = ?)) ORDER BY u.id FOR UPDATE`, []any{userID, sessionID}}
	if err := t.execAll(ctx, []statement{lock}); err != nil {
		return a, nil, err
	}
	err = t.query(ctx, func(row scanner) error {
		var s endedSession
		if err := row.Scan(append(accountDest(&a), &s.id, &s.userID)...); err != nil {
			return err
		}
		if s.id != "" {
			removed = append(removed, s)
		}
		return nil
	}, `WITH gone AS (DELETE FROM usher_sessions WHERE `+condition+` RETURNING id, user_id)
		SELECT `+accountColumns+`, COALESCE(gone.id, ''), COALESCE(gone.user_id, '')
		FROM usher_users u LEFT JOIN gone ON true WHERE u.id = ?`, append(args, userID)...)
	if err == nil && a.User.ID == "" {
		err = store.ErrNotFound
	}
	return a, removed, err
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
		return t.execAll(ctx, revocations([]string{sessionID}, end.RevokedUntil, t.dialect), effects(fx))
	})
}

// EndUserSessions implements [store.SessionStore].
func (s *Store) EndUserSessions(ctx context.Context, userID string, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
	var ended []store.Event
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

// endSessions ends a user's sessions.
func (t *tx) endSessions(ctx context.Context, userID string, end store.SessionEnd) ([]store.Event, error) {
	return t.endSessionsWhere(ctx, end, "user_id = ?", userID)
}

// endReplaced ends a session, of any user, if there is one with that id.
func (t *tx) endReplaced(ctx context.Context, r store.ReplacedSession) ([]store.Event, error) {
	if r.ID == "" {
		return nil, nil
	}
	return t.endSessionsWhere(ctx, r.End, "id = ?", r.ID)
}

// endSessionsWhere ends the sessions that meet a condition, revokes them, and stores and
// returns their events.
func (t *tx) endSessionsWhere(ctx context.Context, end store.SessionEnd, condition string, args ...any) ([]store.Event, error) {
	removed, err := t.removeSessions(ctx, condition, args...)
	if err != nil {
		return nil, err
	}
	return t.recordEnds(ctx, end, removed)
}

type endedSession struct{ id, userID string }

// removeSessions removes the sessions that meet a condition.
func (t *tx) removeSessions(ctx context.Context, condition string, args ...any) (removed []endedSession, err error) {
	err = t.query(ctx, func(row scanner) error {
		var s endedSession
		if err := row.Scan(&s.id, &s.userID); err != nil {
			return err
		}
		removed = append(removed, s)
		return nil
	}, `DELETE FROM usher_sessions WHERE `+condition+` RETURNING id, user_id`, args...)
	return removed, err
}

// recordEnds writes the revocations and the events of sessions that were removed, and
// returns the events.
func (t *tx) recordEnds(ctx context.Context, end store.SessionEnd, removed []endedSession) (ended []store.Event, err error) {
	for part := range slices.Chunk(removed, maxEndedRows) {
		ids, fx := make([]string, len(part)), store.Effects{}
		for i, s := range part {
			e := end.EventFor(s.userID, s.id)
			ids[i], ended = s.id, append(ended, e)
			if e.Name != "" {
				fx.Events = append(fx.Events, e)
			}
		}
		if err := t.execAll(ctx, revocations(ids, end.RevokedUntil, t.dialect), effects(fx)); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

// maxEndedRows is how many ended sessions one statement writes. Each needs ten
// parameters for its event, and SQLite allows 32,766 in a statement.
const maxEndedRows = 1000

// NotifyChannel is the channel of PostgreSQL that is notified when a transaction
// commits new revocations.
const NotifyChannel = "usher_revocations"

// revocations returns the statements that write a revocation for each session.
func revocations(ids []string, until time.Time, d Dialect) []statement {
	var args []any
	for _, id := range ids {
		args = append(args, id, until)
	}
	list := []statement{{`INSERT INTO usher_revocations (session_id, revoked_until) VALUES ` + valueRows("(?, ?)", len(ids)), args}}
	if d == Postgres {
		// RETURNING, because a WITH clause does not run a SELECT that nothing reads.
		list[0].query += ` RETURNING pg_notify(?, '')`
		list[0].args = append(args, NotifyChannel)
	}
	return list
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
