package usher

import (
	"context"
	"errors"
	"slices"

	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/internal/watch"
	"github.com/usherkit/usher/store"
)

// SetLoginIDs replaces the login ids of a user. The first one is the main one. All
// sessions end, emailed links become void, and an email notifies the user. The address
// for emails does not change: [Operator.UpdateUser] sets it.
//
// Errors: a [*FieldError] for the field loginIds or loginId; [ErrLoginIDTaken] if
// another user has one of them; [ErrNotFound]; [ErrUnavailable].
func (o *Operator) SetLoginIDs(ctx context.Context, userID string, loginIDs []string) (User, error) {
	s := o.s
	typed, canonical, err := canonicalLoginIDs(loginIDs, s.cfg.UnicodeLoginIDs)
	if err != nil {
		return User{}, err
	}
	account, err := s.store.Account(ctx, userID)
	if err != nil {
		return User{}, s.storeError(err)
	}
	queued, err := s.prepareNotice(ctx, account.User, Message{Kind: MessageLoginIDsChanged}, o.client)
	if err != nil {
		return User{}, err
	}
	e := s.newEvent(EventUserUpdated, userID, "", "login_ids", o.client)
	watch.StopUserWatches(ctx, userID)
	u, ended, err := s.store.UpdateUser(ctx, store.UserUpdate{
		UserID: userID, LoginIDs: &typed, Canonical: canonical, DropTokens: true, End: o.sessionEnd("login_ids_changed"), At: s.now(),
		Effects: store.Effects{Events: []Event{e}, Emails: queued},
	})
	if err != nil {
		if len(queued) > 0 {
			s.releaseUnlessHungUp(ctx, s.noticeLimit(account.User)) // nothing was sent
		}
		return User{}, s.storeError(err)
	}
	s.wakeOutbox(queued)
	s.afterSessionsEnded(ctx, ended, e)
	return u, nil
}

// prepareAddressNotice returns the notice to the proven address of a user who gets another
// one, with the user. Without such an address there is none.
func (o *Operator) prepareAddressNotice(ctx context.Context, userID string, next *EmailAddress) (User, []store.QueuedEmail, error) {
	if next == nil {
		return User{}, nil, nil
	}
	account, err := o.s.store.Account(ctx, userID)
	u := account.User
	if err != nil || !u.EmailVerified || u.Email == next.Address {
		return u, nil, o.s.storeError(err)
	}
	notice, err := o.s.prepareNotice(ctx, u, Message{Kind: MessageEmailChanged}, o.client)
	return u, notice, err
}

// canonicalLoginIDs returns login ids without the blanks at their ends, and their
// canonical forms.
func canonicalLoginIDs(loginIDs []string, unicodeLocal bool) (typed, canonical []string, err error) {
	if len(loginIDs) == 0 {
		return nil, nil, &FieldError{"loginIds", "required", "must have at least one"}
	}
	for _, id := range loginIDs {
		id = loginid.Trim(id)
		c, err := canonicalLoginID(id, unicodeLocal)
		if err != nil {
			return nil, nil, err
		}
		if slices.Contains(canonical, c) {
			return nil, nil, &FieldError{"loginIds", "invalid", "must not have one login id twice"}
		}
		typed, canonical = append(typed, id), append(canonical, c)
	}
	return typed, canonical, nil
}

// canonicalLoginID returns the form in which login ids are compared and kept
// unique. The error is a [*FieldError] for the field loginId.
func canonicalLoginID(s string, unicodeLocal bool) (string, error) {
	c, err := loginid.Canonical(s, unicodeLocal)
	return c, loginIDError("loginId", err)
}

// canonicalEmail returns the canonical form of an email address. The error is a
// [*FieldError] for the field.
func canonicalEmail(field, s string, unicodeLocal bool) (string, error) {
	c, err := loginid.CanonicalEmail(s, unicodeLocal)
	return c, loginIDError(field, err)
}

// loginIDError returns an error of package loginid as a [*FieldError].
func loginIDError(field string, err error) error {
	var invalid *loginid.Error
	if errors.As(err, &invalid) {
		return &FieldError{field, invalid.Code, invalid.Detail}
	}
	return err
}
