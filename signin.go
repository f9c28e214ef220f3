package usher

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// SignInParams is the input of [Service.SignIn].
type SignInParams struct {
	// LoginID names the user. Required.
	LoginID string
	// Password is the user's password. Required.
	Password Secret
}

// noticeAfter is how many consecutive failures before a success cause a notice to
// the owner.
const noticeAfter = 5

// SignIn checks the password and starts a session: it returns [NextSignedIn]. Every
// failure computes exactly one hash, whatever the login id, and returns the same
// error. Only the right password reveals that the user is disabled or that the
// password has expired or has leaked. If [Client.SessionID] is set, that session ends.
//
// Errors: a [*FieldError] or [*InputErrors]; a [*LimitError] after too many
// failures or attempts, before the password is checked, or if the hashing queue is
// full; [ErrInvalidCredentials]; [ErrUserDisabled]; [ErrPasswordExpired]; a
// [*BreachedPasswordError]; the error of [Config.Claims]; [ErrUnavailable].
func (s *Service) SignIn(ctx context.Context, in SignInParams, c Client) (Result, error) {
	in.LoginID = loginid.Trim(in.LoginID)
	canonical, badID := canonicalLoginID(in.LoginID, s.cfg.UnicodeLoginIDs)
	if err := inputErrors(badID, s.checkPasswordInput("password", in.Password)); err != nil {
		return Result{}, err
	}
	a, err := s.beginAttempt(ctx, canonical, c)
	if err != nil {
		return Result{}, err
	}
	if err := s.verifyAttempt(ctx, a, in.Password); err != nil {
		return Result{}, err
	}
	if err := s.checkMaySignIn(ctx, a, in.Password); err != nil {
		return Result{}, err
	}
	auth, err := s.startSession(ctx, a, in.Password)
	if err != nil {
		return Result{}, err
	}
	return signedIn(auth), nil
}

// checkMaySignIn returns an error if the user may not sign in although the password
// is right.
func (s *Service) checkMaySignIn(ctx context.Context, a *attempt, pw Secret) error {
	u, p := a.account.User, a.account.Password
	switch {
	case s.needsConfirmation(u):
		// This must look like a wrong password: otherwise a sign-up followed by a
		// sign-in would reveal whether the login id was free. The user may have
		// lost the email, so another one is sent, within the limits.
		s.enqueue(ctx, "send verification", func(ctx context.Context) error {
			err := s.sendVerification(ctx, a.account, a.client)
			var limited *LimitError
			if errors.As(err, &limited) {
				return nil // enough emails were sent in this hour
			}
			return err
		})
		return s.failAttempt(ctx, a, "unverified")
	case u.Status != StatusEnabled:
		return s.refuseRightPassword(ctx, a, EventSignInFailed, "disabled", ErrUserDisabled)
	case p.State == store.PasswordBreached:
		return s.refuseBreached(ctx, a)
	case s.passwordExpired(p):
		reason := string(p.State)
		if p.State == store.PasswordActive {
			reason = "age"
		}
		return s.refuseRightPassword(ctx, a, EventPasswordExpired, reason, ErrPasswordExpired)
	}
	return s.checkBreached(ctx, a, pw)
}

// refuseRightPassword finishes an attempt that is refused although the password is right,
// stores the event, and returns err.
func (s *Service) refuseRightPassword(ctx context.Context, a *attempt, name EventName, reason string, err error) error {
	if err := s.finishAttempt(ctx, a, ""); err != nil {
		return err
	}
	s.audit.Store(ctx, s.newEvent(name, a.account.User.ID, "", reason, a.client))
	return err
}

// needsConfirmation reports whether the user has to prove the address before the
// first sign-in.
func (s *Service) needsConfirmation(u User) bool { return s.cfg.ConfirmFirst && !u.EmailVerified }

// passwordExpired reports whether the user has to replace the password before
// signing in.
func (s *Service) passwordExpired(p store.Password) bool {
	if p.State != store.PasswordActive {
		return true
	}
	maxAge := s.PasswordPolicy().Expiration
	return maxAge > 0 && s.now().Sub(p.ChangedAt) >= maxAge
}

