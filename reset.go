package usher

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/internal/weburl"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// SendPasswordReset is what anyone may give to ask for a reset.
type SendPasswordResetParams struct {
	// LoginID names the user. Required.
	LoginID string
	// RedirectURL is where the mailed link leads instead of the kit's page; it
	// must be allowed by [Config.Redirects]. Defaults to the page.
	RedirectURL string
	// Parameter is the name under which RedirectURL gets the token. Defaults
	// to "token".
	Parameter string
}

// ResetPassword is what the holder of a mailed link gives.
type ResetPasswordParams struct {
	// Token is the link's. Required.
	Token Secret
	// NewPassword is the chosen password. Required.
	NewPassword Secret
}

// maxOpenTokens is how many mailed links of one purpose a user may have open. A
// reset can be asked for by anyone, so that its links die by age only, or whoever
// asks could void the owner's. Others are asked for by who is signed in: there the
// newest is always good, and the oldest goes.
const maxOpenTokens = 3

// SendPasswordReset mails a link to the address stored with the account. It
// answers alike, after alike work, whoever asks about whomever: nil says
// nothing. Only malformed input, a redirect that is not allowed and too many
// requests of one network are errors. Nothing changes by asking: passwords,
// sessions and locks stay.
//
// A verified address gets a link to a new password. An unverified one gets a
// link that proves the mailbox as well, and that drops what an earlier holder
// of the account had set. A disabled user gets nothing.
func (s *Service) SendPasswordReset(ctx context.Context, in SendPasswordResetParams, c Client) error {
	canonical, badID := canonicalLoginID(in.LoginID, s.cfg.UnicodeLoginIDs)
	link := resetLink{in.RedirectURL, in.Parameter}
	_, badLink := s.resetURL(link, "x")
	if err := inputErrors(badID, badLink); err != nil {
		return err
	}
	if _, err := s.takeOrRefuse(ctx, c, s.hourlyLimit(limitResetRequests, s.cfg.Limits.ResetRequests, networkOf(c))); err != nil {
		return err
	}
	account, err := s.store.AccountByLoginID(ctx, canonical)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return s.storeError(err)
	}
	u := account.User
	event := s.newEvent(EventResetRequested, u.ID, "", "", c)
	switch {
	case u.ID == "":
		event.Reason = "unknown_login_id"
	case u.Status != StatusEnabled:
		event.Reason = "disabled"
	case u.Email == "":
		event.Reason = "no_address"
	default:
		return s.sendReset(ctx, account, link, store.Effects{Events: []Event{event}}, c)
	}
	if err := s.countDummyEmail(ctx, canonical, c); err != nil {
		return err
	}
	s.audit.Store(ctx, event)
	return nil
}

type resetLink struct{ redirect, parameter string }

// resetURL returns the address in the email: the reset page under Config.BaseURL,
// or the client's redirect address if Config.Redirects allows it. Otherwise the
// error is a [*FieldError] for redirectUrl.
func (s *Service) resetURL(l resetLink, raw string) (Secret, error) {
	if l.redirect == "" {
		return s.pageLink("reset", raw), nil
	}
	parameter := l.parameter
	if parameter == "" {
		parameter = "token"
	}
	address, err := weburl.Redirect(l.redirect, parameter, raw, s.cfg.Redirects)
	switch {
	case errors.Is(err, weburl.ErrNotAllowed):
		return "", &FieldError{"redirectUrl", "not_allowed", err.Error()}
	case err != nil:
		return "", &FieldError{"redirectUrl", "invalid", err.Error()}
	}
	return Secret(address), nil
}

// pageLink is a page of the mount with a one-time token.
func (s *Service) pageLink(page, raw string) Secret {
	return Secret(s.cfg.BaseURL + s.cfg.PagesPath + "/" + page + "?token=" + url.QueryEscape(raw))
}

