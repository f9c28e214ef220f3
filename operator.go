package usher

import (
	"context"
	"errors"

	"github.com/usherkit/usher/internal/audit"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// Operator administers users in the name of a person, a script or another service.
// Every event that it causes names it as [Event.Actor]. [Service.Operator] returns
// one. It is safe for concurrent use.
//
// An Operator may do everything: the program decides who gets to use it.
type Operator struct {
	s      *Service
	client Client
}

// Operator returns an Operator with that name, such as "ops:alice". The name is cut
// to 128 bytes; an empty one becomes "unknown".
func (s *Service) Operator(name string) *Operator {
	name = logs.Clean(name, 128)
	if name == "" {
		name = "unknown"
	}
	return &Operator{s: s, client: Client{actor: name}}
}

// User returns the user with that id. ErrNotFound if there is none.
func (o *Operator) User(ctx context.Context, userID string) (User, error) {
	a, err := o.s.store.Account(ctx, userID)
	return a.User, o.s.storeError(err)
}

// UserByLoginID returns the user with that login id. ErrNotFound if there is none.
// Do not let untrusted clients see the result: it reveals who has an account.
func (o *Operator) UserByLoginID(ctx context.Context, loginID string) (User, error) {
	canonical, err := canonicalLoginID(loginID, true)
	if err != nil {
		return User{}, err
	}
	a, err := o.s.store.AccountByLoginID(ctx, canonical)
	return a.User, o.s.storeError(err)
}

// UpdateUserParams are the changes of a user. Nil leaves a field as it is.
type UpdateUserParams struct {
	Profile            Profile
	Roles, Permissions *[]string
	Tenants            *map[string]token.Tenant
	Attributes         *map[string]any
	// Email sets the address and whether its mailbox is known to be the user's. It
	// does not change the login ids.
	Email *EmailAddress
}

// UpdateUser changes a user and returns it. Roles, permissions and tenants appear in
// the session tokens issued from then on; a session token issued before keeps the old
// ones until it expires. Setting the address makes all emailed links void.
// ErrNotFound if there is no such user.
func (o *Operator) UpdateUser(ctx context.Context, userID string, in UpdateUserParams) (User, error) {
	if err := checkProfile(in.Profile); err != nil {
		return User{}, err
	}
	if in.Email != nil && in.Email.Address != "" {
		if _, err := canonicalEmail("email", in.Email.Address, o.s.cfg.UnicodeLoginIDs); err != nil {
			return User{}, err
		}
	}
	e := o.event(EventUserUpdated, userID)
	u, _, err := o.s.store.UpdateUser(ctx, store.UserUpdate{
		UserID: userID, Profile: in.Profile, Roles: in.Roles, Permissions: in.Permissions, Tenants: in.Tenants,
		Attributes: in.Attributes, Email: in.Email, DropTokens: in.Email != nil, At: o.s.now(), Effects: store.Effects{Events: []Event{e}},
	})
	if err != nil {
		return User{}, o.s.storeError(err)
	}
	o.s.audit.Notify(ctx, e)
	return u, nil
}

// Disable locks a user out: all sessions end, emailed links become void, and sign-in
// and refresh fail. No data of the user is lost. ErrNotFound if there is no such user.
func (o *Operator) Disable(ctx context.Context, userID string) error {
	status := StatusDisabled
	return o.setStatus(ctx, userID, store.UserUpdate{
		Status: &status, DropTokens: true, End: &store.SessionEnd{RevokedUntil: o.s.revokedUntil(o.s.now())},
	}, EventUserDisabled)
}

// Enable lets a disabled user sign in again. ErrNotFound if there is no such user.
func (o *Operator) Enable(ctx context.Context, userID string) error {
	status := StatusEnabled
	return o.setStatus(ctx, userID, store.UserUpdate{Status: &status}, EventUserEnabled)
}

func (o *Operator) setStatus(ctx context.Context, userID string, u store.UserUpdate, name EventName) error {
	e := o.event(name, userID)
	u.UserID, u.At, u.Effects = userID, o.s.now(), store.Effects{Events: []Event{e}}
	_, ended, err := o.s.store.UpdateUser(ctx, u)
	if err != nil {
		return o.s.storeError(err)
	}
	o.s.revokeLocally(ended...)
	o.s.audit.Notify(ctx, e)
	return nil
}

// Delete removes a user and everything that belongs to the user, except the events.
// All sessions end. ErrNotFound if there is no such user.
func (o *Operator) Delete(ctx context.Context, userID string) error {
	e := o.event(EventUserDeleted, userID)
	ended, err := o.s.store.DeleteUser(ctx, store.UserDeletion{
		UserID: userID, End: store.SessionEnd{RevokedUntil: o.s.revokedUntil(o.s.now())}, Effects: store.Effects{Events: []Event{e}},
		// The only counter of an account that never expires.
		ClearLimits: []string{o.s.lockKey(userID)},
	})
	if err != nil {
		return o.s.storeError(err)
	}
	o.s.revokeLocally(ended...)
	o.s.audit.Notify(ctx, e)
	return nil
}

// SignOutUser ends all sessions of a user. ErrNotFound if there is no such user.
func (o *Operator) SignOutUser(ctx context.Context, userID string) error {
	if _, err := o.s.store.Account(ctx, userID); err != nil {
		return o.s.storeError(err)
	}
	return o.s.endUserSessions(ctx, userID, o.event(EventSignOut, userID))
}

// SetPassword gives a user a password that meets the policy. A temporary one signs in
// nowhere; it may be used once, in [Service.ReplacePassword]. All sessions end and the
// user is notified by email. ErrNotFound if there is no such user.
func (o *Operator) SetPassword(ctx context.Context, userID string, pw Secret, temporary bool) error {
	if err := o.s.checkPasswordInput("password", pw); err != nil {
		return err
	}
	account, err := o.s.store.Account(ctx, userID)
	if err != nil {
		return o.s.storeError(err)
	}
	change, err := o.s.preparePasswordChange(ctx, account, pw, passwordProof, o.client)
	if err != nil {
		return err
	}
	change.RequireEnabled = false
	change.ClearLimits = []string{o.s.lockKey(userID)}
	if temporary {
		change.State = store.PasswordTemporary
	}
	return o.s.changePassword(ctx, change, "", "operator", o.client)
}

// ExpirePassword makes a user choose a new password, for example after a compromise.
// All sessions end, and the next sign-in with the right password fails with
// ErrPasswordExpired. ErrNotFound if there is no such user, ErrConflict if the user has
// no password.
func (o *Operator) ExpirePassword(ctx context.Context, userID string) error {
	account, err := o.s.store.Account(ctx, userID)
	if err != nil {
		return o.s.storeError(err)
	}
	if account.Password.State == store.PasswordNone {
		return ErrConflict
	}
	now := o.s.now()
	return o.s.changePassword(ctx, store.PasswordChange{
		UserID: userID, IfVersion: account.Password.Version, State: store.PasswordExpired, At: account.Password.ChangedAt,
		KeepEarlier: len(account.Password.Earlier), End: &store.SessionEnd{RevokedUntil: o.s.revokedUntil(now)},
	}, "", "expired_by_operator", o.client)
}

// Events reads one page of the audit table, newest event first. The following page has
// the Next of this one as its Cursor. A malformed cursor is a [*FieldError].
func (o *Operator) Events(ctx context.Context, q EventQuery) (EventPage, error) {
	page, err := o.s.store.Events(ctx, q)
	if errors.Is(err, store.ErrBadCursor) {
		return EventPage{}, &FieldError{"cursor", "invalid", "must be the Next of an earlier page"}
	}
	return page, o.s.storeError(err)
}

// RotateKeysParams say how the signing keys are replaced outside of their plan.
type RotateKeysParams struct {
	// Compromised removes all present keys at once: every token that they signed is
	// refused from then on, and all users have to sign in again. Defaults to false:
	// the new key is published first, and no user notices.
	Compromised bool
}

// RotateKeys makes a new signing key now instead of at the end of the present one's
// plan. The other instances follow within seconds, and at once when a token names a
// key that they do not know.
func (o *Operator) RotateKeys(ctx context.Context, in RotateKeysParams) error {
	return o.s.storeError(o.s.keys.Replace(ctx, in.Compromised, audit.Client{Actor: o.client.actor}))
}

// event returns an event that the operator causes.
func (o *Operator) event(name EventName, userID string) Event {
	return o.s.newEvent(name, userID, "", "operator", o.client)
}
