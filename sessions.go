package usher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher/internal/watch"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// Me returns the user and the session of the claims, as the store has them.
//
// Errors: [ErrInvalidSession]; [ErrForbidden] in a reset session; [ErrUnavailable].
func (s *Service) Me(ctx context.Context, claims *token.Claims) (User, Session, error) {
	account, session, err := s.userSession(ctx, claims)
	return account.User, session.Session, err
}

// CurrentClaims returns a copy of the claims of a session token with the roles,
// permissions, tenants and the verified address that the user has now. Package
// middleware calls it before it refuses a user.
//
// Errors: [ErrInvalidSession] if the session has ended; [ErrUnavailable].
func (s *Service) CurrentClaims(ctx context.Context, claims *token.Claims) (*token.Claims, error) {
	account, _, err := s.userSession(ctx, claims)
	if err != nil {
		return nil, err
	}
	u, current := account.User, claims.Clone()
	current.EmailVerified, current.Roles, current.Permissions, current.Tenants = u.EmailVerified, u.Roles, u.Permissions, u.Tenants
	if !u.InTenant(current.Tenant) {
		current.Tenant = ""
	}
	return &current, nil
}

// ReissueSessionToken returns a session token that differs from the one of the claims in
// what has changed for the user, such as the verified address. It expires at the same time,
// and the refresh token does not change. It does not read the store.
//
// Errors: [ErrInvalidSession] if the claims are not those of the user; [ErrForbidden] in a
// session of [Operator.Impersonate]; the error of [Config.Claims]; [ErrUnavailable].
func (s *Service) ReissueSessionToken(ctx context.Context, claims *token.Claims, u User) (Secret, error) {
	if claims == nil || claims.Type != token.TypeSession || claims.Subject != u.ID {
		return "", ErrInvalidSession
	}
	if claims.Actor != "" {
		return "", ErrForbidden
	}
	custom, err := s.customClaims(ctx, u)
	if err != nil {
		return "", err
	}
	session := store.SessionRecord{
		Session: Session{
			ID: claims.SessionID, CreatedAt: claims.AuthTime, AMR: claims.AMR, IdleExpiresAt: claims.ExpiresAt, Tenant: claims.Tenant,
		},
		Refresh: store.RefreshState{RotatedAt: s.now()},
	}
	tokens, err := s.issueTokens(u, session, randomString(32), custom)
	return tokens.Session, err
}

// Sessions returns the user's live sessions, newest first.
//
// Errors: [ErrInvalidSession]; [ErrForbidden] in a reset session or one
// of [Operator.Impersonate]; [ErrUnavailable].
func (s *Service) Sessions(ctx context.Context, claims *token.Claims) ([]Session, error) {
	if _, _, err := s.fullSession(ctx, claims); err != nil {
		return nil, err
	}
	list, err := s.store.UserSessions(ctx, claims.Subject, s.now())
	return list, s.storeError(err)
}

// SignInRecord is a sign-in of a user, from the audit table.
type SignInRecord struct {
	UserID, SessionID string
	At                time.Time
	// Address and UserAgent are those of the client, and may be empty.
	Address, UserAgent string
	// Methods are the authentication methods: "pwd" for the password, "email" for an emailed
	// link, and those of a [Proof].
	Methods []string
	// Tenant is the tenant that the user has selected in the session, and empty if the
	// session has ended.
	Tenant string
}

const (
	// proofReason begins the reason of an EventSessionCreated with the methods of a Proof.
	proofReason = "proof "
	// maxSignIns is the maximum number of sign-ins of one user in a history, and
	// maxHistoryUsers the maximum number of users.
	maxSignIns, maxHistoryUsers = 100, 100
)

// SignInHistory returns the user's last sign-ins, newest first, at most limit of them and
// at most 100. It has those that the audit table keeps ([Config.EventRetention]).
//
// Errors: [ErrInvalidSession]; [ErrForbidden] in a reset session or one of
// [Operator.Impersonate]; [ErrUnavailable].
func (s *Service) SignInHistory(ctx context.Context, claims *token.Claims, limit int) ([]SignInRecord, error) {
	if _, _, err := s.fullSession(ctx, claims); err != nil {
		return nil, err
	}
	return s.signInHistory(ctx, []string{claims.Subject}, limit)
}

