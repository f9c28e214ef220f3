package usher

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/revocation"
	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/internal/watch"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// newSession returns a session that starts at the current time, and the jti of its
// first refresh token. The session holds only the hash of the jti.
func (s *Service) newSession(userID string, c Client) (store.SessionRecord, string) {
	now := s.now()
	jti := randomString(32)
	session := store.SessionRecord{
		Session: Session{
			ID: randomString(16), UserID: userID, Kind: store.SessionFull, AMR: []string{"pwd"},
			CreatedAt: now, LastSeenAt: now,
			IdleExpiresAt: now.Add(s.cfg.Sessions.Idle),
			ExpiresAt:     now.Add(s.cfg.Sessions.Absolute),
			UserAgent:     logs.Clean(c.UserAgent, 256),
		},
		Refresh: store.RefreshState{Current: hashOf(jti), RotatedAt: now},
	}
	if c.Address.IsValid() {
		session.Address = c.Address.String()
	}
	if c.EndWithBrowser {
		session.EndsWithBrowser = true
		session.ExpiresAt = now.Add(s.cfg.Sessions.BrowserAbsolute)
		session.IdleExpiresAt = earlier(session.IdleExpiresAt, session.ExpiresAt)
	}
	return session, jti
}

// customClaims returns the claims of Config.Claims. Callers call it before they
// write anything, so that its error leaves nothing behind.
func (s *Service) customClaims(ctx context.Context, u User) (claims map[string]any, err error) {
	if s.cfg.Claims == nil {
		return nil, nil
	}
	err = background.Guard(func() error { claims, err = s.cfg.Claims(ctx, u); return err })
	if err != nil {
		return nil, fmt.Errorf("usher: Config.Claims: %w", err)
	}
	for name := range claims {
		if signing.Reserved(name) {
			return nil, fmt.Errorf("usher: Config.Claims returned %q, which is reserved", name)
		}
	}
	return maps.Clone(claims), nil
}

// issueTokens returns the tokens of a session. The times of the refresh token come
// from the session, so that issuing it again returns the same token.
func (s *Service) issueTokens(u User, session store.SessionRecord, jti string, custom map[string]any) (token.Pair, error) {
	now := s.now()
	key, err := s.signingKey(now)
	if err != nil {
		return token.Pair{}, err
	}
	p := token.Pair{
		SessionExpiresAt: earlier(now.Add(s.cfg.Sessions.TokenLifetime), session.IdleExpiresAt),
		RefreshExpiresAt: session.IdleExpiresAt, EndsWithBrowser: session.EndsWithBrowser,
	}
	p.Session, err = s.signSessionToken(key, u, signing.Claims{
		SessionID: session.ID, IssuedAt: now, ExpiresAt: p.SessionExpiresAt,
		AuthTime: session.CreatedAt, AMR: session.AMR, Tenant: session.Tenant, Custom: custom,
	})
	if err != nil {
		return token.Pair{}, err
	}
	p.Refresh, err = signing.Sign(key, signing.Claims{
		Type: token.TypeRefresh, Issuer: s.cfg.Issuer, Audience: s.cfg.ownAudience(),
		Subject: u.ID, SessionID: session.ID, ID: jti,
		IssuedAt: session.Refresh.RotatedAt, ExpiresAt: p.RefreshExpiresAt, AuthTime: session.CreatedAt, AMR: session.AMR,
	})
	if err != nil {
		return token.Pair{}, fmt.Errorf("usher: refresh token: %w", err)
	}
	return p, nil
}

// signSessionToken returns the session token of a user, with the claims that are given
// and those that follow from the user.
func (s *Service) signSessionToken(key *signing.Key, u User, c signing.Claims) (Secret, error) {
	c.Type, c.Issuer, c.Audience = token.TypeSession, s.cfg.Issuer, s.cfg.Audience
	c.Subject, c.ID, c.EmailVerified = u.ID, randomString(16), u.EmailVerified
	c.Roles, c.Permissions, c.Tenants = u.Roles, u.Permissions, u.Tenants
	if !u.InTenant(c.Tenant) {
		c.Tenant = ""
	}
	raw, err := signing.Sign(key, c)
	if err != nil {
		return "", fmt.Errorf("usher: session token: %w", err)
	}
	return raw, nil
}

// childIDs returns the jti of a child of the refresh token with that hash, for each
// secret, newest first. issuedAt is zero for the first child. The ids are derived and
// not random, so that every instance answers a repeated refresh with the same token
// although the store holds only hashes.
func (s *Service) childIDs(sessionID string, parent []byte, issuedAt time.Time) []string {
	parts := [][]byte{[]byte(sessionID), parent}
	if !issuedAt.IsZero() {
		parts = append(parts, strconv.AppendInt(nil, issuedAt.UnixMicro(), 10))
	}
	sums := s.refreshMAC.Sums(parts...)
	all := make([]string, len(sums))
	for i, sum := range sums {
		all[i] = base64.RawURLEncoding.EncodeToString(sum)
	}
	return all
}

