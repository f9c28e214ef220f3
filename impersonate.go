package usher

import (
	"context"
	"time"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// impersonationLifetime is how long a session of Operator.Impersonate lasts.
const impersonationLifetime = 15 * time.Minute

// Impersonate starts a session in which the operator acts as the user. It lasts 15 minutes
// and cannot be refreshed: the result has a session token and no refresh token. The token
// has the rights of the user, names the operator (claim act, RFC 8693 §4.1), and has no
// auth_time, so every check for a recent sign-in refuses it. [token.Claims.Actor] and
// middleware.Actor return the name of the operator, and every event that the session causes
// has it.
//
// The session may read the user and change the profile. Everything that concerns the
// password, the address and the other sessions of the user is [ErrForbidden]. It does not
// count in [SessionConfig.Max], ends no session, and is not in the results of
// [Service.Sessions] and [Operator.Sessions]. [Operator.EndSession] with the Session.ID of
// the result ends it, and so does everything that ends all sessions of the user.
//
// The program must check which operator may act as which user. Otherwise an operator who
// acts as an administrator has the rights of one. Finish of package handlers delivers the
// result: with cookies in a cookie beside the session of the operator, which goes on, and
// otherwise as a bearer token. It uses only the Address, UserAgent and RequestID of the
// client.
//
// Errors: [ErrNotFound]; [ErrUserDisabled]; with [Config.ConfirmFirst] also
// [ErrEmailNotVerified]; [ErrConflict] if the password was changed or the user was disabled
// at the same moment; the error of [Config.Claims]; [ErrUnavailable].
func (o *Operator) Impersonate(ctx context.Context, userID string, c Client) (*Authentication, error) {
	s := o.s
	account, err := s.store.Account(ctx, userID)
	if err != nil {
		return nil, s.storeError(err)
	}
	u := account.User
	switch {
	case u.Status != StatusEnabled:
		return nil, ErrUserDisabled
	case s.needsConfirmation(u):
		return nil, ErrEmailNotVerified
	}
	custom, err := s.customClaims(ctx, u)
	if err != nil {
		return nil, err
	}
	c.actor = o.client.actor
	session, _ := s.newSession(u.ID, c)
	session.Kind, session.AMR = store.SessionImpersonated, nil
	session.ExpiresAt = session.CreatedAt.Add(impersonationLifetime)
	session.IdleExpiresAt = session.ExpiresAt
	key, err := s.signingKey(session.CreatedAt)
	if err != nil {
		return nil, err
	}
	raw, err := s.signSessionToken(key, u, signing.Claims{
		SessionID: session.ID, IssuedAt: session.CreatedAt, ExpiresAt: session.ExpiresAt, Actor: c.actor, Custom: custom,
	})
	if err != nil {
		return nil, err
	}
	created := s.newEvent(EventSessionCreated, u.ID, session.ID, "impersonated", c)
	if _, err := s.store.StartSession(ctx, store.SessionStart{
		Session: session, IfPasswordVersion: account.Password.Version, Effects: store.Effects{Events: []Event{created}},
	}); err != nil {
		return nil, s.storeError(err)
	}
	s.audit.Notify(ctx, created)
	tokens := token.Pair{Session: raw, SessionExpiresAt: session.ExpiresAt}
	return &Authentication{User: u, Session: session.Session, Tokens: tokens}, nil
}

// refuseActor returns ErrForbidden if an operator acts as the user of the claims, and
// records it.
func (s *Service) refuseActor(ctx context.Context, claims *token.Claims) error {
	if claims == nil || claims.Actor == "" {
		return nil
	}
	c := Client{}.actingBy(claims)
	s.audit.StoreSampled(ctx, "forbidden "+claims.SessionID, s.newEvent(EventForbidden, claims.Subject, claims.SessionID, "impersonated", c))
	return ErrForbidden
}
