package usher

import (
	"context"
	"errors"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// Link is what a mailed link is good for, as its holder may see it: the holder
// reads the mailbox that it was sent to.
type Link struct {
	// LoginID names the user whom the link belongs to. It is empty with NewEmail:
	// an address that was mistyped is a stranger's, who learns nothing of the user.
	LoginID string
	// Email is the address that the link was sent to, and that it proves.
	Email string
	// NewEmail is true if the address is to take the place of another one.
	NewEmail bool
	// PasswordRequired is true if the link confirms nothing without the account's
	// password: whoever looks has no live session of its user.
	PasswordRequired bool
}

// ResetLink says whose password the link would set, and spends nothing: a page
// shows it before it asks. ErrInvalidToken as with [Service.ResetPassword].
func (s *Service) ResetLink(ctx context.Context, raw Secret, c Client) (Link, error) {
	t, account, err := s.lookUpLink(ctx, raw, c, resetPurposes...)
	if err != nil {
		return Link{}, err
	}
	return Link{LoginID: account.User.LoginID(), Email: t.Email}, nil
}

// VerificationLink says which address the link would prove, and whether it needs
// the account's password, and spends nothing. The claims are those of who looks,
// or nil. ErrInvalidToken as with [Service.VerifyEmail].
func (s *Service) VerificationLink(ctx context.Context, claims *token.Claims, raw Secret, c Client) (Link, error) {
	t, account, err := s.lookUpLink(ctx, raw, c, verifyPurposes...)
	if err != nil {
		return Link{}, err
	}
	own, err := s.hasLiveSession(ctx, claims, t.UserID)
	if err != nil {
		return Link{}, err
	}
	if t.Purpose == store.PurposeChangeEmail {
		return Link{Email: t.NewEmail, NewEmail: true, PasswordRequired: !own}, nil
	}
	return Link{LoginID: account.User.LoginID(), Email: t.Email, PasswordRequired: !own}, nil
}

// openLink is openToken with the account that the token belongs to. One of a user
// who is disabled is void.
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