// SignInHistory is [Service.SignInHistory] for up to 100 users, newest first. An unknown id
// has no sign-ins. The sign-ins of a deleted user are kept as long as other events.
//
// Errors: a [*FieldError] for more than 100 users; [ErrUnavailable].
func (o *Operator) SignInHistory(ctx context.Context, userIDs []string, limit int) ([]SignInRecord, error) {
	userIDs = slices.Compact(slices.Sorted(slices.Values(userIDs)))
	if len(userIDs) > maxHistoryUsers {
		return nil, &FieldError{"userIds", "too_long", "must be at most 100 ids"}
	}
	if slices.ContainsFunc(userIDs, func(id string) bool { return checkGrants([]string{id}, nil, nil) != nil }) {
		return nil, &FieldError{"userIds", "invalid", "must be UTF-8 text without control characters"}
	}
	return o.s.signInHistory(ctx, userIDs, limit)
}

func (s *Service) signInHistory(ctx context.Context, userIDs []string, limit int) ([]SignInRecord, error) {
	list, err := s.store.SignIns(ctx, userIDs, min(max(limit, 1), maxSignIns))
	if err != nil {
		return nil, s.storeError(err)
	}
	out := make([]SignInRecord, len(list))
	for i, e := range list {
		methods := []string{"pwd"}
		if of, proof := strings.CutPrefix(e.Reason, proofReason); proof {
			methods = strings.Fields(of)
		} else if e.Reason != "" { // a link: "reset" or "invitation"
			methods = []string{"email"}
		}
		out[i] = SignInRecord{
			UserID: e.UserID, SessionID: e.SessionID, At: e.At, Address: e.Address, UserAgent: e.UserAgent, Methods: methods, Tenant: e.Tenant,
		}
	}
	return out, nil
}

// RevokeSession ends one of the user's sessions.
//
// Errors: [ErrInvalidSession]; [ErrForbidden] in a reset session or one of
// [Operator.Impersonate]; [ErrNotFound] if the user has no such session; [ErrUnavailable].
func (s *Service) RevokeSession(ctx context.Context, claims *token.Claims, sessionID string, c Client) error {
	if _, _, err := s.fullSession(ctx, claims); err != nil {
		return err
	}
	return s.endSession(ctx, claims.Subject, sessionID, "revoked", c)
}

