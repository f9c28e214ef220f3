package usher

import (
	"context"
	"errors"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// Link describes an emailed link to the client that holds it. That client can read
// the mailbox that the link was sent to.
type Link struct {
	// LoginID is the main login id of the link's user. It is empty with NewEmail: a
	// mistyped address may belong to another person, and that person must not learn
	// about the user.
	LoginID string
	// Email is the address that the link was sent to and that it proves.
	Email string
	// NewEmail is true if Email will replace the user's current address.
	NewEmail bool
	// PasswordRequired is true if the link needs the account's password, because the
	// caller has no live session of its user.
	PasswordRequired bool
}

// ResetLink describes a link that sets a password, without spending it. The reset
// page shows the result.
//
// Errors: a [*FieldError] if raw is empty; [ErrInvalidToken] as in
// [Service.ResetPassword], or if the user is disabled; [ErrUnavailable].
func (s *Service) ResetLink(ctx context.Context, raw Secret, c Client) (Link, error) {
	t, account, err := s.lookUpLink(ctx, raw, c, resetPurposes...)
	if err != nil {
		return Link{}, err
	}
	return Link{LoginID: account.User.LoginID(), Email: t.Email}, nil
}

// VerificationLink describes a link that confirms an address, without spending it.
// claims are those of the caller's session, or nil.
//
// Errors: a [*FieldError] if raw is empty; [ErrInvalidToken] as in
// [Service.VerifyEmail]; [ErrUnavailable].
func (s *Service) VerificationLink(ctx context.Context, claims *token.Claims, raw Secret, c Client) (Link, error) {
	t, account, err := s.lookUpLink(ctx, raw, c, verifyPurposes...)
	if err != nil {
		return Link{}, err
	}
	signedIn, err := s.hasLiveSession(ctx, claims, t.UserID)
	if err != nil {
		return Link{}, err
	}
	if t.Purpose == store.PurposeChangeEmail {
		return Link{Email: t.NewEmail, NewEmail: true, PasswordRequired: !signedIn}, nil
	}
	return Link{LoginID: account.User.LoginID(), Email: t.Email, PasswordRequired: !signedIn}, nil
}

// lookUpLink is lookUpToken with the account of the token. A link of a disabled
// user is ErrInvalidToken.
func (s *Service) lookUpLink(ctx context.Context, raw Secret, c Client, purposes ...store.Purpose) (store.OneTimeToken, store.Account, error) {
	t, err := s.lookUpToken(ctx, raw, c, purposes...)
	if err != nil {
		return store.OneTimeToken{}, store.Account{}, err
	}
	account, err := s.store.Account(ctx, t.UserID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return store.OneTimeToken{}, store.Account{}, s.storeError(err)
	}
	if err != nil || account.User.Status != StatusEnabled {
		return store.OneTimeToken{}, store.Account{}, s.refuseToken(ctx, t.UserID, c)
	}
	return t, account, nil
}
