package usher

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/internal/watch"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// UpdatePasswordParams is the input of [Service.UpdatePassword].
type UpdatePasswordParams struct {
	// LoginID must be one of the user's own if it is not empty. Optional.
	LoginID string
	// NewPassword is the chosen password. Required.
	NewPassword Secret
	// CurrentPassword is the user's current password. Optional in a reset session, and
	// if the sign-in is at most [SessionConfig.Recent] old.
	CurrentPassword Secret
}

// ReplacePasswordParams is the input of [Service.ReplacePassword]. All fields are
// required.
type ReplacePasswordParams struct {
	// LoginID names the user. Required.
	LoginID string
	// OldPassword is the user's password. It may be expired or temporary. Required.
	OldPassword Secret
	// NewPassword is the chosen password. Required.
	NewPassword Secret
}

// UpdatePassword sets a new password for the user of the claims, which come from a
// session token, a refresh token or the token of a reset session. All other
// sessions of the user end, open emailed links become void, and an email notifies
// the user. All known browsers except the caller's become unknown.
//
// A stolen session can set a password while the sign-in is recent. So for 24 hours, a
// password that was set without CurrentPassword and without a reset session cannot change
// the address or delete the account: see [EmailProofError]. A change with such a
// CurrentPassword keeps that restriction. One with a CurrentPassword that has leaked
// ([BreachedReplaced]) begins it.
//
// The caller's session ends too, so that a stolen token of it is refused. The caller
// continues in a new session, whose tokens are in the result with [NextSignedIn]. The new
// session keeps the time, the methods and the absolute end of the sign-in. If
// CurrentPassword proves as much as that sign-in did, they begin anew. If
// [Client.SessionID] is set, that session ends too. A reset session only ends, and the
// result is [NextSignIn].
//
// The policy accepts at most five new passwords of a user in an hour without
// CurrentPassword, and ten with it: each costs a hash, and with a reuse rule
// ([password.Policy.ReuseAmount]) one for each earlier password.
//
// Errors: a [*FieldError], a [*password.PolicyError] or [*InputErrors];
// [ErrInvalidSession]; [ErrForbidden] if LoginID is not the user's, or in a session of
// [Operator.Impersonate]; [ErrRecentSignInRequired] if the sign-in is too old and
// CurrentPassword is empty (a refresh does not make a sign-in more recent);
// [ErrInvalidCredentials] if CurrentPassword is wrong; a [*LimitError]; [ErrConflict] if a
// concurrent call changed the password; the error of [Config.Claims]; [ErrUnavailable].
func (s *Service) UpdatePassword(ctx context.Context, claims *token.Claims, in UpdatePasswordParams, c Client) (_ Result, err error) {
	in.LoginID = loginid.Trim(in.LoginID)
	if err := s.checkUpdate(in); err != nil {
		return Result{}, err
	}
	if err := s.refuseActor(ctx, claims); err != nil {
		return Result{}, err
	}
	account, session, err := s.liveSession(ctx, claims)
	if err != nil {
		return Result{}, err
	}
	if err := s.checkOwnLoginID(ctx, account.User, in.LoginID, session.ID, c); err != nil {
		return Result{}, err
	}
	if err := s.authorizeUpdate(ctx, &account, claims, in.CurrentPassword, c); err != nil {
		return Result{}, err
	}
	by := proof{proofSession, account.User.ID}
	switch {
	case in.CurrentPassword != "" && !account.LeakedPasswordNeedsLink():
		by.kind = proofPassword
	case session.Kind == store.SessionReset:
		by = proof{proofLink, session.ID}
	}
	change, err := s.preparePasswordChange(ctx, account, in.NewPassword, by, c)
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := background.Uncanceled(ctx) // the notice is counted
	defer cancel()
	defer s.releaseChange(ctx, &err, account.User, change, by)
	change.IfSession, change.Replaces = session.ID, s.replacedSession(ctx, c)
	if session.Kind == store.SessionReset {
		change.ClearLimits = []string{s.lockKey(account.User.ID)}
		if err := s.changePassword(ctx, change, session.ID, "reset_session", c); err != nil {
			return Result{}, userGoneError(err)
		}
		return s.signInNext(account.User.ID), nil
	}
	auth, err := s.changeAndContinueSession(ctx, account, session.Session, change, by, c)
	if err != nil {
		return Result{}, err
	}
	return signedIn(auth), nil
}

// checkUpdate checks the inputs by themselves.
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

// checkOwnLoginID returns ErrForbidden if loginID is not empty and not one of the
// user's.
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
		s.audit.StoreSampled(ctx, "forbidden "+u.ID, s.newEvent(EventForbidden, u.ID, sessionID, "login_id_of_another", c))
		return ErrForbidden
	}
	return nil
}

// authorizeUpdate requires the current password, a recent sign-in or a reset
// session.
func (s *Service) authorizeUpdate(ctx context.Context, account *store.Account, claims *token.Claims, current Secret, c Client) error {
	if current == "" {
		if claims.Type == token.TypeReset || s.isRecent(claims) {
			return nil
		}
		return ErrRecentSignInRequired
	}
	return s.checkCurrentPassword(ctx, account, current, c)
}

