package storetest

import (
	"cmp"
	"context"
	"crypto/subtle"
	"slices"
	"time"

	"github.com/usherkit/usher"
)

// StartSession implements [usher.SessionStore].
func (m *Memory) StartSession(ctx context.Context, in usher.SessionStart) (ended []string, err error) {
	err = m.do(ctx, in, func(s *step) error {
		a, ok := s.accounts[in.Session.UserID]
		if !ok || a.User.Status != usher.StatusEnabled || a.Password.Version != in.IfPasswordVersion {
			return usher.ErrConflict
		}
		if in.RehashTo != "" && a.Password.Hash == in.RehashFrom {
			a.Password.Hash = in.RehashTo
		}
		a.User.Language = cmp.Or(in.Language, a.User.Language)
		put(s, s.accounts, a.User.ID, a)
		if in.EndSession != "" {
			if _, ok := s.sessions[in.EndSession]; ok {
				s.end(in.EndSession, in.RevokedUntil)
				ended = append(ended, in.EndSession)
			}
		}
		if in.Max > 0 && in.Session.Kind == usher.SessionFull {
			live := s.alive(a.User.ID, in.Session.CreatedAt)
			for _, old := range live[min(len(live), in.Max-1):] {
				s.end(old.ID, in.RevokedUntil)
				ended = append(ended, old.ID)
			}
		}
		if err := s.insertSession(a.User.ID, &in.Session); err != nil {
			return err
		}
		s.clearLimits(in.ClearLimits)
		s.giveBack(in.GiveBack)
		return s.apply(in.Effects)
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// Session implements [usher.SessionStore].
func (m *Memory) Session(ctx context.Context, id string) (out usher.Session, err error) {
	err = m.do(ctx, nil, func(s *step) error {
		found, ok := s.sessions[id]
		if !ok {
			return usher.ErrNotFound
		}
		out = copySession(found)
		return nil
	})
	return out, err
}

// UserSessions implements [usher.SessionStore].
func (m *Memory) UserSessions(ctx context.Context, userID string, now time.Time) (out []usher.Session, err error) {
	err = m.do(ctx, nil, func(s *step) error {
		out = s.alive(userID, now)
		for i := range out {
			out[i] = copySession(out[i])
		}
		return nil
	})
	return out, err
}

// SwapRefresh implements [usher.SessionStore].
func (m *Memory) SwapRefresh(ctx context.Context, in usher.RefreshSwap) (out usher.RefreshResult, err error) {
	err = m.do(ctx, in, func(s *step) error {
		now := when(in.Now)
		ses, ok := s.sessions[in.SessionID]
		if !ok || !livesAt(ses, now) || s.accounts[ses.UserID].User.Status != usher.StatusEnabled {
			return usher.ErrNotFound
		}
		out = usher.RefreshResult{User: copyUser(s.accounts[ses.UserID].User)}
		fx := in.Swapped
		inGrace := now.Before(ses.RotatedAt.Add(in.Grace))
		switch {
		case subtle.ConstantTimeCompare(in.Presented, ses.RefreshHash) == 1:
			out.Outcome = usher.RefreshSwapped
			if subtle.ConstantTimeCompare(in.Presented, in.Next) != 1 {
				ses.PreviousHash, ses.RefreshHash = ses.RefreshHash, in.Next
			} else if !inGrace {
				ses.PreviousHash = nil // else moving RotatedAt would revive it
			}
			ses.LastSeenAt, ses.RotatedAt = now, now
			ses.IdleExpiresAt = now.Add(in.Idle)
			if ses.IdleExpiresAt.After(ses.ExpiresAt) {
				ses.IdleExpiresAt = ses.ExpiresAt
			}
			ses.UserAgent = cmp.Or(in.UserAgent, ses.UserAgent)
			ses.Address = cmp.Or(in.Address, ses.Address)
			put(s, s.sessions, ses.ID, copySession(ses))
		case len(ses.PreviousHash) > 0 && inGrace &&
			subtle.ConstantTimeCompare(in.Presented, ses.PreviousHash) == 1:
			out.Outcome = usher.RefreshReplayed
			fx = usher.Effects{}
		default:
			out.Outcome = usher.RefreshReused
			s.end(ses.ID, in.RevokedUntil)
			fx = in.Reused
		}
		out.Session = copySession(ses)
		return s.apply(fx)
	})
	if err != nil {
		return usher.RefreshResult{}, err
	}
	return out, nil
}

// EndSession implements [usher.SessionStore].
func (m *Memory) EndSession(ctx context.Context, userID, sessionID string, end usher.SessionEnd, fx usher.Effects) error {
	return m.do(ctx, []any{userID, sessionID, fx}, func(s *step) error {
		if ses, ok := s.sessions[sessionID]; !ok || ses.UserID != userID {
			return usher.ErrNotFound
		}
		s.end(sessionID, end.RevokedUntil)
		return s.apply(fx)
	})
}

// EndUserSessions implements [usher.SessionStore].
func (m *Memory) EndUserSessions(ctx context.Context, userID string, end usher.SessionEnd, fx usher.Effects) (ended []string, err error) {
	err = m.do(ctx, []any{userID, end, fx}, func(s *step) error {
		ended = s.endAll(userID, end)
		return s.apply(fx)
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// Revocations implements [usher.SessionStore].
func (m *Memory) Revocations(ctx context.Context, after int64) (out []usher.Revocation, err error) {
	err = m.do(ctx, nil, func(s *step) error {
		for id, r := range s.revocations {
			if id > after {
				out = append(out, r)
			}
		}
		slices.SortFunc(out, func(a, b usher.Revocation) int { return cmp.Compare(a.ID, b.ID) })
		return nil
	})
	return out, err
}

func livesAt(s usher.Session, now time.Time) bool {
	return now.Before(s.IdleExpiresAt) && now.Before(s.ExpiresAt)
}

// alive returns the user's full sessions that live at now, newest first.
func (s *step) alive(userID string, now time.Time) []usher.Session {
	var out []usher.Session
	for _, ses := range s.sessions {
		if ses.UserID == userID && ses.Kind == usher.SessionFull && livesAt(ses, now) {
			out = append(out, ses)
		}
	}
	slices.SortFunc(out, func(a, b usher.Session) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	return out
}

func (s *step) insertSession(userID string, ses *usher.Session) error {
	if ses == nil {
		return nil
	}
	if ses.UserID != userID {
		return errOwner
	}
	return add(s, s.sessions, ses.ID, copySession(*ses))
}

// end removes a session that exists, and says so in a revocation.
func (s *step) end(id string, until time.Time) {
	drop(s, s.sessions, id)
	s.lastRevoked++ // a number lost by a step taken back does no harm
	put(s, s.revocations, s.lastRevoked, usher.Revocation{ID: s.lastRevoked, SessionID: id, Until: when(until)})
}

func (s *step) endAll(userID string, end usher.SessionEnd) []string {
	var ended []string
	for id, ses := range s.sessions {
		if ses.UserID == userID && id != end.Except {
			ended = append(ended, id)
		}
	}
	for _, id := range ended {
		s.end(id, end.RevokedUntil)
	}
	return ended
}