// sendReset puts a reset link into the outbox, within the limits, together
// with fx. When a limit is reached, fx alone happens.
func (s *Service) sendReset(ctx context.Context, account store.Account, link resetLink, fx store.Effects, c Client) error {
	u, now := account.User, s.now()
	raw := randomString(32)
	address, err := s.resetURL(link, raw)
	if err != nil {
		return err
	}
	t := store.OneTimeToken{
		Hash: hashOf(raw), UserID: u.ID, Purpose: store.PurposeReset, Email: u.Email,
		PasswordVersion: account.Password.Version, CreatedAt: now, ExpiresAt: now.Add(s.cfg.ResetLifetime),
	}
	m := Message{Kind: MessageResetPassword, Link: address, At: now, ExpiresAt: t.ExpiresAt}
	if !u.EmailVerified {
		t.Purpose, m.Kind = store.PurposeClaim, MessageConfirmAndReset
		u.Language = "" // of whoever signed up
	}
	m = forUser(u, m, c)
	quiet := func(reason string) error {
		fx.Events[0].Reason = reason
		s.audit.Store(ctx, fx.Events...)
		return nil
	}
	limits := s.resetEmailLimits(account, c)
	if fx.Emails, err = s.prepareEmailWithin(ctx, u.Email, m, c, limits...); err != nil {
		return err
	}
	if len(fx.Emails) == 0 {
		return quiet("too_many_mails")
	}
	err = s.store.AddOneTimeToken(ctx, store.TokenAddition{Token: t, MaxOpen: maxOpenTokens, Effects: fx})
	if err != nil {
		s.releaseLimits(ctx, limits...) // nothing was sent
	}
	if errors.Is(err, ErrConflict) {
		return quiet("too_many_links")
	}
	if err != nil {
		return s.storeError(err)
	}
	s.wakeOutbox(fx.Emails)
	s.audit.Notify(ctx, fx.Events...)
	return nil
}

// resetMails are the limits on reset mails to an account. Strangers together have
// those of [LimitConfig.ResetEmails]; the browsers that have signed in to it have as
// many of their own, and one mail more to the address, so that whoever uses up the
// others keeps no owner from a new password.
func (s *Service) resetEmailLimits(account store.Account, c Client) []namedLimit {
	whose, address := "", s.emailLimit(account.User.Email)
	if s.knownDeviceID(account, c) != "" {
		whose = "known"
		address.Max++
	}
	return []namedLimit{s.hourlyLimit(limitResetEmails, s.cfg.Limits.ResetEmails, account.User.ID, whose), address}
}

// openToken returns the token behind a mailed link, of one of the purposes,
// without spending it. One that is random, spent, too old, or void is
// ErrInvalidToken, always the same.
func (s *Service) lookUpToken(ctx context.Context, raw Secret, c Client, purposes ...store.Purpose) (store.OneTimeToken, error) {
	if err := checkTokenGiven(raw); err != nil {
		return store.OneTimeToken{}, err
	}
	t, err := s.store.OneTimeToken(ctx, hashOf(raw.Reveal()), s.now())
	if err != nil && !errors.Is(err, ErrNotFound) {
		return store.OneTimeToken{}, s.storeError(err)
	}
	for _, p := range purposes {
		if err == nil && t.Purpose == p {
			return t, nil
		}
	}
	return store.OneTimeToken{}, s.refuseToken(ctx, t.UserID, c)
}

func checkTokenGiven(raw Secret) error {
	if raw == "" {
		return &FieldError{"token", "required", "must not be empty"}
	}
	return nil
}

func (s *Service) refuseToken(ctx context.Context, userID string, c Client) error {
	s.audit.Store(ctx, s.newEvent(EventTokenRefused, userID, "", "one_time_token", c))
	return ErrInvalidToken
}

// resetPurposes are those of tokens that set a password.
var resetPurposes = []store.Purpose{store.PurposeReset, store.PurposeClaim}

// ResetPassword spends a mailed link and sets the password. All sessions of the
// user end, all mailed links die, a locked password is open again, and the
// owner is told. The Authentication is nil, the person signs in with the new
// password, but with [Config.ResetSignsIn].
//
// The link is spent only if the new password meets the policy. A link that is
// unknown, spent, too old, or void because the password or the address has
// changed, is ErrInvalidToken. Where a reuse rule compares with earlier
// passwords, a link may have it done five times an hour, then it is a
// [*LimitError].
func (s *Service) ResetPassword(ctx context.Context, in ResetPasswordParams, c Client) (Result, error) {
	if err := inputErrors(checkTokenGiven(in.Token), s.checkPasswordInput("newPassword", in.NewPassword)); err != nil {
		return Result{}, err
	}
	t, err := s.lookUpToken(ctx, in.Token, c, resetPurposes...)
	if err != nil {
		return Result{}, err
	}
	account, err := s.store.Account(ctx, t.UserID)
	if errors.Is(err, ErrNotFound) {
		return Result{}, s.refuseToken(ctx, t.UserID, c)
	}
	if err != nil {
		return Result{}, s.storeError(err)
	}
	account.User.EmailVerified = true // by the link
	if t.Purpose == store.PurposeClaim || account.User.Language == "" {
		account.User.Language = clientLanguage(c) // of who reads the mailbox
	}
	change, err := s.preparePasswordChange(ctx, account, in.NewPassword, proof(encode(t.Hash)), c)
	if err != nil {
		return Result{}, err
	}
	change.VerifyEmail, change.Language = true, account.User.Language
	change.ClearLimits = []string{s.lockKey(t.UserID)}
	change.Events = []Event{
		s.newEvent(EventPasswordReset, t.UserID, "", string(t.Purpose), c),
		s.newEvent(EventPasswordChanged, t.UserID, "", "reset", c),
	}
	if t.Purpose == store.PurposeClaim {
		change.Events = append(change.Events, s.newEvent(EventEmailVerified, t.UserID, "", "reset", c))
	}
	auth, err := s.addResetSignIn(ctx, account.User, &change, c)
	if err != nil {
		return Result{}, err
	}
	spend := store.TokenSpend{Hash: t.Hash, Purposes: resetPurposes, Now: s.now()}
	ended, err := s.store.ResetPassword(ctx, spend, change)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) {
		return Result{}, s.refuseToken(ctx, t.UserID, c)
	}
	if err != nil {
		return Result{}, s.storeError(err)
	}
	s.afterPasswordChange(ctx, change.Effects, t.UserID, ended, c)
	if auth == nil {
		return Result{Next: NextSignIn}, nil
	}
	s.endPreviousSession(ctx, c)
	return signedIn(auth), nil
}