// isRecent reports whether the client proved the user at most SessionConfig.Recent ago, at
// the sign-in or by Reauthenticate. The token says so and not the session, because a token
// that was stolen before Reauthenticate must not become more recent by it.
func (s *Service) isRecent(claims *token.Claims) bool {
	return !claims.AuthTime.IsZero() && s.now().Sub(claims.AuthTime) <= s.cfg.Sessions.Recent
}

// HasPassword reports whether the user has a password. A user who was created by
// [Service.EnsureUser] or imported without one has none until a reset sets it. Do not
// pass the result to untrusted clients.
//
// Errors: [ErrNotFound]; [ErrUnavailable].
func (s *Service) HasPassword(ctx context.Context, userID string) (bool, error) {
	account, err := s.store.Account(ctx, userID)
	return account.Password.State != store.PasswordNone, s.storeError(err)
}

// proof is what authorizes a change of password. Changes are counted by it.
type proof struct {
	kind string
	id   string // of the user, of the reset session, or the hash of the link
}

// The kinds of proof. A stolen session cannot use up what the owner has with the
// password or with an emailed link.
const (
	proofSession  = "session"
	proofPassword = "password" // in the same call
	proofLink     = "link"
	proofOperator = "operator" // is not counted
)

// preparePasswordChange applies the policy, hashes the password and returns the
// change. Every method that sets a password uses it. The change ends all sessions
// and drops all emailed links. It costs one hash, and with a reuse rule one more
// for each earlier password. The policy is applied first, so a refused password
// does not count as a change. If the list of leaked passwords is queried, that counts by
// itself.
func (s *Service) preparePasswordChange(ctx context.Context, account store.Account, pw Secret, by proof, c Client) (_ store.PasswordChange, err error) {
	change, err := s.hashNewPassword(ctx, account, pw, by, c)
	if err != nil {
		return store.PasswordChange{}, err
	}
	ctx, cancel := background.Uncanceled(ctx) // a client that hangs up must not use up the owner's notices
	defer cancel()
	defer s.releaseAfterOutage(ctx, &err, s.passwordChangeLimits(by)...)
	change.Emails, err = s.prepareNotice(ctx, account.User, Message{Kind: MessagePasswordChanged}, c)
	if err != nil {
		return store.PasswordChange{}, err
	}
	return change, nil
}

// hashNewPassword is preparePasswordChange without the notice to the user.
func (s *Service) hashNewPassword(ctx context.Context, account store.Account, pw Secret, by proof, c Client) (_ store.PasswordChange, err error) {
	u, p := account.User, account.Password
	if err := s.checkPolicyLocally(ctx, pw, u); err != nil {
		return store.PasswordChange{}, err
	}
	if s.cfg.Password.Breached != nil {
		lookUps := s.lookUpLimits(by)
		if _, err := s.takeLimitsOrError(ctx, c, lookUps...); err != nil {
			return store.PasswordChange{}, err
		}
		defer s.releaseAfterOutage(ctx, &err, lookUps...)
		if err := s.checkPolicy(ctx, pw, u); err != nil {
			return store.PasswordChange{}, err
		}
	}
	if err := s.countPasswordChange(ctx, by, c); err != nil {
		return store.PasswordChange{}, err
	}
	defer s.releaseAfterOutage(ctx, &err, s.passwordChangeLimits(by)...)
	hash := ""
	compared, err := s.checkReuse(ctx, account, pw, c)
	if err == nil {
		hash, err = s.hasher.Hash(withProvenHashQueue(ctx, c), pw.Reveal())
	}
	switch {
	case errors.As(err, new(*password.PolicyError)):
		return store.PasswordChange{}, err
	case errors.As(err, new(*password.BusyError)) && compared == 0:
		s.releaseLimits(ctx, s.passwordChangeLimits(by)...)
	}
	if err != nil {
		return store.PasswordChange{}, s.hashError(ctx, err, c)
	}
	return store.PasswordChange{
		UserID: u.ID, IfVersion: p.Version, RequireEnabled: true,
		Hash: hash, State: store.PasswordActive, At: s.now(), UnprovenAt: s.unprovenAt(p, by),
		KeepEarlier: max(0, s.PasswordPolicy().ReuseAmount-1),
		End:         s.sessionEnd("password_changed", c),
		DropTokens:  true,
	}, nil
}

// changePassword stores a new password and ends the sessions in this instance.
func (s *Service) changePassword(ctx context.Context, change store.PasswordChange, sessionID, reason string, c Client) error {
	watch.StopUserWatches(ctx, change.UserID)
	change.Events = append(change.Events, s.newEvent(EventPasswordChanged, change.UserID, sessionID, reason, c))
	ended, err := s.store.ChangePassword(ctx, change)
	if err != nil {
		return s.storeError(err)
	}
	s.afterPasswordChange(ctx, change.Effects, ended)
	return nil
}

