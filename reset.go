package usher

import (
	"context"
	"errors"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/internal/watch"
	"github.com/usherkit/usher/internal/weburl"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// SendPasswordResetParams is the input of [Service.SendPasswordReset].
type SendPasswordResetParams struct {
	// LoginID names the user. Required.
	LoginID string
	// RedirectURL is where the emailed link leads. [Config.Redirects] must allow it.
	// Defaults to the reset page.
	RedirectURL string
	// Parameter is the name of the query parameter of RedirectURL that gets the token.
	// Defaults to "token".
	Parameter string
}

// ResetPasswordParams is the input of [Service.ResetPassword].
type ResetPasswordParams struct {
	// Token is the one-time token of the emailed link. Required without Code.
	Token Secret
	// LoginID and Code are instead the login id for which the email was requested, and the
	// code in it. Blanks and hyphens in the code do not count.
	LoginID string
	Code    Secret
	// NewPassword is the chosen password. Required.
	NewPassword Secret
}

// maxOpenTokens is how many emailed links of one purpose a user may have open. Any
// client can request a reset. So a further reset link is not sent while the open ones
// are valid: otherwise an attacker could void the owner's link. Links of the other
// purposes need a signed-in user. A further one is sent, and the oldest becomes void.
const maxOpenTokens = 3

// SendPasswordReset emails a link to the address stored with the account. It
// returns nil whether or not the account exists, after the same work, so the answer
// reveals nothing. The request changes nothing: password, sessions and locks stay
// as they are.
//
// A verified address gets a link to a new password. An unverified address gets a
// link that also proves the address and removes what an earlier holder of the
// account has set. A disabled user gets no email.
//
// Errors: a [*FieldError] or [*InputErrors] for malformed input or a redirect that
// is not allowed; a [*LimitError] after too many requests by the known browser, or by
// unknown browsers of the network; [ErrUnavailable].
func (s *Service) SendPasswordReset(ctx context.Context, in SendPasswordResetParams, c Client) (err error) {
	in.LoginID = loginid.Trim(in.LoginID)
	canonical, badID := canonicalLoginID(in.LoginID, s.cfg.UnicodeLoginIDs)
	link := linkTarget{in.RedirectURL, in.Parameter}
	_, badLink := s.resetURL(link, "x")
	if err := inputErrors(badID, badLink); err != nil {
		return err
	}
	account, err := s.store.AccountByLoginID(ctx, canonical)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return s.storeError(err)
	}
	u := account.User
	limits := s.hourlyNetworkLimits(limitResetRequests, s.cfg.Limits.ResetRequests, c)
	if u.ID != "" {
		if device := s.knownDeviceID(account, c); device != "" { // others must not use up what a known browser needs
			limits = []namedLimit{s.hourlyLimit(limitResetRequests, s.cfg.Limits.ResetRequests, u.ID, device)}
		}
	}
	if _, err := s.takeLimitsOrError(ctx, c, limits...); err != nil {
		return err
	}
	defer s.releaseAfterOutage(ctx, &err, limits...)
	event := s.newEvent(EventResetRequested, u.ID, "", "", c)
	switch {
	case u.ID == "":
		event.Reason = "unknown_login_id"
	case u.Status != StatusEnabled:
		event.Reason = "disabled"
	case u.Email == "":
		event.Reason = "no_address"
	}
	if event.Reason != "" {
		account = store.Account{}
	}
	return s.sendReset(ctx, account, canonical, link, event, c)
}

// linkTarget is where the client wants the emailed link to lead.
type linkTarget struct{ redirect, parameter string }