// resetSession adds the session of Config.ResetSignsIn to the step.
func (s *Service) addResetSignIn(ctx context.Context, u User, change *store.PasswordChange, c Client) (*Authentication, error) {
	if !s.cfg.ResetSignsIn {
		return nil, nil
	}
	u.EmailVerified = true
	custom, err := s.customClaims(ctx, u)
	if err != nil {
		return nil, err
	}
	session, jti := s.newSession(u.ID, c)
	session.AMR = []string{"email"}
	tokens, err := s.issueTokens(u, session, jti, custom)
	if err != nil {
		return nil, err
	}
	change.Session = &session
	change.Events = append(change.Events, s.newEvent(EventSessionCreated, u.ID, session.ID, "reset", c))
	return &Authentication{User: u, Session: session.Session, Tokens: tokens, Device: s.newDeviceToken(u.ID, "")}, nil
}

// ResetSession is what [Service.VerifyReset] hands out.
type ResetSession struct {
	// Token proves the reset session to [Service.ValidateReset]. It opens no
	// protected route.
	Token Secret
	// ExpiresAt is when it ends.
	ExpiresAt time.Time
}

// VerifyReset spends a mailed link for a session that is good for one
// [Service.UpdatePassword] within ten minutes and for nothing else: for
// programs that verify the link and set the password in two steps. A link to
// an unverified address drops the earlier password and sessions at once.
// ErrInvalidToken as with [Service.ResetPassword].
func (s *Service) VerifyReset(ctx context.Context, raw Secret, c Client) (ResetSession, error) {
	t, err := s.lookUpToken(ctx, raw, c, resetPurposes...)
	if err != nil {
		return ResetSession{}, err
	}
	const life = 10 * time.Minute
	now := s.now()
	session, _ := s.newSession(t.UserID, c)
	session.Kind, session.AMR = store.SessionReset, []string{"email"}
	session.ExpiresAt, session.IdleExpiresAt = now.Add(life), now.Add(life)
	key, err := s.signingKey(now)
	if err != nil {
		return ResetSession{}, err
	}
	signed, err := signing.Sign(key, signing.Claims{
		Type: token.TypeReset, Issuer: s.cfg.BaseURL, Audience: s.cfg.Audience,
		Subject: t.UserID, SessionID: session.ID, ID: randomString(16),
		IssuedAt: now, ExpiresAt: session.ExpiresAt, AuthTime: now, AMR: session.AMR,
	})
	if err != nil {
		return ResetSession{}, err
	}
	events := []Event{s.newEvent(EventResetLinkUsed, t.UserID, session.ID, string(t.Purpose), c)}
	if t.Purpose == store.PurposeClaim {
		events = append(events, s.newEvent(EventEmailVerified, t.UserID, session.ID, "reset", c))
	}
	spend := store.TokenSpend{Hash: t.Hash, Purposes: resetPurposes, Now: now}
	end := store.SessionEnd{RevokedUntil: s.revokedUntil(now)}
	ended, err := s.store.StartResetSession(ctx, spend, session, end, store.Effects{Events: events})
	if errors.Is(err, ErrNotFound) {
		return ResetSession{}, s.refuseToken(ctx, t.UserID, c)
	}
	if err != nil {
		return ResetSession{}, s.storeError(err)
	}
	s.revokeLocally(ended...)
	s.audit.Notify(ctx, events...)
	return ResetSession{Token: signed, ExpiresAt: session.ExpiresAt}, nil
}