// ValidateSession returns the claims of a session token. It checks the signature,
// the times, the issuer, the audience and the type, and that the session was not
// revoked. It does not query the database. The claims are shared between callers:
// copy them with [token.Claims.Clone] before changing them.
//
// Errors: a [*token.Error], which matches [token.ErrInvalid] or
// [token.ErrUnavailable].
func (s *Service) ValidateSession(ctx context.Context, raw Secret) (*token.Claims, error) {
	return s.verifier.ValidateSession(ctx, raw)
}

// WatchSession calls ended when the session of the claims ends: at once if it ends in this
// instance, and within 2 seconds if it ends in another one. Package middleware then
// cancels the requests of the session. stop ends the watch.
func (s *Service) WatchSession(claims *token.Claims, ended func()) (stop func()) {
	return s.verifier.WatchSession(claims, ended)
}

// ValidateReset returns the claims of the token of a reset session
// ([Service.VerifyReset]). Only [Service.UpdatePassword] accepts them.
//
// Errors: a [*token.Error], which matches [token.ErrInvalid] or
// [token.ErrUnavailable].
func (s *Service) ValidateReset(ctx context.Context, raw Secret) (*token.Claims, error) {
	return s.ownVerifier.Verify(ctx, raw, token.TypeReset)
}

// RefreshSession exchanges a refresh token for new tokens. It reads the user again,
// so the session token has the current roles.
//
// A client whose answer was lost repeats the call with the same token, at any time.
// Until one of the new refresh tokens is presented, the repetition returns a further
// one; within [SessionConfig.Grace] it returns the same one. The first of them that is
// presented makes the others, and the exchanged token, invalid. The use of an invalid
// token counts as theft and ends the session.
//
// Errors: [ErrInvalidSession] if the token is not valid, or the session has ended,
// or the user is disabled; the error of [Config.Claims] if the session is live;
// [ErrUnavailable]. After the last two the client may repeat the call with the same token.
func (s *Service) RefreshSession(ctx context.Context, refresh Secret, c Client) (*Authentication, error) {
	return s.swapRefresh(ctx, refresh, c, s.setNext)
}

// setNext sets the hashes of the new token.
func (s *Service) setNext(swap *store.RefreshSwap) {
	swap.Next = swap.Presented
	if !s.cfg.Sessions.KeepRefreshToken {
		swap.Next = hashOf(s.childIDs(swap.SessionID, swap.Presented, time.Time{})[0])
	}
	swap.Again = hashOf(s.childIDs(swap.SessionID, swap.Presented, swap.Now)[0])
}

// SelectTenant makes a tenant of the user the current one of the session, and exchanges the
// refresh token as [Service.RefreshSession] does: a client whose answer was lost repeats
// the call. The session tokens of the session then have the tenant in the claim dct
// ([token.Claims.Tenant]), through every refresh, until another one is selected or the user
// leaves the tenant. An empty id selects none.
//
// Other session tokens of the session keep their tenant until they expire, so a request acts
// in the tenant that its token names.
//
// Errors: [ErrNotInTenant] if the session is live and the user is not in the tenant, which
// changes nothing; otherwise those of RefreshSession.
func (s *Service) SelectTenant(ctx context.Context, refresh Secret, tenantID string, c Client) (*Authentication, error) {
	storable := checkGrants(nil, nil, map[string]token.Tenant{tenantID: {}}) == nil
	a, err := s.swapRefresh(ctx, refresh, c, func(swap *store.RefreshSwap) {
		if !storable {
			return // no user is in it
		}
		s.setNext(swap)
		swap.Tenant = &tenantID
		userID := swap.Swapped.Events[0].UserID
		swap.Swapped.Events = append(swap.Swapped.Events, s.newEvent(EventTenantSelected, userID, swap.SessionID, tenantID, c))
	})
	if err == nil && !storable {
		return nil, ErrNotInTenant
	}
	return a, err
}