// SignOut ends the session of the claims, which come from a session token or a
// refresh token. It returns nil if the session has ended already or claims is nil.
//
// Errors: [ErrUnavailable].
func (s *Service) SignOut(ctx context.Context, claims *token.Claims, c Client) error {
	if claims == nil {
		return nil
	}
	c = c.actingBy(claims)
	signOut := s.newEvent(EventSignOut, claims.Subject, claims.SessionID, "", c)
	err := s.endSession(ctx, claims.Subject, claims.SessionID, "signed_out", c, signOut)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// SignOutEverywhere ends all sessions of the user, including the caller's.
//
// Errors: [ErrInvalidSession]; [ErrForbidden] in a reset session or one
// of [Operator.Impersonate]; [ErrUnavailable].
func (s *Service) SignOutEverywhere(ctx context.Context, claims *token.Claims, c Client) error {
	if _, _, err := s.fullSession(ctx, claims); err != nil {
		return err
	}
	return s.endUserSessions(ctx, claims.Subject, s.newEvent(EventSignOut, claims.Subject, claims.SessionID, "everywhere", c), c)
}

// ValidateRefresh returns the claims of a refresh token without exchanging it. It
// does not check that the session is live.
//
// Errors: [ErrInvalidSession]; [ErrUnavailable].
func (s *Service) ValidateRefresh(ctx context.Context, refresh Secret) (*token.Claims, error) {
	claims, err := s.ownVerifier.Verify(ctx, refresh, token.TypeRefresh)
	if err != nil {
		return nil, tokenError(err)
	}
	return claims, nil
}

// fullSession reads the account and the session of verified claims. Methods that
// change something use it, because a token can outlive its session. A reset session, or
// one of Operator.Impersonate, is ErrForbidden.
func (s *Service) fullSession(ctx context.Context, claims *token.Claims) (store.Account, store.SessionRecord, error) {
	if err := s.refuseActor(ctx, claims); err != nil {
		return store.Account{}, store.SessionRecord{}, err
	}
	return s.userSession(ctx, claims)
}

// userSession is fullSession for sessions of Operator.Impersonate too.
func (s *Service) userSession(ctx context.Context, claims *token.Claims) (store.Account, store.SessionRecord, error) {
	if claims != nil && claims.Type == token.TypeReset {
		return store.Account{}, store.SessionRecord{}, ErrForbidden
	}
	return s.liveSession(ctx, claims)
}

// liveSession is userSession for reset sessions too. It reads the account before
// the session, so that a change of the password between the two reads is always
// detected: it has ended the session, or the caller's own change fails because it
// names the earlier version.
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
	switch {
	case claims.Type == token.TypeReset:
		want = store.SessionReset
	case claims.Actor != "":
		want = store.SessionImpersonated
	}
	if session.UserID != claims.Subject || session.Kind != want ||
		!now.Before(session.ExpiresAt) || !now.Before(session.IdleExpiresAt) ||
		account.User.Status != StatusEnabled {
		return store.Account{}, store.SessionRecord{}, ErrInvalidSession
	}
	// Methods that do not exchange a refresh token refuse an exchanged one too (RFC 9700
	// §4.14.2).
	if claims.Type == token.TypeRefresh && !session.Refresh.Validates(hashOf(claims.ID), now, s.cfg.Sessions.Grace) {
		return store.Account{}, store.SessionRecord{}, s.sessionEndedError(ctx, ErrNotFound, claims, Client{})
	}
	return account, session, nil
}

// sessionEnd says how sessions end early: until when they stay revoked, and the event
// of each of them.
func (s *Service) sessionEnd(reason string, c Client) *store.SessionEnd {
	return &store.SessionEnd{
		RevokedUntil: s.revokedUntil(s.now()),
		Event:        s.newEvent(EventSessionEnded, "", "", reason, c),
	}
}

// afterSessionsEnded follows a transaction that ended sessions and stored their events
// after the events in cause.
func (s *Service) afterSessionsEnded(ctx context.Context, ended []Event, cause ...Event) {
	for _, e := range ended {
		s.revokeLocally(ctx, e.SessionID)
	}
	s.audit.Notify(ctx, cause...)
	s.audit.Notify(ctx, ended...)
}

// endSession ends one session in the store and in this instance. Its event follows the
// events in cause.
func (s *Service) endSession(ctx context.Context, userID, sessionID, reason string, c Client, cause ...Event) error {
	if !isStorable(sessionID) {
		return ErrNotFound
	}
	watch.StopSessionWatches(ctx, sessionID)
	end := *s.sessionEnd(reason, c)
	ended := []Event{end.EventFor(userID, sessionID)}
	effects := store.Effects{Events: slices.Concat(cause, ended)}
	if err := s.store.EndSession(ctx, userID, sessionID, end, effects); err != nil {
		return s.storeError(err)
	}
	s.afterSessionsEnded(ctx, ended, cause...)
	return nil
}

// replacedSession is the session that the request already had. It ends in the
// transaction that gives the client another session, so that an attacker who planted it
// does not share the new one, even if the client does not wait for the answer. The end of
// that session does not cancel the request.
func (s *Service) replacedSession(ctx context.Context, c Client) store.ReplacedSession {
	watch.StopSessionWatches(ctx, c.SessionID)
	c.actor = cmp.Or(c.SessionActor, c.actor)
	return store.ReplacedSession{ID: c.SessionID, End: *s.sessionEnd("replaced", c)}
}

