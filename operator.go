package usher

import (
	"context"
	"errors"

	"github.com/usherkit/usher/internal/audit"
	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/watch"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// Operator administers users in the name of a person, a script or another service.
// [Service.Operator] returns one. Every event that it causes has that name as
// [Event.Actor]. It is safe for concurrent use.
//
// An Operator may do everything. The program decides which of its callers may use
// one.
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

// WithClient returns an Operator whose events also have the address, the user agent and the
// request id of the client that asked for the change, such as a request to an administration
// API. Emails to users do not have them.
func (o *Operator) WithClient(c Client) *Operator {
	return &Operator{s: o.s, client: Client{Address: c.Address, UserAgent: c.UserAgent, RequestID: c.RequestID, actor: o.client.actor}}
}

// CountFailedAuthentication counts and records a request whose sender claimed to be the
// operator, and whose key the program has refused. It counts for the network of the client.
// It returns nil while the network is below the limit. The program then answers as
// to any wrong key.
//
// Errors: a [*LimitError] after more than [LimitConfig.NetworkFailures] of them;
// [ErrUnavailable].
func (o *Operator) CountFailedAuthentication(ctx context.Context, c Client) error {
	c.actor = o.client.actor
	l := o.s.cfg.Limits
	limits := o.s.networkLimits(limitOperator, store.Limit{Max: l.NetworkFailures, Window: l.NetworkWindow}, c)
	if _, err := o.s.takeLimitsOrError(ctx, c, limits...); err != nil {
		return err
	}
	o.s.audit.StoreSampled(ctx, "refused "+limits[0].Key, o.s.newEvent(EventOperatorRefused, "", "", "", c))
	return nil
}

// User returns the user with that id.
//
// Errors: [ErrNotFound]; [ErrUnavailable].
func (o *Operator) User(ctx context.Context, userID string) (User, error) {
	a, err := o.s.store.Account(ctx, userID)
	return a.User, o.s.storeError(err)
}

// UserByLoginID returns the user with that login id. The result reveals who has an
// account, so do not pass it to untrusted clients.
//
// Errors: a [*FieldError]; [ErrNotFound]; [ErrUnavailable].
func (o *Operator) UserByLoginID(ctx context.Context, loginID string) (User, error) {
	loginID = loginid.Trim(loginID)
	canonical, err := canonicalLoginID(loginID, true)
	if err != nil {
		return User{}, err
	}
	a, err := o.s.store.AccountByLoginID(ctx, canonical)
	return a.User, o.s.storeError(err)
}

// UpdateUserParams is the input of [Operator.UpdateUser]. A nil field leaves the
// value as it is.
type UpdateUserParams struct {
	// Profile holds the profile fields. A nil field of it leaves the value as it is.
	Profile Profile
	// Roles, Permissions and Tenants appear in the user's session tokens.
	Roles, Permissions *[]string
	Tenants            *map[string]token.Tenant
	// Attributes are data of the program. The Service stores them and does not use
	// them.
	Attributes *map[string]any
	// AttributesPatch changes single attributes, as [Operator.PatchAttributes] does with an
	// empty version, in the same transaction. It must be empty if Attributes is set.
	AttributesPatch map[string]any
	// Email sets the address and whether it counts as proven. It does not change the
	// login ids. If an emailed link has to replace a leaked password ([BreachedReplaced]),
	// an address that is not Verified makes the password useless, as RequireReset does.
	Email *EmailAddress
}

// UpdateUser changes a user and returns it. New roles, permissions and tenants appear in
// session tokens issued from then on; an earlier session token keeps the old ones until it
// expires. The guards of package middleware accept added ones at once, because they read
// the user before they refuse. If Email is set, all emailed links become void, and a proven
// address that is replaced gets a notice.
//
// Errors: a [*FieldError] or [*InputErrors]; [ErrNotFound]; [ErrUnavailable].
func (o *Operator) UpdateUser(ctx context.Context, userID string, in UpdateUserParams) (User, error) {
	if err := checkProfile(in.Profile); err != nil {
		return User{}, err
	}
	if err := checkGrants(valueOf(in.Roles), valueOf(in.Permissions), valueOf(in.Tenants)); err != nil {
		return User{}, err
	}
	if in.Attributes != nil {
		if err := checkAttributes(*in.Attributes); err != nil {
			return User{}, err
		}
	}
	var patch *store.AttributesPatch
	if len(in.AttributesPatch) > 0 {
		if in.Attributes != nil {
			return User{}, &FieldError{"attributes", "invalid", "must not be set and patched at the same time"}
		}
		if err := checkPatch(in.AttributesPatch); err != nil {
			return User{}, err
		}
		patch = &store.AttributesPatch{Set: in.AttributesPatch}
	}
	if in.Email != nil && in.Email.Address != "" {
		in.Email = &EmailAddress{Address: loginid.Trim(in.Email.Address), Verified: in.Email.Verified}
		if _, err := canonicalEmail("email", in.Email.Address, o.s.cfg.UnicodeLoginIDs); err != nil {
			return User{}, err
		}
	}
	before, notice, err := o.prepareAddressNotice(ctx, userID, in.Email)
	if err != nil {
		return User{}, err
	}
	e := o.event(EventUserUpdated, userID)
	u, _, err := o.s.store.UpdateUser(ctx, store.UserUpdate{
		UserID: userID, Profile: in.Profile, Roles: in.Roles, Permissions: in.Permissions, Tenants: in.Tenants,
		Attributes: in.Attributes, Patch: patch, Email: in.Email, DropTokens: in.Email != nil, At: o.s.now(), Effects: store.Effects{Events: []Event{e}, Emails: notice},
	})
	if err != nil {
		if len(notice) > 0 {
			o.s.releaseUnlessHungUp(ctx, o.s.noticeLimit(before)) // nothing was sent
		}
		return User{}, o.s.attributesError(err)
	}
	o.s.wakeOutbox(notice)
	o.s.audit.Notify(ctx, e)
	return u, nil
}

// checkPatch checks a patch of attributes.
func checkPatch(patch map[string]any) error {
	if err := checkAttributes(patch); err != nil {
		return err
	}
	if _, bad := patch[""]; bad {
		return &FieldError{"attributes", "invalid", "must not have an empty key"}
	}
	return nil
}

// attributesError is storeError, and names the field if the attributes became too large.
func (s *Service) attributesError(err error) error {
	if errors.Is(err, store.ErrAttributesTooLarge) {
		return &FieldError{"attributes", "too_long", "must be at most 64 KiB of JSON together"}
	}
	return s.storeError(err)
}

// PatchAttributes changes single attributes of a user and returns the user. A nil value
// removes its key (RFC 7396, but values are replaced as a whole). version is the
// User.AttributesVersion that the caller has read: of two callers that have read the same
// attributes, one succeeds, and the other gets [ErrConflict] and reads them again. An empty
// version skips this check. All other keys stay.
//
// Errors: a [*FieldError] for values that JSON cannot hold, for a bad key, and if the
// attributes would have more than 64 KiB; [ErrNotFound]; [ErrConflict] if the attributes
// have another version; a [*Rejection] of a hook of the store; [ErrUnavailable].
func (o *Operator) PatchAttributes(ctx context.Context, userID string, patch map[string]any, version string) (User, error) {
	if err := checkPatch(patch); err != nil {
		return User{}, err
	}
	e := o.event(EventUserUpdated, userID)
	u, _, err := o.s.store.UpdateUser(ctx, store.UserUpdate{
		UserID: userID, Patch: &store.AttributesPatch{Set: patch, IfVersion: version}, At: o.s.now(), Effects: store.Effects{Events: []Event{e}},
	})
	if err != nil {
		return User{}, o.s.attributesError(err)
	}
	o.s.audit.Notify(ctx, e)
	return u, nil
}

// Disable locks a user out: all sessions end, emailed links become void, and
// sign-in and refresh fail. No data of the user is lost.
//
// Errors: [ErrNotFound]; [ErrUnavailable].
func (o *Operator) Disable(ctx context.Context, userID string) error {
	status := StatusDisabled
	return o.setStatus(ctx, userID, store.UserUpdate{
		Status: &status, DropTokens: true, End: o.sessionEnd("user_disabled"),
	}, EventUserDisabled)
}

// Enable lets a disabled user sign in again.
//
// Errors: [ErrNotFound]; [ErrUnavailable].
func (o *Operator) Enable(ctx context.Context, userID string) error {
	status := StatusEnabled
	return o.setStatus(ctx, userID, store.UserUpdate{Status: &status}, EventUserEnabled)
}

// setStatus applies a change of the status and records the event.
func (o *Operator) setStatus(ctx context.Context, userID string, u store.UserUpdate, name EventName) error {
	e := o.event(name, userID)
	u.UserID, u.At, u.Effects = userID, o.s.now(), store.Effects{Events: []Event{e}}
	watch.StopUserWatches(ctx, userID)
	_, ended, err := o.s.store.UpdateUser(ctx, u)
	if err != nil {
		return o.s.storeError(err)
	}
	o.s.afterSessionsEnded(ctx, ended, e)
	return nil
}

// Delete removes a user and everything that belongs to the user, except the events.
// All sessions end.
//
// Errors: [ErrNotFound]; [ErrUnavailable].
func (o *Operator) Delete(ctx context.Context, userID string) error {
	return o.s.deleteUser(ctx, store.UserDeletion{
		UserID: userID, Effects: store.Effects{Events: []Event{o.event(EventUserDeleted, userID)}},
	}, o.client)
}

// SignOutUser ends all sessions of a user.
//
// Errors: [ErrNotFound]; [ErrUnavailable].
func (o *Operator) SignOutUser(ctx context.Context, userID string) error {
	if _, err := o.s.store.Account(ctx, userID); err != nil {
		return o.s.storeError(err)
	}
	return o.s.endUserSessions(ctx, userID, o.event(EventSignOut, userID), o.client)
}

// Sessions returns the live sessions of a user, newest first.
//
// Errors: [ErrNotFound]; [ErrUnavailable].
func (o *Operator) Sessions(ctx context.Context, userID string) ([]Session, error) {
	if _, err := o.s.store.Account(ctx, userID); err != nil {
		return nil, o.s.storeError(err)
	}
	list, err := o.s.store.UserSessions(ctx, userID, o.s.now())
	return list, o.s.storeError(err)
}

// EndSession ends one session of a user.
//
// Errors: [ErrNotFound] if the user has no such session; [ErrUnavailable].
func (o *Operator) EndSession(ctx context.Context, userID, sessionID string) error {
	return o.s.endSession(ctx, userID, sessionID, "revoked", o.client)
}

// SetPassword gives a user a password that meets the policy. All sessions end and
// an email notifies the user. A temporary password does not sign in: the user has
// to replace it first, with [Service.ReplacePassword], within seven days. After that it
// counts as a wrong password.
//
// Errors: a [*FieldError] or [*password.PolicyError]; [ErrNotFound]; [ErrConflict]
// if a concurrent call changed the password; a [*LimitError] if the hashing queue
// is full; [ErrUnavailable].
func (o *Operator) SetPassword(ctx context.Context, userID string, pw Secret, temporary bool) (err error) {
	if err := o.s.checkPasswordInput("password", pw); err != nil {
		return err
	}
	account, err := o.s.store.Account(ctx, userID)
	if err != nil {
		return o.s.storeError(err)
	}
	by := proof{kind: proofOperator}
	change, err := o.s.preparePasswordChange(ctx, account, pw, by, o.client)
	if err != nil {
		return err
	}
	defer o.s.releaseChange(ctx, &err, account.User, change, by)
	change.RequireEnabled = false
	change.ClearLimits = []string{o.s.lockKey(userID)}
	if temporary {
		change.State = store.PasswordTemporary
	}
	return o.s.changePassword(ctx, change, "", "operator", o.client)
}

// ExpirePassword makes a user choose a new password. All sessions end, and a sign-in
// with the right password returns ErrPasswordExpired. Anyone who knows the password can
// still replace it, so after a compromise use [Operator.RequireReset]. A temporary password
// stays temporary, and expires when it would have. A leaked one ([BreachedReplaced]) stays
// leaked.
//
// Errors: [ErrNotFound]; [ErrConflict] if the user has no password or a concurrent
// call changed it; [ErrUnavailable].
func (o *Operator) ExpirePassword(ctx context.Context, userID string) error {
	account, err := o.s.store.Account(ctx, userID)
	if err != nil {
		return o.s.storeError(err)
	}
	state := store.PasswordExpired
	switch account.Password.State {
	case store.PasswordNone:
		return ErrConflict
	case store.PasswordTemporary, store.PasswordBreached:
		// An expired one works without an end, and anyone who knows it can replace it.
		state = account.Password.State
	}
	return o.s.changePassword(ctx, store.PasswordChange{
		UserID: userID, IfVersion: account.Password.Version, State: state, At: account.Password.ChangedAt,
		UnprovenAt: account.Password.UnprovenAt, KeepEarlier: len(account.Password.Earlier), End: o.sessionEnd("password_changed"),
	}, "", "expired_by_operator", o.client)
}

// RequireReset makes the password of a user useless, after a compromise: only a link
// emailed to the user's address sets a new one, and not the same one again. All
// sessions end, open emailed links become void, and all known browsers become unknown.
// The user is not notified; call [Service.SendPasswordReset] to send the link. A user
// without an address needs [Operator.SetPassword].
//
// Errors: [ErrNotFound]; [ErrConflict] if a concurrent call changed the password;
// [ErrUnavailable].
func (o *Operator) RequireReset(ctx context.Context, userID string) error {
	account, err := o.s.store.Account(ctx, userID)
	if err != nil {
		return o.s.storeError(err)
	}
	return o.s.changePassword(ctx, store.PasswordChange{
		UserID: userID, IfVersion: account.Password.Version, State: store.PasswordNone, At: o.s.now(),
		KeepEarlier: len(account.Password.Earlier), End: o.sessionEnd("password_changed"), DropTokens: true,
	}, "", "reset_required", o.client)
}

// Events returns one page of the audit table, newest event first. For the following
// page, set Cursor to the Next of this one.
//
// Errors: a [*FieldError] for a malformed value; [ErrUnavailable].
func (o *Operator) Events(ctx context.Context, q EventQuery) (EventPage, error) {
	for name, text := range map[string]string{"userId": q.UserID, "name": string(q.Name)} {
		if !isStorable(text) {
			return EventPage{}, &FieldError{name, "invalid", "must be UTF-8 text without control characters"}
		}
	}
	page, err := o.s.store.Events(ctx, q)
	if errors.Is(err, store.ErrBadCursor) {
		return EventPage{}, &FieldError{"cursor", "invalid", "must be the Next of an earlier page"}
	}
	return page, o.s.storeError(err)
}

// RotateKeysParams is the input of [Operator.RotateKeys].
type RotateKeysParams struct {
	// Compromised removes all current keys at once. Every token that they signed is
	// then refused, and all users have to sign in again. Defaults to false: the new
	// key is published first, and users notice nothing.
	Compromised bool
}

// RotateKeys replaces the signing key before the time that [Config.Rotation] says.
// The other instances follow within seconds, and at once when a token names a key
// that they do not know.
//
// Errors: [ErrUnavailable].
func (o *Operator) RotateKeys(ctx context.Context, in RotateKeysParams) error {
	return o.s.storeError(o.s.keys.Replace(ctx, in.Compromised, audit.Client{Actor: o.client.actor}))
}

// sessionEnd says how the sessions end that the operator ends.
func (o *Operator) sessionEnd(reason string) *store.SessionEnd {
	return o.s.sessionEnd(reason, o.client)
}

// event returns an event that the operator causes.
func (o *Operator) event(name EventName, userID string) Event {
	return o.s.newEvent(name, userID, "", "operator", o.client)
}
