package usher

import (
	"context"
	"errors"

	"github.com/usherkit/usher/store"
)

// SignIn is what a person gives to sign in.
type SignInParams struct {
	// LoginID names the user. Required.
	LoginID string
	// Password is the user's password. Required.
	Password Secret
}

// noticeAfter is how many failures before a success the owner is told of.
const noticeAfter = 5

// SignIn checks the password and starts a session. Whatever the login id, it
// costs one hash, and every failure is ErrInvalidCredentials. Only after the
// right password it tells ErrPasswordExpired and ErrUserDisabled, and gives no
// session then. Too many failures are a [*LimitError] before anything is
// checked.
func (s *Service) SignIn(ctx context.Context, in SignInParams, c Client) (Result, error) {
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
	if err := s.checkMaySignIn(ctx, a); err != nil {
		return Result{}, err
	}
	auth, err := s.startSession(ctx, a, in.Password)
	if err != nil {
		return Result{}, err
	}
	return signedIn(auth), nil
}

// mayEnter refuses, after the right password, who may not sign in by it.
func (s *Service) checkMaySignIn(ctx context.Context, a *attempt) error {
	u, p := a.account.User, a.account.Password
	refuse := func(name EventName, reason string, err error) error {
		s.resetLimits(ctx, a)
		s.audit.Store(ctx, s.newEvent(name, u.ID, "", reason, a.client))
		return err
	}
	switch {
	case s.needsConfirmation(u):
		// Whoever signed up learns no more than anybody else, or a sign-up would
		// tell after all whether the login id was free. But the person may have
		// lost the mail: another one goes out, within the limits.
		s.enqueue(ctx, "send verification", func(ctx context.Context) error {
			err := s.sendVerification(ctx, a.account, a.client)
			var limited *LimitError
			if errors.As(err, &limited) {
				return nil // there were enough of them
			}
			return err
		})
		return s.failAttempt(ctx, a, "unverified")
	case u.Status != StatusEnabled:
		return refuse(EventSignInFailed, "disabled", ErrUserDisabled)
	case s.passwordExpired(p):
		reason := string(p.State)
		if p.State == store.PasswordActive {
			reason = "age"
		}
		return refuse(EventPasswordExpired, reason, ErrPasswordExpired)
	}
	return nil
}

// unconfirmed reports whether nobody may enter before the address is proven.
func (s *Service) needsConfirmation(u User) bool { return s.cfg.ConfirmFirst && !u.EmailVerified }

// expired reports whether a password must be replaced before it serves.
func (s *Service) passwordExpired(p store.Password) bool {
	if p.State != store.PasswordActive {
		return true
	}
	life := s.cfg.Password.Expiration
	return life > 0 && s.now().Sub(p.ChangedAt) >= life
}

// enter starts the session of a user whose password was right.
func (s *Service) startSession(ctx context.Context, a *attempt, pw Secret) (*Authentication, error) {
	u := a.account.User
	custom, err := s.customClaims(ctx, u)
	if err != nil {
		s.resetLimits(ctx, a)
		return nil, err
	}
	session, jti := s.newSession(u.ID, a.client)
	tokens, err := s.issueTokens(u, session, jti, custom)
	if err != nil {
		s.resetLimits(ctx, a)
		return nil, err
	}
	start := store.SessionStart{
		Session: session, IfPasswordVersion: a.account.Password.Version,
		EndSession: a.client.SessionID, Max: s.cfg.Sessions.Max, RevokedUntil: s.revokedUntil(s.now()),
	}
	if own := clientLanguage(a.client); own != u.Language && (a.device != "" || u.Language == "") {
		start.Language = own
	}
	start.ClearLimits, start.ReleaseLimits = s.limitsOnSuccess(a)
	start.Events = []Event{
		s.newEvent(EventSignIn, u.ID, session.ID, "", a.client),
		s.newEvent(EventSessionCreated, u.ID, session.ID, "", a.client),
	}
	if a.rehash {
		s.addRehash(ctx, a, pw, &start)
	}
	if err := s.addNotices(ctx, a, session.ID, &start); err != nil {
		s.resetLimits(ctx, a)
		return nil, err
	}
	ended, err := s.store.StartSession(ctx, start)
	if errors.Is(err, ErrConflict) {
		// The password was changed, or the user shut out, while it was checked.
		return nil, s.failAttempt(ctx, a, "changed_meanwhile")
	}
	if err != nil {
		return nil, s.storeError(err)
	}
	s.revokeLocally(ended...)
	s.wakeOutbox(start.Emails)
	s.audit.Notify(ctx, start.Events...)
	for _, id := range ended {
		s.audit.Notify(ctx, s.newEvent(EventSessionEnded, u.ID, id, "replaced", a.client))
	}
	return &Authentication{User: u, Session: session.Session, Tokens: tokens, Device: s.newDeviceToken(u.ID, a.device)}, nil
}

// addRehash brings an older hash up to date. It is the second hash of this
// sign-in, and the only case of one; if no slot is free, the next sign-in will
// do it.
func (s *Service) addRehash(ctx context.Context, a *attempt, pw Secret, start *store.SessionStart) {
	hash, err := s.hasher.Hash(ctx, pw.Reveal())
	if err != nil {
		s.cfg.Logger.Info("usher: rehash put off", "user_id", a.account.User.ID, "error", err)
		return
	}
	start.RehashFrom, start.RehashTo = a.account.Password.Hash, hash
	start.Events = append(start.Events, s.newEvent(EventPasswordRehashed, a.account.User.ID, "", "", a.client))
}

// addNotices tells the owner of a success after failures, by mail, and the
// hook of a browser that was not seen before.
func (s *Service) addNotices(ctx context.Context, a *attempt, sessionID string, start *store.SessionStart) (err error) {
	u := a.account.User
	if a.device == "" {
		start.Events = append(start.Events, s.newEvent(EventSignInNewDevice, u.ID, sessionID, "", a.client))
	}
	if a.failures < noticeAfter {
		return nil
	}
	start.Events = append(start.Events, s.newEvent(EventSignInAfterFailures, u.ID, sessionID, "", a.client))
	if u.Email != "" && u.EmailVerified {
		start.Emails, err = s.prepareEmail(ctx, u.Email, forUser(u, Message{Kind: MessageSignInNotice}, a.client), a.client)
	}
	return err
}