// temporaryLifetime is how long a temporary password may be replaced.
const temporaryLifetime = 7 * 24 * time.Hour

// temporaryPasswordExpired reports whether a password is temporary and too old. Every
// check then treats it as a wrong password.
func (s *Service) temporaryPasswordExpired(p store.Password) bool {
	return p.State == store.PasswordTemporary && s.now().Sub(p.ChangedAt) >= temporaryLifetime
}

// startSession starts the session of a user whose password was right.
func (s *Service) startSession(ctx context.Context, a *attempt, pw Secret) (*Authentication, error) {
	u := a.account.User
	session, jti := s.newSession(u.ID, a.client)
	start, auth, err := s.prepareSessionStart(ctx, a.account, a.device, session, jti, a.client)
	if err != nil {
		s.releaseRightPassword(ctx, a)
		return nil, err
	}
	ctx, cancel := background.Uncanceled(ctx) // a client that hangs up must not use up the notices
	defer cancel()
	start.ClearLimits, start.ReleaseLimits = s.limitsOnSuccess(a)
	if a.rehash {
		s.addRehash(ctx, a, pw, &start)
	}
	if err := s.addNotices(ctx, a, session.ID, &start); err != nil {
		s.releaseRightPassword(ctx, a)
		return nil, err
	}
	ended, err := s.store.StartSession(ctx, start)
	if errors.Is(err, ErrConflict) {
		// The password was changed or the user was disabled during the check.
		s.releaseFailureNotice(ctx, u, start.Emails)
		return nil, s.failAttempt(ctx, a, "changed_meanwhile")
	}
	if err != nil {
		s.releaseRightPassword(ctx, a)
		s.releaseFailureNotice(ctx, u, start.Emails)
		return nil, s.storeError(err)
	}
	s.wakeOutbox(start.Emails)
	s.afterSessionsEnded(ctx, ended, start.Events...)
	return auth, nil
}

// ReauthenticateParams is the input of [Service.Reauthenticate].
type ReauthenticateParams struct {
	// Password is the user's password. Required.
	Password Secret
	// RefreshToken is a refresh token of the session. Optional: with it the result has a
	// refresh token that keeps the new auth_time.
	RefreshToken Secret
}

// Reauthenticate checks the password of a signed-in user again, before a sensitive action,
// and continues the session of the claims: it returns [NextSignedIn]. The new session token
// has the current time as auth_time and "pwd" as amr. The session keeps its id and its end,
// and no refresh token is exchanged. It counts against the limits of a sign-in, and an
// expired password is refused as at a sign-in.
//
// With ReauthenticateParams.RefreshToken the result also has the newest refresh token of
// the session, with that auth_time and amr, which the tokens of later refreshes inherit.
// Without it the result has no refresh token, and after a refresh the time of the sign-in
// counts again. Other tokens of the session, and those that they are refreshed to, keep
// their auth_time. So a token that was stolen earlier does not become more recent.
//
// Errors: a [*FieldError]; [ErrInvalidSession] if the session or the refresh token is not
// valid, also if the user is disabled; [ErrForbidden] in a reset session or one of
// [Operator.Impersonate]; a [*LimitError] as in [Service.SignIn]; [ErrInvalidCredentials];
// [ErrPasswordExpired]; a [*BreachedPasswordError]; the error of [Config.Claims];
// [ErrUnavailable].
func (s *Service) Reauthenticate(ctx context.Context, claims *token.Claims, in ReauthenticateParams, c Client) (Result, error) {
	if err := s.checkPasswordInput("password", in.Password); err != nil {
		return Result{}, err
	}
	account, session, err := s.fullSession(ctx, claims)
	if err != nil {
		return Result{}, err
	}
	presented, err := s.refreshIDOf(ctx, session, in.RefreshToken, c)
	if err != nil {
		return Result{}, err
	}
	a, err := s.beginAttemptFor(ctx, account, c)
	if err != nil {
		return Result{}, err
	}
	if err := s.verifyAttempt(ctx, a, in.Password); err != nil {
		return Result{}, err
	}
	if err := s.checkMaySignIn(ctx, a, in.Password); err != nil {
		return Result{}, err
	}
	if err := s.finishAttempt(ctx, a, session.ID); err != nil {
		return Result{}, err
	}
	auth, err := s.renewAuthTime(ctx, claims, a, presented)
	if err != nil {
		return Result{}, err
	}
	s.audit.Store(ctx, s.newEvent(EventReauthenticated, account.User.ID, session.ID, "", c))
	return signedIn(auth), nil
}