// afterPasswordChange follows a transaction that changed a password.
func (s *Service) afterPasswordChange(ctx context.Context, effects store.Effects, ended []Event) {
	s.wakeOutbox(effects.Emails)
	s.afterSessionsEnded(ctx, ended, effects.Events...)
}

// changeAndContinueSession stores a new password, ends all sessions, and starts the one in
// which the caller continues.
func (s *Service) changeAndContinueSession(ctx context.Context, account store.Account, old Session, change store.PasswordChange, by proof, c Client) (*Authentication, error) {
	u := account.User
	custom, err := s.customClaims(ctx, u)
	if err != nil {
		return nil, err
	}
	c.EndWithBrowser = old.EndsWithBrowser
	session, jti := s.newSession(u.ID, c)
	session.UserAgent, session.Address = cmp.Or(session.UserAgent, old.UserAgent), cmp.Or(session.Address, old.Address)
	session.Tenant = old.Tenant
	if by.kind != proofPassword || !slices.Equal(old.AMR, session.AMR) {
		session.CreatedAt, session.ExpiresAt, session.AMR = old.CreatedAt, old.ExpiresAt, old.AMR
		session.IdleExpiresAt = earlier(session.IdleExpiresAt, old.ExpiresAt)
	}
	tokens, err := s.newTokens(u, session, jti, custom, c)
	if err != nil {
		return nil, err
	}
	change.Session = &session
	change.Events = append(change.Events, s.newEvent(EventSessionCreated, u.ID, session.ID, "update", c))
	if err := s.changePassword(ctx, change, old.ID, "update", c); err != nil {
		return nil, userGoneError(err)
	}
	device := s.newDeviceToken(u.ID, s.knownDeviceID(account, c))
	return &Authentication{User: u, Session: session.Session, Tokens: tokens, Device: device}, nil
}

// ReplacePassword sets a new password for a user who proves the old one, which may
// be expired or temporary, and signs the user in: it returns [NextSignedIn]. All
// other sessions of the user end, open emailed links become void, and an email
// notifies the user. It counts against the limits of a sign-in, and of
// [Service.UpdatePassword] with CurrentPassword. The old password is
// checked first, so a wrong one gets the same error whatever the new one is.
//
// Errors: a [*FieldError], a [*password.PolicyError] or [*InputErrors]; a
// [*LimitError]; [ErrInvalidCredentials]; [ErrUserDisabled]; a [*BreachedPasswordError] if
// an emailed link has to replace the old password; the error of
// [Config.Claims]; [ErrUnavailable].
func (s *Service) ReplacePassword(ctx context.Context, in ReplacePasswordParams, c Client) (_ Result, err error) {
	in.LoginID = loginid.Trim(in.LoginID)
	canonical, badID := canonicalLoginID(in.LoginID, s.cfg.UnicodeLoginIDs)
	err = inputErrors(badID, s.checkPasswordInput("oldPassword", in.OldPassword), s.checkPasswordInput("newPassword", in.NewPassword))
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
	if err := s.finishAttempt(ctx, a, ""); err != nil {
		return Result{}, err
	}
	account := a.account
	if account.User.Status != StatusEnabled {
		s.audit.Store(ctx, s.newEvent(EventPasswordChangeFailed, account.User.ID, "", "disabled", c))
		return Result{}, ErrUserDisabled
	}
	if err := s.checkMayReplace(ctx, a, in.OldPassword); err != nil {
		return Result{}, err
	}
	if s.passwordExpired(account.Password) && samePassword(in.NewPassword, in.OldPassword) {
		return Result{}, &password.PolicyError{Violations: []password.Violation{{
			Code: password.CodeReused, Limit: 1, Detail: "The new password must be another one.",
		}}}
	}
	by := proof{proofPassword, account.User.ID}
	change, err := s.preparePasswordChange(ctx, account, in.NewPassword, by, c)
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := background.Uncanceled(ctx) // the notice is counted
	defer cancel()
	defer s.releaseChange(ctx, &err, account.User, change, by)
	auth, err := s.changeAndSignIn(ctx, a, change, c)
	if err != nil {
		return Result{}, err
	}
	return signedIn(auth), nil
}

// changeAndSignIn stores a new password and starts a session, the user's only one.
func (s *Service) changeAndSignIn(ctx context.Context, a *attempt, change store.PasswordChange, c Client) (*Authentication, error) {
	u := a.account.User
	custom, err := s.customClaims(ctx, u)
	if err != nil {
		return nil, err
	}
	session, jti := s.newSession(u.ID, c)
	tokens, err := s.newTokens(u, session, jti, custom, c)
	if err != nil {
		return nil, err
	}
	change.Session, change.Replaces = &session, s.replacedSession(ctx, c)
	change.Events = append(change.Events, s.newEvent(EventSessionCreated, u.ID, session.ID, "", c))
	err = s.changePassword(ctx, change, session.ID, "replace", c)
	if errors.Is(err, ErrConflict) {
		return nil, s.failAttempt(ctx, a, "changed_meanwhile")
	}
	if err != nil {
		return nil, err
	}
	return &Authentication{User: u, Session: session.Session, Tokens: tokens, Device: s.newDeviceToken(u.ID, a.device)}, nil
}
