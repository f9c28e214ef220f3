package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/usherkit/usher/store"
)

// StartSession implements [store.SessionStore].
func (m *Store) StartSession(ctx context.Context, in store.SessionStart) (ended []store.Event, err error) {
	err = m.transact(ctx, in, func(s *transaction) error {
		if in.Spend != nil {
			t, err := s.spend(*in.Spend)
			if err != nil {
				return err
			}
			if t.UserID != in.Session.UserID {
				return store.ErrNotFound
			}
		}
		a, ok := s.accounts[in.Session.UserID]
		if !ok || a.User.Status != store.StatusEnabled || a.Password.Version != in.IfPasswordVersion {
			return store.ErrConflict
		}
		if in.RehashTo != "" && a.Password.Hash == in.RehashFrom {
			a.Password.Hash = in.RehashTo
		}
		a.User.Language = cmp.Or(in.Language, a.User.Language)
		put(s, s.accounts, a.User.ID, a)
		if in.EndSession != "" {
			if previous, ok := s.sessions[in.EndSession]; ok {
				ended = append(ended, s.endSessions(in.End, previous)...)
			}
		}
		if in.Max > 0 && in.Session.Kind == store.SessionFull {
			live := s.liveSessions(a.User.ID, toMicros(in.Session.LastSeenAt))
			ended = append(ended, s.endSessions(in.End, live[min(len(live), in.Max-1):]...)...)
		}
		if err := s.insertSession(a.User.ID, &in.Session); err != nil {
			return err
		}
		s.clearLimits(in.ClearLimits)
		s.releaseLimits(in.ReleaseLimits)
		return s.storeEffects(in.Effects)
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// Session implements [store.SessionStore].
func (m *Store) Session(ctx context.Context, id string) (out store.SessionRecord, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		found, ok := s.sessions[id]
		if !ok {
			return store.ErrNotFound
		}
		out = copySession(found)
		return nil
	})
	return out, err
}

// UserSessions implements [store.SessionStore].
func (m *Store) UserSessions(ctx context.Context, userID string, now time.Time) (out []store.Session, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		for _, ses := range s.liveSessions(userID, now) {
			out = append(out, copySession(ses).Session)
		}
		return nil
	})
	return out, err
}

// SwapRefresh implements [store.SessionStore].
func (m *Store) SwapRefresh(ctx context.Context, in store.RefreshSwap) (out store.RefreshResult, err error) {
	err = m.transact(ctx, in, func(s *transaction) error {
		ses, ok := s.sessions[in.SessionID]
		if !ok || !liveAt(ses, toMicros(in.Now)) || s.accounts[ses.UserID].User.Status != store.StatusEnabled {
			return store.ErrNotFound
		}
		out = in.Apply(copySession(ses), copyUser(s.accounts[ses.UserID].User))
		out.Token = bytes.Clone(out.Token)
		var fx store.Effects
		switch out.Outcome {
		case store.RefreshSwapped:
			put(s, s.sessions, ses.ID, copySession(out.Session))
			fx = in.Swapped
		case store.RefreshReused:
			s.endSession(ses.ID, in.RevokedUntil)
			fx = in.Reused
		}
		return s.storeEffects(fx)
	})
	if err != nil {
		return store.RefreshResult{}, err
	}
	return out, nil
}

// EndSession implements [store.SessionStore].
func (m *Store) EndSession(ctx context.Context, userID, sessionID string, end store.SessionEnd, fx store.Effects) error {
	return m.transact(ctx, []any{userID, sessionID, fx}, func(s *transaction) error {
		if ses, ok := s.sessions[sessionID]; !ok || ses.UserID != userID {
			return store.ErrNotFound
		}
		s.endSession(sessionID, end.RevokedUntil)
		return s.storeEffects(fx)
	})
}

// EndUserSessions implements [store.SessionStore].
func (m *Store) EndUserSessions(ctx context.Context, userID string, end store.SessionEnd, fx store.Effects) (ended []store.Event, err error) {
	err = m.transact(ctx, []any{userID, end, fx}, func(s *transaction) error {
		ended = s.endUserSessions(userID, end)
		return s.storeEffects(fx)
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// Revocations implements [store.SessionStore].
func (m *Store) Revocations(ctx context.Context, after int64) (out []store.Revocation, err error) {
	err = m.transact(ctx, nil, func(s *transaction) error {
		for id, r := range s.revocations {
			if id > after {
				out = append(out, r)
			}
		}
		slices.SortFunc(out, func(a, b store.Revocation) int { return cmp.Compare(a.ID, b.ID) })
		return nil
	})
	return out, err
}

func liveAt(s store.SessionRecord, now time.Time) bool {
	return now.Before(s.IdleExpiresAt) && now.Before(s.ExpiresAt)
}

// liveSessions returns the user's full sessions that are alive at now, newest first.
func (s *transaction) liveSessions(userID string, now time.Time) []store.SessionRecord {
	var out []store.SessionRecord
	for _, ses := range s.sessions {
		if ses.UserID == userID && ses.Kind == store.SessionFull && liveAt(ses, now) {
			out = append(out, ses)
		}
	}
	slices.SortFunc(out, func(a, b store.SessionRecord) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	return out
}

func (s *transaction) insertSession(userID string, ses *store.SessionRecord) error {
	if ses == nil {
		return nil
	}
	if ses.UserID != userID {
		return errWrongUser
	}
	return add(s, s.sessions, ses.ID, copySession(*ses))
}

// end removes a session that exists and writes a revocation.
func (s *transaction) endSession(id string, until time.Time) {
	drop(s, s.sessions, id)
	s.lastRevoked++ // an undone transaction leaves a gap, which is harmless
	put(s, s.revocations, s.lastRevoked, store.Revocation{ID: s.lastRevoked, SessionID: id, Until: toMicros(until)})
}

// endSessions ends sessions that exist, and stores and returns their events.
func (s *transaction) endSessions(end store.SessionEnd, sessions ...store.SessionRecord) []store.Event {
	var ended []store.Event
	for _, ses := range sessions {
		s.endSession(ses.ID, end.RevokedUntil)
		ended = append(ended, end.EventFor(ses.UserID, ses.ID))
	}
	if end.Event.Name != "" {
		s.storeEvents(ended)
	}
	return ended
}

// endReplaced ends a session, of any user, if there is one with that id.
func (s *transaction) endReplaced(r store.ReplacedSession) []store.Event {
	previous, ok := s.sessions[r.ID]
	if !ok {
		return nil
	}
	return s.endSessions(r.End, previous)
}

func (s *transaction) endUserSessions(userID string, end store.SessionEnd) []store.Event {
	var own []store.SessionRecord
	for _, ses := range s.sessions {
		if ses.UserID == userID {
			own = append(own, ses)
		}
	}
	return s.endSessions(end, own...)
}