// checkCurrentPassword checks the current password of a signed-in user, under the
// limits of a sign-in.
func (s *Service) checkCurrentPassword(ctx context.Context, account *store.Account, current Secret, c Client) error {
	if err := s.checkPasswordInput("currentPassword", current); err != nil {
		return err
	}
	return s.verifyAccountPassword(ctx, *account, current, c)
}

// verifyAccountPassword checks the password of an account that was already read. pw
// has passed checkPasswordInput.
func (s *Service) verifyAccountPassword(ctx context.Context, account store.Account, pw Secret, c Client) error {
	a, err := s.beginAttemptFor(ctx, account, c)
	if err != nil {
		return err
	}
	if err := s.verifyAttempt(ctx, a, pw); err != nil {
		return err
	}
	return s.finishAttempt(ctx, a, "")
}

// finishAttempt ends an attempt whose password was right and that starts no session: it
// records earlier failures, notifies the owner of them, and resets the counters. Without the
// notice, an attacker who has guessed the password could reset the counters by a call that
// fails afterwards, and then sign in unnoticed.
func (s *Service) finishAttempt(ctx context.Context, a *attempt, sessionID string) error {
	ctx, cancel := background.Uncanceled(ctx) // a client that hangs up must not use up the notices
	defer cancel()
	var start store.SessionStart
	err := s.addFailureNotice(ctx, a, sessionID, &start)
	if err == nil && len(start.Events) > 0 {
		if err = s.storeError(s.store.Record(ctx, start.Effects)); err != nil {
			s.releaseFailureNotice(ctx, a.account.User, start.Emails)
		}
	}
	if err != nil {
		s.releaseRightPassword(ctx, a)
		return err
	}
	s.wakeOutbox(start.Emails)
	s.audit.Notify(ctx, start.Events...)
	s.resetLimits(ctx, a)
	return nil
}

// releaseRightPassword releases the limits of an attempt that failed although the password
// was right. It resets none, because the owner was not notified of earlier failures.
func (s *Service) releaseRightPassword(ctx context.Context, a *attempt) {
	s.releaseLimits(ctx, a.failureLimits()...)
}

// renewAuthTime returns new tokens of the session of the claims after the right password.
// presented is the jti of the refresh token of the client, or empty. The tokens have the
// newest refresh token of the session, so that a concurrent refresh does not end the session.
func (s *Service) renewAuthTime(ctx context.Context, claims *token.Claims, a *attempt, presented string) (*Authentication, error) {
	// The session may have ended during the check, for example by a new password.
	account, session, err := s.userSession(ctx, claims)
	if err != nil {
		return nil, err
	}
	u, jti := account.User, ""
	if presented != "" {
		newest := store.RefreshResult{Session: session, Token: session.Refresh.Current}
		if jti = s.issuedID(newest, presented); jti == "" {
			return nil, errOtherSecret
		}
	}
	custom, err := s.customClaims(ctx, u)
	if err != nil {
		return nil, err
	}
	proven := session
	proven.CreatedAt, proven.AMR = s.now(), []string{"pwd"}
	tokens, err := s.issueTokens(u, proven, cmp.Or(jti, randomString(32)), custom)
	if jti == "" {
		tokens.Refresh, tokens.RefreshExpiresAt = "", time.Time{}
	}
	if err == nil && a.client.PrepareDelivery != nil {
		err = a.client.PrepareDelivery(tokens)
	}
	if err != nil {
		return nil, err
	}
	return &Authentication{User: u, Session: session.Session, Tokens: tokens, Device: s.newDeviceToken(u.ID, a.device)}, nil
}