// swapRefresh is RefreshSession. setNext sets the hashes of the new token; without
// them the refresh token is validated and not exchanged.
func (s *Service) swapRefresh(ctx context.Context, refresh Secret, c Client, setNext func(*store.RefreshSwap)) (*Authentication, error) {
	claims, err := s.ownVerifier.Verify(ctx, refresh, token.TypeRefresh)
	if err != nil {
		return nil, tokenError(err)
	}
	var custom map[string]any
	var refusal error // of Config.Claims, which is called before anything is written
	if s.cfg.Claims != nil {
		account, err := s.store.Account(ctx, claims.Subject)
		if err != nil {
			return nil, s.sessionEndedError(ctx, err, claims, c)
		}
		custom, refusal = s.customClaims(ctx, account.User)
	}
	now := s.now()
	swap := store.RefreshSwap{
		SessionID: claims.SessionID, Presented: hashOf(claims.ID),
		Now: now, Idle: s.cfg.Sessions.Idle, Grace: s.cfg.Sessions.Grace,
		UserAgent: logs.Clean(c.UserAgent, 256), RevokedUntil: s.revokedUntil(now),
		Swapped: store.Effects{Events: []Event{s.newEvent(EventSessionRenewed, claims.Subject, claims.SessionID, "", c)}},
		Reused: store.Effects{Events: []Event{
			s.newEvent(EventTokenReused, claims.Subject, claims.SessionID, "", c),
			s.newEvent(EventSessionEnded, claims.Subject, claims.SessionID, "token_reused", c),
		}},
	}
	if c.Address.IsValid() {
		swap.Address = c.Address.String()
	}
	if refusal == nil {
		setNext(&swap)
	} // Otherwise the token is validated, because the refusal is for a live session only.
	r, err := s.store.SwapRefresh(ctx, swap)
	if err != nil {
		return nil, s.sessionEndedError(ctx, err, claims, c)
	}
	switch r.Outcome {
	case store.RefreshReused:
		s.revokeLocally(ctx, claims.SessionID)
		s.audit.Notify(ctx, swap.Reused.Events...)
		return nil, ErrInvalidSession
	case store.RefreshNotInTenant:
		s.audit.StoreSampled(ctx, "forbidden "+claims.SessionID, s.newEvent(EventForbidden, claims.Subject, claims.SessionID, "not_in_tenant", c))
		return nil, ErrNotInTenant
	case store.RefreshSwapped:
		s.audit.Notify(ctx, swap.Swapped.Events...)
	}
	if refusal != nil {
		return nil, refusal
	}
	jti := s.issuedID(r, claims.ID)
	if jti == "" {
		return nil, errOtherSecret
	}
	// The time and the methods are those of the presented token: see Reauthenticate.
	proven := r.Session
	if !claims.AuthTime.IsZero() && len(claims.AMR) > 0 {
		proven.CreatedAt, proven.AMR = claims.AuthTime, claims.AMR
	}
	tokens, err := s.issueTokens(r.User, proven, jti, custom)
	if err != nil {
		return nil, err
	}
	return &Authentication{User: r.User, Session: r.Session.Session, Tokens: tokens}, nil
}

// errOtherSecret means that another instance derived a refresh token with a secret that
// this one does not have.
var errOtherSecret = fmt.Errorf("%w: Config.Secret differs between the instances; during a change, add the other one to OldSecrets", ErrUnavailable)

// issuedID returns the jti of the refresh token that the client gets, or "" if it
// cannot be derived. Another instance may have issued the token, with another secret.
func (s *Service) issuedID(r store.RefreshResult, presented string) string {
	state := r.Session.Refresh
	candidates := append([]string{presented}, s.childIDs(r.Session.ID, state.Previous, time.Time{})...)
	candidates = append(candidates, s.childIDs(r.Session.ID, state.Previous, state.RotatedAt)...)
	for _, jti := range candidates {
		if bytes.Equal(hashOf(jti), r.Token) {
			return jti
		}
	}
	return ""
}

// RefreshTokens is [Service.RefreshSession] with the signature that package
// middleware requires.
//
// Errors: those of RefreshSession.
func (s *Service) RefreshTokens(ctx context.Context, refreshToken Secret, address netip.Addr, userAgent string) (token.Pair, error) {
	a, err := s.RefreshSession(ctx, refreshToken, Client{Address: address, UserAgent: userAgent})
	if err != nil {
		return token.Pair{}, err
	}
	return a.Tokens, nil
}

// SessionToken returns a session token for the session of a refresh token, and does not
// exchange the refresh token. Package middleware uses it for a request whose response
// cannot set cookies. An invalid refresh token ends the session, as in RefreshSession.
//
// Errors: those of RefreshSession.
func (s *Service) SessionToken(ctx context.Context, refreshToken Secret, address netip.Addr, userAgent string) (Secret, error) {
	a, err := s.swapRefresh(ctx, refreshToken, Client{Address: address, UserAgent: userAgent}, func(*store.RefreshSwap) {})
	if err != nil {
		return "", err
	}
	return a.Tokens.Session, nil
}

// revokedUntil returns how long a revocation made at now is kept: until every
// session token issued before now has expired, plus revocation.Retention. Another
// instance may have a longer TokenLifetime, so it uses the maximum.
func (s *Service) revokedUntil(now time.Time) time.Time {
	return now.Add(maxTokenLifetime + revocation.Retention)
}

// revokeLocally makes this instance refuse the tokens of ended sessions at once.
// Other instances learn of the end from the store. The request of ctx is not canceled by
// the end of its own session.
func (s *Service) revokeLocally(ctx context.Context, sessions ...string) {
	until := s.revokedUntil(s.now())
	for _, id := range sessions {
		watch.StopSessionWatches(ctx, id)
		s.revocations.Add(id, until)
	}
}

// earlier returns the earlier time.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// signingKey returns the key that signs at now.
func (s *Service) signingKey(now time.Time) (*signing.Key, error) {
	if k := s.keys.SigningKey(now); k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("%w: no signing key", ErrUnavailable)
}
