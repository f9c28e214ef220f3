package usher

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/revocation"
	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// newSession returns a session that begins now, and the jti of its first
// refresh token, of which the session holds only the hash.
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
	return session, jti
}

// customClaims asks the program for its claims. It runs before anything is
// written, so that its failure leaves nothing behind.
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

// issue makes the tokens of a session. The refresh token was issued at
// session.Refresh.RotatedAt: making it again gives the same bytes.
func (s *Service) issueTokens(u User, session store.SessionRecord, jti string, custom map[string]any) (token.Pair, error) {
	now := s.now()
	key, err := s.signingKey(now)
	if err != nil {
		return token.Pair{}, err
	}
	p := token.Pair{
		SessionExpiresAt: earliest(now.Add(s.cfg.Sessions.TokenLifetime), session.ExpiresAt),
		RefreshExpiresAt: session.IdleExpiresAt,
	}
	p.Session, err = signing.Sign(key, signing.Claims{
		Type: token.TypeSession, Issuer: s.cfg.BaseURL, Audience: s.cfg.Audience,
		Subject: u.ID, SessionID: session.ID, ID: randomString(16),
		IssuedAt: now, ExpiresAt: p.SessionExpiresAt, AuthTime: session.CreatedAt, AMR: session.AMR,
		EmailVerified: u.EmailVerified, Roles: u.Roles, Permissions: u.Permissions, Tenants: u.Tenants,
		Custom: custom,
	})
	if err != nil {
		return token.Pair{}, fmt.Errorf("usher: session token: %w", err)
	}
	p.Refresh, err = signing.Sign(key, signing.Claims{
		Type: token.TypeRefresh, Issuer: s.cfg.BaseURL, Audience: s.cfg.Audience,
		Subject: u.ID, SessionID: session.ID, ID: jti,
		IssuedAt: session.Refresh.RotatedAt, ExpiresAt: p.RefreshExpiresAt, AuthTime: session.CreatedAt,
	})
	if err != nil {
		return token.Pair{}, fmt.Errorf("usher: refresh token: %w", err)
	}
	return p, nil
}

// successors returns the jti that follows the refresh token of that hash, for
// each secret, newest first. It is derived instead of drawn, so that every
// machine answers a repeated refresh with the same successor although the
// store holds nothing but hashes.
func (s *Service) successorIDs(sessionID string, presented []byte) []string {
	sums := s.refreshMAC.Sums([]byte(sessionID), presented)
	all := make([]string, len(sums))
	for i, sum := range sums {
		all[i] = base64.RawURLEncoding.EncodeToString(sum)
	}
	return all
}

// ValidateSession returns the claims of a session token that is valid here and
// now: signature, times, issuer, audience and type hold, and its session has
// not ended early. It asks no database. The claims are shared: copy them with
// [token.Claims.Clone] before changing them. The error is a [*token.Error].
func (s *Service) ValidateSession(ctx context.Context, raw string) (*token.Claims, error) {
	return s.verifier.ValidateSession(ctx, raw)
}

// ValidateReset returns the claims of the token of a reset session, which
// serves one [Service.UpdatePassword] and nothing else.
func (s *Service) ValidateReset(ctx context.Context, raw string) (*token.Claims, error) {
	return s.verifier.Verify(ctx, raw, token.TypeReset)
}

// RefreshSession exchanges a refresh token for new tokens. The user is read
// again, so roles and state are those of now. The token before the one in use
// gives the same successor within the grace time; an older one is taken for
// stolen and ends the session. ErrInvalidSession if the token or its session
// is not valid any more; ErrUnavailable changed nothing and may be tried again
// with the same token.
func (s *Service) RefreshSession(ctx context.Context, refresh Secret, c Client) (*Authentication, error) {
	claims, err := s.verifier.Verify(ctx, refresh.Reveal(), token.TypeRefresh)
	if err != nil {
		return nil, tokenError(err)
	}
	custom, err := s.claimsBeforeRefresh(ctx, claims, c)
	if err != nil {
		return nil, err
	}
	now, presented := s.now(), hashOf(claims.ID)
	next := s.successorIDs(claims.SessionID, presented)
	swap := store.RefreshSwap{
		SessionID: claims.SessionID, Presented: presented, Next: hashOf(next[0]),
		Now: now, Idle: s.cfg.Sessions.Idle, Grace: s.cfg.Sessions.Grace,
		UserAgent: logs.Clean(c.UserAgent, 256), RevokedUntil: s.revokedUntil(now),
		Swapped: store.Effects{Events: []Event{s.newEvent(EventSessionRenewed, claims.Subject, claims.SessionID, "", c)}},
		Reused:  store.Effects{Events: []Event{s.newEvent(EventTokenReused, claims.Subject, claims.SessionID, "", c)}},
	}
	if c.Address.IsValid() {
		swap.Address = c.Address.String()
	}
	if s.cfg.Sessions.KeepRefreshToken {
		swap.Next, next = presented, []string{claims.ID}
	}
	r, err := s.store.SwapRefresh(ctx, swap)
	if err != nil {
		return nil, s.sessionEndedError(ctx, err, claims, c)
	}
	switch r.Outcome {
	case store.RefreshReused:
		s.revokeLocally(claims.SessionID)
		s.audit.Notify(ctx, swap.Reused.Events...)
		return nil, ErrInvalidSession
	case store.RefreshSwapped:
		s.audit.Notify(ctx, swap.Swapped.Events...)
	}
	for _, jti := range next {
		if bytes.Equal(hashOf(jti), r.Session.Refresh.Current) {
			tokens, err := s.issueTokens(r.User, r.Session, jti, custom)
			if err != nil {
				return nil, err
			}
			return &Authentication{User: r.User, Session: r.Session.Session, Tokens: tokens}, nil
		}
	}
	// The successor was made under a secret that this process does not know.
	return nil, fmt.Errorf("%w: the secrets of the machines differ", ErrUnavailable)
}

// claimsBeforeRefresh asks the program for its claims while nothing is written yet.
// Only for them the user is read beforehand: the swap reads it anyway.
func (s *Service) claimsBeforeRefresh(ctx context.Context, claims *token.Claims, c Client) (map[string]any, error) {
	if s.cfg.Claims == nil {
		return nil, nil
	}
	account, err := s.store.Account(ctx, claims.Subject)
	if err != nil {
		return nil, s.sessionEndedError(ctx, err, claims, c)
	}
	return s.customClaims(ctx, account.User)
}

// RefreshTokens is [Service.RefreshSession] in the shape that package
// middleware asks for.
func (s *Service) RefreshTokens(ctx context.Context, refreshToken string, address netip.Addr, userAgent string) (token.Pair, error) {
	a, err := s.RefreshSession(ctx, Secret(refreshToken), Client{Address: address, UserAgent: userAgent})
	if err != nil {
		return token.Pair{}, err
	}
	return a.Tokens, nil
}

// revokedUntil is when the last session token made until now is out. It may come
// from a machine, or from before a restart, with another TokenLifetime: the longest
// that there can be counts.
func (s *Service) revokedUntil(now time.Time) time.Time {
	return now.Add(maxTokenLifetime + revocation.Retention)
}

// ended makes the end of sessions hold in this process at once; the store has
// it already for the others.
func (s *Service) revokeLocally(sessions ...string) {
	until := s.revokedUntil(s.now())
	for _, id := range sessions {
		s.revocations.Add(id, until)
	}
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// signingKey returns the key that signs now.
func (s *Service) signingKey(now time.Time) (*signing.Key, error) {
	if k := s.keys.SigningKey(now); k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("%w: no signing key", ErrUnavailable)
}
