package usher

import (
	"context"
	"errors"
	"slices"

	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// UpdatePassword is what a signed-in person gives to change the password.
type UpdatePasswordParams struct {
	// LoginID, if given, must be one of the user's own.
	LoginID string
	// NewPassword is the chosen password. Required.
	NewPassword Secret
	// CurrentPassword proves who asks. It may be left out when the sign-in is
	// recent ([SessionConfig.Recent]), or in a reset session.
	CurrentPassword Secret
}

// ReplacePassword is what a person gives who is not signed in, or whose
// password has expired.
type ReplacePasswordParams struct {
	// LoginID, OldPassword and NewPassword are required.
	LoginID                  string
	OldPassword, NewPassword Secret
}

// UpdatePassword sets a new password for the user of the claims, which are
// those of a session token, a refresh token or a reset session's token. All
// other sessions of the user end, open mailed links die, and the owner is told
// by mail. The caller's session lives on under new tokens, and the browsers that
// were known are strangers but for the caller's; a reset session ends, and the
// Authentication is nil then.
//
// ErrRecentSignInRequired if the sign-in is too old and there is no current
// password; refreshing does not make it younger. ErrForbidden if LoginID is
// somebody else's. Where a reuse rule compares with earlier passwords, a session
// may do it five times an hour without the current one, then it is a [*LimitError].
func (s *Service) UpdatePassword(ctx context.Context, claims *token.Claims, in UpdatePasswordParams, c Client) (Result, error) {
	if err := s.checkUpdate(in); err != nil {
		return Result{}, err
	}
	account, session, err := s.liveSession(ctx, claims)
	if err != nil {
		return Result{}, err
	}
	if err := s.checkOwnLoginID(ctx, account.User, in.LoginID, session.ID, c); err != nil {
		return Result{}, err
	}
	if err := s.authorizeUpdate(ctx, &account, session.Session, in.CurrentPassword, c); err != nil {
		return Result{}, err
	}
	by := proof(session.ID)
	if in.CurrentPassword != "" {
		by = passwordProof
	}
	change, err := s.preparePasswordChange(ctx, account, in.NewPassword, by, c)
	if err != nil {
		return Result{}, err
	}
	if session.Kind == store.SessionReset {
		change.ClearLimits = []string{s.lockKey(account.User.ID)}
		if err := s.changePassword(ctx, change, session.ID, "reset_session", c); err != nil {
			return Result{}, err
		}
		return Result{Next: NextSignIn}, nil
	}
	auth, err := s.changeAndRenewSession(ctx, account, session, change, c)
	if err != nil {
		return Result{}, err
	}
	return signedIn(auth), nil
}

// checkUpdate looks at the inputs alone.
func (s *Service) checkUpdate(in UpdatePasswordParams) error {
	var badID, badCurrent error
	if in.LoginID != "" {
		_, badID = canonicalLoginID(in.LoginID, s.cfg.UnicodeLoginIDs)
	}
	if in.CurrentPassword != "" {
		badCurrent = s.checkPasswordInput("currentPassword", in.CurrentPassword)
	}
	return inputErrors(badID, badCurrent, s.checkPasswordInput("newPassword", in.NewPassword))
}

// ownLoginID refuses a login id that is not the user's: a token sets its own
// user's password and nobody else's.
func (s *Service) checkOwnLoginID(ctx context.Context, u User, loginID, sessionID string, c Client) error {
	if loginID == "" {
		return nil
	}
	given, err := canonicalLoginID(loginID, s.cfg.UnicodeLoginIDs)
	if err != nil {
		return err
	}
	own := slices.ContainsFunc(u.LoginIDs, func(id string) bool {
		canonical, err := canonicalLoginID(id, true)
		return err == nil && canonical == given
	})
	if !own {
		s.audit.StoreSparsely(ctx, "forbidden "+u.ID, s.newEvent(EventForbidden, u.ID, sessionID, "login_id_of_another", c))
		return ErrForbidden
	}
	return nil
}

// proveAgain demands the current password, or a sign-in that is recent, or a
// reset session.
func (s *Service) authorizeUpdate(ctx context.Context, account *store.Account, session Session, current Secret, c Client) error {
	if current == "" {
		if session.Kind == store.SessionReset || s.now().Sub(session.CreatedAt) <= s.cfg.Sessions.Recent {
			return nil
		}
		return ErrRecentSignInRequired
	}
	return s.checkCurrentPassword(ctx, account, current, c)
}

// proveCurrent checks the current password of a user who is signed in, under
// the limits of a sign-in.
func (s *Service) checkCurrentPassword(ctx context.Context, account *store.Account, current Secret, c Client) error {
	if err := s.checkPasswordInput("currentPassword", current); err != nil {
		return err
	}
	return s.verifyAccountPassword(ctx, *account, current, c)
}

// provePassword checks the password of an account that is known already. The
// password has passed checkPassword.
func (s *Service) verifyAccountPassword(ctx context.Context, account store.Account, pw Secret, c Client) error {
	a, err := s.beginAttemptFor(ctx, account, c)
	if err != nil {
		return err
	}
	if err := s.verifyAttempt(ctx, a, pw); err != nil {
		return err
	}
	s.resetLimits(ctx, a)
	return nil
}

// proof is what a change of password rests on: the id of a session or the hash of an
// emailed link.
type proof string

// provenNow is the proof of a caller who gave the current password in the same call,
// or of an operator. The reuse rule reveals nothing to them.
const passwordProof proof = ""

// newPassword applies the policy and hashes: the one way to a new password for
// every route. It costs one hash, and with a reuse rule one more for each password
// that may not come back. By is provenNow, or else names the session or the mailed
// link that it rests on. What it returns ends all sessions and drops all mailed
// links.
func (s *Service) preparePasswordChange(ctx context.Context, account store.Account, pw Secret, by proof, c Client) (store.PasswordChange, error) {
	u, p := account.User, account.Password
	if err := s.checkPolicy(ctx, pw, u); err != nil {
		return store.PasswordChange{}, err
	}
	if err := s.checkReuse(ctx, account, pw, by, c); err != nil {
		return store.PasswordChange{}, err
	}
	hash, err := s.hasher.Hash(ctx, pw.Reveal())
	if err != nil {
		return store.PasswordChange{}, s.hashError(ctx, err, c)
	}
	notice, err := s.prepareNotice(ctx, u, Message{Kind: MessagePasswordChanged}, c)
	if err != nil {
		return store.PasswordChange{}, err
	}
	now := s.now()
	return store.PasswordChange{
		UserID: u.ID, IfVersion: p.Version, RequireEnabled: true,
		Hash: hash, State: store.PasswordActive, At: now,
		KeepEarlier: max(0, s.cfg.Password.ReuseAmount-1),
		End:         &store.SessionEnd{RevokedUntil: s.revokedUntil(now)},
		DropTokens:  true,
		Effects:     store.Effects{Emails: notice},
	}, nil
}

// change writes a new password and makes the end of sessions hold here.
func (s *Service) changePassword(ctx context.Context, change store.PasswordChange, sessionID, reason string, c Client) error {
	change.Events = append(change.Events, s.newEvent(EventPasswordChanged, change.UserID, sessionID, reason, c))
	ended, err := s.store.ChangePassword(ctx, change)
	if err != nil {
		return s.storeError(err)
	}
	s.afterPasswordChange(ctx, change.Effects, change.UserID, ended, c)
	return nil
}

// changed follows a step that changed a password.
func (s *Service) afterPasswordChange(ctx context.Context, fx store.Effects, userID string, ended []string, c Client) {
	s.revokeLocally(ended...)
	s.wakeOutbox(fx.Emails)
	s.audit.Notify(ctx, fx.Events...)
	for _, id := range ended {
		s.audit.Notify(ctx, s.newEvent(EventSessionEnded, userID, id, "password_changed", c))
	}
}

// changeAndRenew writes a new password, ends the other sessions and gives this
// one new tokens.
func (s *Service) changeAndRenewSession(ctx context.Context, account store.Account, session store.SessionRecord, change store.PasswordChange, c Client) (*Authentication, error) {
	u := account.User
	custom, err := s.customClaims(ctx, u)
	if err != nil {
		return nil, err
	}
	jti := randomString(32)
	session.Refresh = store.RefreshState{Current: hashOf(jti), RotatedAt: change.At}
	tokens, err := s.issueTokens(u, session, jti, custom)
	if err != nil {
		return nil, err
	}
	change.End.Except = session.ID
	change.Renew = &store.RefreshRenewal{SessionID: session.ID, Refresh: session.Refresh}
	err = s.changePassword(ctx, change, session.ID, "update", c)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrInvalidSession
	}
	if err != nil {
		return nil, err
	}
	device := s.newDeviceToken(u.ID, s.knownDeviceID(account, c))
	return &Authentication{User: u, Session: session.Session, Tokens: tokens, Device: device}, nil
}

