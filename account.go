package usher

import (
	"context"
	"errors"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/watch"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// DeleteAccountParams is the input of [Service.DeleteAccount].
type DeleteAccountParams struct {
	// CurrentPassword is the user's current password. A user without a password gives
	// none.
	CurrentPassword Secret
}

// deletionsPerHour is how often a user may ask for the deletion of the account in an
// hour. A hook of the store may refuse each time.
const deletionsPerHour = 10

// DeleteAccount deletes the user of the claims and everything that belongs to the user,
// except the events. It requires the current password, and counts it as in a sign-in. A
// user without a password ([Service.HasPassword]) needs a sign-in at most
// [SessionConfig.Recent] ago instead.
//
// All sessions end, emailed links, pending changes and, if the address is proven, an open
// invitation become void, and the login ids are free at once. An email confirms the
// deletion. A hook of the store takes part in the transaction, and may refuse with a
// [*Rejection]: then nothing is deleted. If many calls delete a user at once, one succeeds.
//
// Errors: a [*FieldError]; [ErrInvalidSession]; [ErrForbidden] in a reset session or one of
// [Operator.Impersonate]; [ErrRecentSignInRequired] if a user without a password signed in
// too long ago; [ErrInvalidCredentials] if CurrentPassword is wrong; an [*EmailProofError]
// if a session alone has set it less than 24 hours ago; a [*LimitError]; a [*Rejection] of
// a hook of the store; [ErrUnavailable].
func (s *Service) DeleteAccount(ctx context.Context, claims *token.Claims, in DeleteAccountParams, c Client) (err error) {
	account, session, err := s.fullSession(ctx, claims)
	if err != nil {
		return err
	}
	if err := s.authorizeByPassword(ctx, account, claims, in.CurrentPassword, c); err != nil {
		return err
	}
	u := account.User
	ctx, cancel := background.Uncanceled(ctx) // a client that hangs up must not use up the owner's notices
	defer cancel()
	limits := []namedLimit{s.hourlyLimit(limitDeletions, deletionsPerHour, u.ID)}
	if _, err := s.takeLimitsOrError(ctx, c, limits...); err != nil {
		return err
	}
	defer func() { s.releaseAfterOutage(ctx, &err, limits...) }()
	notice, err := s.prepareNotice(ctx, u, Message{Kind: MessageAccountDeleted}, c)
	if err != nil {
		return err
	}
	err = s.deleteUser(ctx, store.UserDeletion{
		UserID: u.ID, IfSession: session.ID,
		Effects: store.Effects{Events: []Event{s.newEvent(EventUserDeleted, u.ID, session.ID, "", c)}, Emails: notice},
	}, c)
	if err != nil && len(notice) > 0 {
		s.releaseUnlessHungUp(ctx, s.noticeLimit(u)) // nothing was sent
	}
	var rejection *Rejection
	if errors.As(err, &rejection) {
		s.audit.Store(ctx, s.newEvent(EventUserDeletionRefused, u.ID, session.ID, "rejected", c))
	}
	return userGoneError(err)
}

// AccountData is what the store has about a user. It has no secret and no hash.
type AccountData struct {
	// User is the user, with the attributes that the program has stored.
	User User
	// HasPassword is true if the user has a password, which was set at PasswordChangedAt.
	HasPassword       bool
	PasswordChangedAt time.Time
	// PendingEmail is a change of address that is not confirmed yet.
	PendingEmail PendingEmail
	// Sessions are the live sessions of the user, newest first.
	Sessions []Session
	// Events are the events of the user, newest first, at most 10,000. They have no Reason,
	// because it may reveal to a thief of the session why an attempt failed. In an event of
	// an operator, Actor is "operator", and Address and UserAgent are empty. If the address of
	// the user is not verified, the Events are those of sessions and the creation: others may
	// come from the owner of the mailbox, who may be another user.
	Events []Event
	// MoreEvents is true if there are older events.
	MoreEvents bool
}

// maxDataEvents is the maximum number of AccountData.Events, and dataPerHour how often a
// user may ask for them in an hour.
const maxDataEvents, dataPerHour = 10_000, 10

// AccountData returns what the store has about the user of the claims, for a download by
// the user. A user can call it ten times an hour, and each call records an event.
//
// Errors: [ErrInvalidSession]; [ErrForbidden] in a reset session or one of
// [Operator.Impersonate]; a [*LimitError]; [ErrUnavailable].
func (s *Service) AccountData(ctx context.Context, claims *token.Claims, c Client) (_ AccountData, err error) {
	account, session, err := s.fullSession(ctx, claims)
	if err != nil {
		return AccountData{}, err
	}
	u, p := account.User, account.Password
	limit := s.hourlyLimit(limitDownloads, dataPerHour, u.ID)
	if _, err := s.takeLimitsOrError(ctx, c, limit); err != nil {
		return AccountData{}, err
	}
	defer func() { s.releaseAfterOutage(ctx, &err, limit) }()
	d := AccountData{User: u, HasPassword: p.State != store.PasswordNone}
	if d.HasPassword {
		d.PasswordChangedAt = p.ChangedAt
	}
	if d.PendingEmail, err = s.PendingEmail(ctx, u.ID); err != nil {
		return AccountData{}, err
	}
	if d.Sessions, err = s.store.UserSessions(ctx, u.ID, s.now()); err != nil {
		return AccountData{}, s.storeError(err)
	}
	unproven := u.Email != "" && !u.EmailVerified
	q := EventQuery{UserID: u.ID, Limit: 1000}
	for range maxDataEvents / q.Limit {
		page, err := s.store.Events(ctx, q)
		if err != nil {
			return AccountData{}, s.storeError(err)
		}
		for _, e := range page.Events {
			if unproven && e.SessionID == "" && e.Name != EventUserCreated {
				continue
			}
			if e.Reason = ""; e.Actor != "" {
				e.Actor, e.Address, e.UserAgent = "operator", "", ""
			}
			d.Events = append(d.Events, e)
		}
		q.Cursor, d.MoreEvents = page.Next, page.Next != ""
		if page.Next == "" {
			break
		}
	}
	e := s.newEvent(EventDataDownloaded, u.ID, session.ID, "", c)
	if err := s.store.Record(ctx, store.Effects{Events: []Event{e}}); err != nil {
		return AccountData{}, s.storeError(err) // no download without its event
	}
	s.audit.Notify(ctx, e)
	return d, nil
}

// deleteUser deletes a user in the store, and ends the sessions in this instance.
func (s *Service) deleteUser(ctx context.Context, d store.UserDeletion, c Client) error {
	watch.StopUserWatches(ctx, d.UserID)
	d.End = *s.sessionEnd("user_deleted", c)
	d.ClearLimits = []string{s.lockKey(d.UserID)} // the only counter of an account that never expires
	ended, err := s.store.DeleteUser(ctx, d)
	if err != nil {
		return s.storeError(err)
	}
	s.wakeOutbox(d.Emails)
	s.afterSessionsEnded(ctx, ended, d.Events...)
	return nil
}