// endUserSessions ends all sessions of a user in the store and in this instance.
func (s *Service) endUserSessions(ctx context.Context, userID string, signOut Event, c Client) error {
	watch.StopUserWatches(ctx, userID)
	effects := store.Effects{Events: []Event{signOut}}
	ended, err := s.store.EndUserSessions(ctx, userID, *s.sessionEnd("signed_out", c), effects)
	if err != nil {
		return s.storeError(err)
	}
	s.afterSessionsEnded(ctx, ended, signOut)
	return nil
}

// userGoneError returns ErrInvalidSession for a user who was deleted after the session
// was read, and every other error as it is.
func userGoneError(err error) error {
	if errors.Is(err, ErrNotFound) {
		return ErrInvalidSession
	}
	return err
}

// sessionEndedError returns ErrInvalidSession for a valid token whose session or
// user the store does not have, and ErrUnavailable if err is an outage.
func (s *Service) sessionEndedError(ctx context.Context, err error, claims *token.Claims, c Client) error {
	if !errors.Is(err, ErrNotFound) {
		return s.storeError(err)
	}
	s.audit.Notify(ctx, s.newEvent(EventTokenRefused, claims.Subject, claims.SessionID, "session_ended", c.actingBy(claims)))
	return ErrInvalidSession
}

// tokenError returns an error of the verifier as ErrInvalidSession or
// ErrUnavailable.
func tokenError(err error) error {
	if errors.Is(err, token.ErrUnavailable) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", ErrInvalidSession, err)
}

// SessionConfig holds the lifetimes of sessions and tokens. A zero field means its
// default.
type SessionConfig struct {
	// TokenLifetime is how long a session token is valid. A program that validates
	// with the JWK Set alone accepts the token of an ended session for that long.
	// Defaults to 10 minutes; from 10 seconds to 60 minutes.
	TokenLifetime time.Duration
	// Idle ends a session that is not refreshed for that long. Defaults to 14 days,
	// and is at most Absolute.
	Idle time.Duration
	// Absolute ends a session that long after the password was checked. Defaults to 30
	// days, or to 24 hours with KeepRefreshToken; from 1 minute to 366 days.
	Absolute time.Duration
	// BrowserAbsolute is Absolute for sessions that end with the browser
	// ([Client.EndWithBrowser]), because a browser that restores its windows keeps their
	// cookies. Defaults to 24 hours, and is at most Absolute.
	BrowserAbsolute time.Duration
	// Grace is how long an exchanged refresh token still returns the newest token of
	// the session, for tabs that refresh together. After that time it returns a
	// further one, or ends the session if its successor was used; see
	// [Service.RefreshSession]. Defaults to 10 seconds; at most 60 seconds.
	Grace time.Duration
	// KeepRefreshToken switches off the rotation of refresh tokens, for clients that
	// cannot store a new one. A stolen refresh token is then valid until the session
	// ends. Defaults to false.
	KeepRefreshToken bool
	// Recent is the maximum age of a sign-in that may change the password without the
	// current one. Defaults to 5 minutes; from 1 second to 24 hours.
	Recent time.Duration
	// Max is how many sessions a user may have. A further sign-in ends the oldest one.
	// Defaults to 100; at most 10,000.
	Max int
}

func (c SessionConfig) complete() SessionConfig {
	absolute := 30 * 24 * time.Hour
	if c.KeepRefreshToken {
		absolute = 24 * time.Hour
	}
	c.TokenLifetime = cmp.Or(c.TokenLifetime, 10*time.Minute)
	c.Absolute = cmp.Or(c.Absolute, absolute)
	c.Idle = min(cmp.Or(c.Idle, 14*24*time.Hour), c.Absolute)
	c.BrowserAbsolute = cmp.Or(c.BrowserAbsolute, min(24*time.Hour, c.Absolute))
	c.Grace = cmp.Or(c.Grace, 10*time.Second)
	c.Recent = cmp.Or(c.Recent, 5*time.Minute)
	c.Max = cmp.Or(c.Max, 100)
	return c
}
