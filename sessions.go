package usher

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// invalidSession says that a token was refused, or that it could not be judged.
func tokenError(err error) error {
	if errors.Is(err, token.ErrUnavailable) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", ErrInvalidSession, err)
}

// sessionGone is the answer to a valid token whose session or user the store
// does not have any more.
func (s *Service) sessionEndedError(ctx context.Context, err error, claims *token.Claims, c Client) error {
	if !errors.Is(err, ErrNotFound) {
		return s.storeError(err)
	}
	s.audit.Notify(ctx, s.newEvent(EventTokenRefused, claims.Subject, claims.SessionID, "session_ended", c))
	return ErrInvalidSession
}

// Me returns the user and the session that the claims speak of, as they are
// now. ErrInvalidSession if the session has ended.
func (s *Service) Me(ctx context.Context, claims *token.Claims) (User, Session, error) {
	account, session, err := s.fullSession(ctx, claims)
	return account.User, session.Session, err
}

// signedIn reads the account and the session behind verified claims: what
// changes something rests on the store, not on the token alone. A reset session
// is ErrForbidden.
func (s *Service) fullSession(ctx context.Context, claims *token.Claims) (store.Account, store.SessionRecord, error) {
	if claims != nil && claims.Type == token.TypeReset {
		return store.Account{}, store.SessionRecord{}, ErrForbidden
	}
	return s.liveSession(ctx, claims)
}

// inSession is signedIn for reset sessions too. The account is read before the
// session: a change of password in between ends the session or moves the version
// that the caller's own change rests on, and so never goes unseen.
func (s *Service) liveSession(ctx context.Context, claims *token.Claims) (store.Account, store.SessionRecord, error) {
	if claims == nil {
		return store.Account{}, store.SessionRecord{}, ErrInvalidSession
	}
	account, err := s.store.Account(ctx, claims.Subject)
	if err != nil {
		return store.Account{}, store.SessionRecord{}, s.sessionEndedError(ctx, err, claims, Client{})
	}
	session, err := s.store.Session(ctx, claims.SessionID)
	if err != nil {
		return store.Account{}, store.SessionRecord{}, s.sessionEndedError(ctx, err, claims, Client{})
	}
	now := s.now()
	want := store.SessionFull
	if claims.Type == token.TypeReset {
		want = store.SessionReset
	}
	if session.UserID != claims.Subject || session.Kind != want ||
		!now.Before(session.ExpiresAt) || !now.Before(session.IdleExpiresAt) ||
		account.User.Status != StatusEnabled {
		return store.Account{}, store.SessionRecord{}, ErrInvalidSession
	}
	if claims.Type == token.TypeRefresh && !s.servesRefreshToken(session.Refresh, claims.ID, now) {
		return store.Account{}, store.SessionRecord{}, s.sessionEndedError(ctx, ErrNotFound, claims, Client{})
	}
	return account, session, nil
}

// serves reports whether the refresh token of that id is the one in use, or the
// one before it within the grace time. An older one opens nothing, also where it
// is not exchanged (RFC 9700 §4.14.2).
func (s *Service) servesRefreshToken(r store.RefreshState, jti string, now time.Time) bool {
	hash := hashOf(jti)
	return subtle.ConstantTimeCompare(hash, r.Current) == 1 ||
		subtle.ConstantTimeCompare(hash, r.Previous) == 1 && now.Before(r.RotatedAt.Add(s.cfg.Sessions.Grace))
}

// Sessions returns the user's sessions, newest first.
func (s *Service) Sessions(ctx context.Context, claims *token.Claims) ([]Session, error) {
	if _, _, err := s.fullSession(ctx, claims); err != nil {
		return nil, err
	}
	list, err := s.store.UserSessions(ctx, claims.Subject, s.now())
	return list, s.storeError(err)
}

// RevokeSession ends one of the user's sessions. ErrNotFound if the user has
// no such session.
func (s *Service) RevokeSession(ctx context.Context, claims *token.Claims, sessionID string, c Client) error {
	if _, _, err := s.fullSession(ctx, claims); err != nil {
		return err
	}
	return s.endSession(ctx, claims.Subject, sessionID, s.newEvent(EventSessionEnded, claims.Subject, sessionID, "revoked", c))
}

// SignOut ends the session of the claims, which may be those of a session
// token or of a refresh token. A session that has ended already is not an
// error.
func (s *Service) SignOut(ctx context.Context, claims *token.Claims, c Client) error {
	if claims == nil {
		return nil
	}
	err := s.endSession(ctx, claims.Subject, claims.SessionID, s.newEvent(EventSignOut, claims.Subject, claims.SessionID, "", c))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// ValidateRefresh returns the claims of a refresh token without exchanging it.
// That its session is alive is not said.
func (s *Service) ValidateRefresh(ctx context.Context, refresh Secret) (*token.Claims, error) {
	claims, err := s.verifier.Verify(ctx, refresh.Reveal(), token.TypeRefresh)
	if err != nil {
		return nil, tokenError(err)
	}
	return claims, nil
}

// endPlanted ends the session that a sign-up, a replacement or a reset came
// along with: no session survives a change of hands.
func (s *Service) endPreviousSession(ctx context.Context, c Client) {
	if c.SessionID == "" {
		return
	}
	session, err := s.store.Session(ctx, c.SessionID)
	if err == nil {
		err = s.endSession(ctx, session.UserID, session.ID, s.newEvent(EventSessionEnded, session.UserID, session.ID, "replaced", c))
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		s.cfg.Logger.Warn("usher: the session that the request came with could not be ended", "error", err)
	}
}

func (s *Service) endSession(ctx context.Context, userID, sessionID string, e Event) error {
	end := store.SessionEnd{RevokedUntil: s.revokedUntil(s.now())}
	if err := s.store.EndSession(ctx, userID, sessionID, end, store.Effects{Events: []Event{e}}); err != nil {
		return s.storeError(err)
	}
	s.revokeLocally(sessionID)
	s.audit.Notify(ctx, e)
	return nil
}

// SignOutEverywhere ends all sessions of the user, this one too.
func (s *Service) SignOutEverywhere(ctx context.Context, claims *token.Claims, c Client) error {
	if _, _, err := s.fullSession(ctx, claims); err != nil {
		return err
	}
	return s.endUserSessions(ctx, claims.Subject, s.newEvent(EventSignOut, claims.Subject, claims.SessionID, "everywhere", c))
}

func (s *Service) endUserSessions(ctx context.Context, userID string, e Event) error {
	end := store.SessionEnd{RevokedUntil: s.revokedUntil(s.now())}
	ids, err := s.store.EndUserSessions(ctx, userID, end, store.Effects{Events: []Event{e}})
	if err != nil {
		return s.storeError(err)
	}
	s.revokeLocally(ids...)
	s.audit.Notify(ctx, e)
	return nil
}

// maxProfileText is the most of a profile field in bytes.
const maxProfileText = 256