// ReplacePassword sets a new password for whoever proves the old one, also an
// expired or temporary one, and signs in. All other sessions of the user end
// and the owner is told by mail. It counts against the limits of sign-in; a
// wrong old password is ErrInvalidCredentials whatever the new one is.
func (s *Service) ReplacePassword(ctx context.Context, in ReplacePasswordParams, c Client) (Result, error) {
	canonical, badID := canonicalLoginID(in.LoginID, s.cfg.UnicodeLoginIDs)
	err := inputErrors(badID, s.checkPasswordInput("oldPassword", in.OldPassword), s.checkPasswordInput("newPassword", in.NewPassword))
	if err != nil {
		return Result{}, err
	}
	a, err := s.beginAttempt(ctx, canonical, c)
	if err != nil {
		return Result{}, err
	}
	if err := s.verifyAttempt(ctx, a, in.OldPassword); err != nil {
		return Result{}, err
	}
	if s.needsConfirmation(a.account.User) {
		return Result{}, s.failAttempt(ctx, a, "unverified")
	}
	s.resetLimits(ctx, a)
	account := a.account
	if account.User.Status != StatusEnabled {
		s.audit.Store(ctx, s.newEvent(EventPasswordChangeFailed, account.User.ID, "", "disabled", c))
		return Result{}, ErrUserDisabled
	}
	if s.passwordExpired(account.Password) && samePassword(in.NewPassword, in.OldPassword) {
		return Result{}, &password.PolicyError{Violations: []password.Violation{{
			Code: password.CodeReused, Limit: 1, Detail: "The new password must be another one.",
		}}}
	}
	change, err := s.preparePasswordChange(ctx, account, in.NewPassword, passwordProof, c)
	if err != nil {
		return Result{}, err
	}
	auth, err := s.changeAndSignIn(ctx, a, change, c)
	if err != nil {
		return Result{}, err
	}
	return signedIn(auth), nil
}

// changeAndEnter writes a new password and starts the user's only session.
func (s *Service) changeAndSignIn(ctx context.Context, a *attempt, change store.PasswordChange, c Client) (*Authentication, error) {
	u := a.account.User
	custom, err := s.customClaims(ctx, u)
	if err != nil {
		return nil, err
	}
	session, jti := s.newSession(u.ID, c)
	tokens, err := s.issueTokens(u, session, jti, custom)
	if err != nil {
		return nil, err
	}
	change.Session = &session
	change.Events = append(change.Events, s.newEvent(EventSessionCreated, u.ID, session.ID, "", c))
	err = s.changePassword(ctx, change, session.ID, "replace", c)
	if errors.Is(err, ErrConflict) {
		return nil, s.failAttempt(ctx, a, "changed_meanwhile")
	}
	if err != nil {
		return nil, err
	}
	s.endPreviousSession(ctx, c)
	return &Authentication{User: u, Session: session.Session, Tokens: tokens, Device: s.newDeviceToken(u.ID, a.device)}, nil
}