// refreshIDOf returns the jti of a refresh token of a session, and "" for no token. A
// token that is not valid any more ends the session, as in RefreshSession.
func (s *Service) refreshIDOf(ctx context.Context, session store.SessionRecord, refresh Secret, c Client) (string, error) {
	if refresh == "" {
		return "", nil
	}
	claims, err := s.ValidateRefresh(ctx, refresh)
	switch {
	case err != nil:
		return "", err
	case claims.SessionID != session.ID:
		return "", ErrInvalidSession
	}
	validation := store.RefreshSwap{Presented: hashOf(claims.ID), Now: s.now()}
	if validation.Apply(session, store.User{}).Outcome == store.RefreshReused {
		_, err := s.swapRefresh(ctx, refresh, c, func(*store.RefreshSwap) {})
		return "", cmp.Or(err, ErrInvalidSession)
	}
	return claims.ID, nil
}

// addRehash replaces a hash with outdated costs by a new one. Only then does a
// sign-in compute a second hash. If no slot is free, a later sign-in does it.
func (s *Service) addRehash(ctx context.Context, a *attempt, pw Secret, start *store.SessionStart) {
	hash, err := s.hasher.Hash(s.withHashQueue(ctx, a.canonical, a.device != "", a.client), pw.Reveal())
	if err != nil {
		s.cfg.Logger.Info("usher: a password hash could not be upgraded; a later sign-in will try again", "user_id", a.account.User.ID, "error", err)
		return
	}
	start.RehashFrom, start.RehashTo = a.account.Password.Hash, hash
	start.Events = append(start.Events, s.newEvent(EventPasswordRehashed, a.account.User.ID, "", "", a.client))
}

// addNotices adds the events of a sign-in from an unknown browser and after
// failures. After failures the owner also gets an email.
func (s *Service) addNotices(ctx context.Context, a *attempt, sessionID string, start *store.SessionStart) error {
	if a.device == "" {
		start.Events = append(start.Events, s.newEvent(EventSignInNewDevice, a.account.User.ID, sessionID, "", a.client))
	}
	return s.addFailureNotice(ctx, a, sessionID, start)
}

// failureNoticesPerHour is how many notices of a sign-in after failures a user gets in an
// hour. They are counted apart from other emails, because an attacker can use those up before
// guessing a password.
const failureNoticesPerHour = 3

func (s *Service) failureNoticeLimit(u User) namedLimit {
	return s.hourlyLimit(limitNotices, failureNoticesPerHour, "failures", u.ID)
}

// addFailureNotice adds the event of the right password after failures, and the email.
// Attempts that have not been decided count as failures: otherwise guesses at the same time as
// the right one would go unnoticed. So many sign-ins at once may cause a notice as well.
func (s *Service) addFailureNotice(ctx context.Context, a *attempt, sessionID string, start *store.SessionStart) error {
	u := a.account.User
	if a.failures < noticeAfter {
		return nil
	}
	start.Events = append(start.Events, s.newEvent(EventSignInAfterFailures, u.ID, sessionID, "", a.client))
	if u.Email == "" || !u.EmailVerified || u.Status != StatusEnabled {
		return nil
	}
	m := forUser(u, Message{Kind: MessageSignInNotice}, a.client)
	switch _, refused, err := s.takeLimits(ctx, s.failureNoticeLimit(u)); {
	case err != nil:
		return err
	case refused != nil:
		s.reportDroppedEmail(ctx, m, "too_many_notices", a.client)
	default:
		start.Emails = s.sealEmail(u.Email, m, a.client)
	}
	return nil
}

// releaseFailureNotice releases a notice of addFailureNotice that was not sent.
func (s *Service) releaseFailureNotice(ctx context.Context, u User, queued []store.QueuedEmail) {
	if len(queued) > 0 {
		s.releaseUnlessHungUp(ctx, s.failureNoticeLimit(u))
	}
}