// resetURL returns the URL in the email: Links.ResetPassword, or the client's redirect
// URL if Config.Redirects allows it. Otherwise the error is a *FieldError for
// redirectUrl.
func (s *Service) resetURL(l linkTarget, raw string) (Secret, error) {
	if l.redirect == "" {
		return linkWithToken(s.Links().ResetPassword, raw), nil
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

// linkWithToken returns an emailed link: an address of [Links] with a one-time token.
func linkWithToken(address, raw string) Secret { return Secret(weburl.WithToken(address, raw)) }

// sendReset stores an event and, within the limits, the email with a reset link, in one
// transaction. Without an account it sends nothing, and does the same work with as many
// round trips to the store. canonical is the login id that the client gave.
func (s *Service) sendReset(ctx context.Context, account store.Account, canonical string, link linkTarget, event Event, c Client) error {
	u := account.User
	t, m, err := s.newResetLink(account, link, s.cfg.ResetLifetime)
	if err != nil {
		return err
	}
	m.Code = s.addCode(&t)
	if t.Purpose == store.PurposeConfirmAndReset {
		u.Language = "" // it is that of the client that signed up
	}
	m = forUser(u, m, c)
	known := u.ID != ""
	ctx, cancel := background.Uncanceled(ctx) // a client that hangs up must not use up the owner's emails
	defer cancel()
	limits, to := s.resetEmailLimits(account, c), u.Email
	if !known {
		limits, to = s.dummyEmailLimits(canonical), canonical
	}
	signUp, refusal, maxOpen := event.Name == EventSignUpRefused, "", maxOpenTokens
	if signUp {
		t.CodeHash, m.Code = nil, "" // the page after a sign-up asks for no new password
		refusal, err = s.countEmailEvenly(ctx, to, limits)
	} else {
		refusal, limits, maxOpen, err = s.countResetEmail(ctx, to, c, limits)
	}
	if err != nil {
		return err
	}
	refused := event // if no link is sent
	if refusal != "" {
		if known {
			s.reportDroppedEmail(ctx, m, refusal, c)
			refused.Reason = "too_many_mails"
		}
		if signUp {
			return s.recordTakenLoginID(ctx, store.Effects{Events: []Event{refused}}, limits)
		}
		s.audit.Store(ctx, refused)
		return nil
	}
	switch {
	case !known:
		limits = dummyLimits(limits)
	case maxOpen == maxOpenTokens:
		refused.Reason = "too_many_links"
	default:
		refused.Reason = "too_many_mails"
	}
	add := store.TokenAddition{Token: t, MaxOpen: maxOpen, Effects: store.Effects{
		Events: []Event{event}, Emails: s.sealEmail(to, m, c),
	}}
	add.Refused = &store.TokenRefusal{ReleaseLimits: limitKeys(limits), Effects: store.Effects{Events: []Event{refused}}}
	err = s.store.AddOneTimeToken(ctx, add)
	switch {
	case errors.Is(err, ErrConflict):
		s.audit.Notify(ctx, refused)
		return nil
	case err != nil:
		s.releaseUnlessHungUp(ctx, limits...) // nothing was sent
		return s.storeError(err)
	}
	s.wakeOutbox(add.Emails)
	s.audit.Notify(ctx, event)
	return nil
}

// countResetEmail counts an email on the limits of resetEmailLimits, and returns how many
// links may be open with the new one. If the limit of the account refuses, because others
// have used it up, one more email goes out within the limit of the address, provided that
// no link is open. It returns the limits that it counted on, and the reason if the email
// must not be sent.
func (s *Service) countResetEmail(ctx context.Context, to string, c Client, limits []namedLimit) (refusal string, counted []namedLimit, maxOpen int, err error) {
	if _, err := canonicalLoginID(to, true); err != nil {
		return "bad_address", nil, 0, nil
	}
	refusal, err = s.countEmail(ctx, c, limits...)
	if err != nil || refusal != "too_many_mails" {
		return refusal, limits, maxOpenTokens, err
	}
	counted = limits[1:]
	refusal, err = s.countEmail(ctx, c, counted...)
	return refusal, counted, 1, err
}

// resetEmailLimits returns the limits on reset emails to an account. Unknown
// browsers share LimitConfig.ResetEmails. Known browsers have as many of their own,
// and one more email to the address, so that an attacker who uses up the others
// does not keep the owner from a new password.
func (s *Service) resetEmailLimits(account store.Account, c Client) []namedLimit {
	group, address := "", s.emailLimit(account.User.Email)
	if s.knownDeviceID(account, c) != "" {
		group = "known"
		address.Max++
	}
	return []namedLimit{s.hourlyLimit(limitResetEmails, s.cfg.Limits.ResetEmails, account.User.ID, group), address}
}

// lookUpToken returns the one-time token of an emailed link without spending it. A
// token that is unknown, used, expired, void or of another purpose is always
// ErrInvalidToken.
func (s *Service) lookUpToken(ctx context.Context, raw Secret, c Client, purposes ...store.Purpose) (store.OneTimeToken, error) {
	if err := checkTokenGiven(raw); err != nil {
		return store.OneTimeToken{}, err
	}
	t, err := s.store.OneTimeToken(ctx, hashOf(raw.Reveal()), s.now())
	if err != nil && !errors.Is(err, ErrNotFound) {
		return store.OneTimeToken{}, s.storeError(err)
	}
	for _, p := range purposes {
		if err == nil && t.Purpose == p && !s.fromTheFuture(t.CreatedAt) {
			return t, nil
		}
	}
	return store.OneTimeToken{}, s.refuseToken(ctx, t.UserID, c)
}

// ResetPassword spends an emailed link, or the code beside it, and sets the password. All
// sessions of the user end, all emailed links become void, a locked password is unlocked,
// and an email notifies the user. The browser becomes known ([Result.Device]). If
// [Client.SessionID] is set, that session ends, also if it is another user's. The result is
// [NextSignIn], or [NextSignedIn] with [Config.ResetSignsIn].
//
// The link is spent only if the policy accepts the new password. At most five
// passwords that the policy accepts are hashed for one link in an hour.
//
// Errors: a [*FieldError], a [*password.PolicyError] or [*InputErrors];
// [ErrInvalidToken] if the link is unknown, used, expired, or void because the
// password or the address has changed; [ErrInvalidCode] if the code is wrong, or is older
// than ten minutes, or its link is void; a [*LimitError]; the error of
// [Config.Claims], with Config.ResetSignsIn; [ErrUnavailable].
func (s *Service) ResetPassword(ctx context.Context, in ResetPasswordParams, c Client) (_ Result, err error) {
	canonical, digits, badProof := s.checkResetProof(in)
	if err := inputErrors(badProof, s.checkPasswordInput("newPassword", in.NewPassword)); err != nil {
		return Result{}, err
	}
	t, account, err := s.lookUpResetProof(ctx, in.Token, canonical, digits, c)
	if errors.Is(err, ErrInvalidCode) {
		// The password is compared with what the client gave alone, so that the answer does
		// not depend on the account.
		var weak *password.PolicyError
		if errors.As(s.checkPolicyLocally(ctx, in.NewPassword, User{LoginIDs: []string{in.LoginID}}), &weak) {
			return Result{}, &InputErrors{[]error{err, weak}}
		}
	}
	if err != nil {
		return Result{}, err
	}
	account.User.EmailVerified = true // the link or the code proves it
	unproven := t.Purpose == store.PurposeConfirmAndReset
	if unproven {
		account.Password = withoutHistory(account.Password)
	}
	if unproven || account.User.Language == "" {
		account.User.Language = clientLanguage(c) // the client has proven the mailbox
	}
	by := proof{proofLink, encode(t.Hash)}
	change, err := s.preparePasswordChange(ctx, account, in.NewPassword, by, c)
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := background.Uncanceled(ctx) // the notice is counted
	defer cancel()
	defer s.releaseChange(ctx, &err, account.User, change, by)
	change.VerifyEmail, change.Language = true, account.User.Language
	if change.ClearProfile = unproven; unproven {
		change.KeepEarlier = 0
	}
	change.ClearLimits, change.Replaces = []string{s.lockKey(t.UserID)}, s.replacedSession(ctx, c)
	change.Events = []Event{
		s.newEvent(EventPasswordReset, t.UserID, "", string(t.Purpose), c),
		s.newEvent(EventPasswordChanged, t.UserID, "", "reset", c),
	}
	if unproven {
		change.Events = append(change.Events, s.newEvent(EventEmailVerified, t.UserID, "", "reset", c))
	}
	u := account.User
	if change.ClearProfile {
		u = store.WithoutProfile(u)
	}
	var (
		auth       *Authentication
		unprepared error
		ended      []Event
	)
	spend := store.TokenSpend{Hash: t.Hash, Purposes: resetPurposes, Now: s.now()}
	watch.StopUserWatches(ctx, change.UserID)
	_, err = s.withInvitation(ctx, t.Email, t.UserID, c, change.Events, func(i store.Invitation, events []Event) (err error) {
		change.Invitation, change.Events = i.Hash, events
		if auth, unprepared = s.addResetSignIn(ctx, i.Grant(u), &change, c); unprepared != nil {
			return unprepared
		}
		ended, err = s.store.ResetPassword(ctx, spend, change)
		return err
	})
	switch {
	case unprepared != nil:
		return Result{}, unprepared
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrConflict):
		return Result{}, s.refuseToken(ctx, t.UserID, c)
	case err != nil:
		return Result{}, err
	}
	s.afterPasswordChange(ctx, change.Effects, ended)
	if auth == nil {
		return s.signInNext(t.UserID), nil
	}
	return signedIn(auth), nil
}

// ResetSession is the result of [Service.VerifyReset].
type ResetSession struct {
	// Token proves the reset session to [Service.ValidateReset]. No protected route
	// accepts it.
	Token Secret
	// RefreshToken is the same proof with another claim drn, for clients that distinguish
	// tokens by that claim.
	RefreshToken Secret
	// ExpiresAt is when the reset session ends: ten minutes after VerifyReset.
	ExpiresAt time.Time
}

// VerifyReset spends an emailed link and starts a reset session, which allows one
// [Service.UpdatePassword] within ten minutes and nothing else. It is for programs
// that verify the link and set the password in two requests. A link to an
// unverified address removes the earlier password and ends the sessions at once.
//
// Errors: a [*FieldError] if raw is empty; [ErrInvalidToken] as in
// [Service.ResetPassword]; [ErrUnavailable].
func (s *Service) VerifyReset(ctx context.Context, raw Secret, c Client) (ResetSession, error) {
	t, err := s.lookUpToken(ctx, raw, c, resetPurposes...)
	if err != nil {
		return ResetSession{}, err
	}
	const lifetime = 10 * time.Minute
	now := s.now()
	session, _ := s.newSession(t.UserID, c)
	session.Kind, session.AMR = store.SessionReset, []string{"email"}
	session.ExpiresAt, session.IdleExpiresAt = now.Add(lifetime), now.Add(lifetime)
	key, err := s.signingKey(now)
	if err != nil {
		return ResetSession{}, err
	}
	proof := ResetSession{ExpiresAt: session.ExpiresAt}
	for _, raw := range []*Secret{&proof.Token, &proof.RefreshToken} {
		*raw, err = signing.Sign(key, signing.Claims{
			Type: token.TypeReset, AsRefresh: raw == &proof.RefreshToken, Issuer: s.cfg.Issuer, Audience: s.cfg.ownAudience(),
			Subject: t.UserID, SessionID: session.ID, ID: randomString(16),
			IssuedAt: now, ExpiresAt: session.ExpiresAt, AuthTime: now, AMR: session.AMR,
		})
		if err != nil {
			return ResetSession{}, err
		}
	}
	events := []Event{s.newEvent(EventResetLinkUsed, t.UserID, session.ID, string(t.Purpose), c)}
	if t.Purpose == store.PurposeConfirmAndReset {
		events = append(events, s.newEvent(EventEmailVerified, t.UserID, session.ID, "reset", c))
	}
	var ended []Event
	watch.StopUserWatches(ctx, t.UserID)
	events, err = s.withInvitation(ctx, t.Email, t.UserID, c, events, func(i store.Invitation, events []Event) (err error) {
		spend := store.TokenSpend{Hash: t.Hash, Purposes: resetPurposes, Now: now, Invitation: i.Hash}
		ended, err = s.store.StartResetSession(ctx, spend, session, *s.sessionEnd("password_removed", c), store.Effects{Events: events})
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return ResetSession{}, s.refuseToken(ctx, t.UserID, c)
	}
	if err != nil {
		return ResetSession{}, err
	}
	s.afterSessionsEnded(ctx, ended, events...)
	return proof, nil
}
