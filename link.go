package usher

import (
	"context"
	"errors"
	"strings"
)

// Link is what a mailed link is good for, as its holder may see it: the holder
// reads the mailbox that it was sent to.
type Link struct {
	// LoginID names the user whom the link belongs to.
	LoginID string
	// Email is the address that the link was sent to, and that it proves.
	Email string
	// NewEmail is true if the address is to take the place of another one.
	NewEmail bool
}

// ResetLink says whose password the link would set, and spends nothing: a page
// shows it before it asks. ErrInvalidToken as with [Service.ResetPassword].
func (s *Service) ResetLink(ctx context.Context, raw Secret, c Client) (Link, error) {
	return s.link(ctx, raw, c, resetPurposes...)
}

// VerificationLink says which address the link would prove, and spends nothing.
// ErrInvalidToken as with [Service.VerifyEmail].
func (s *Service) VerificationLink(ctx context.Context, raw Secret, c Client) (Link, error) {
	return s.link(ctx, raw, c, PurposeVerifyEmail, PurposeChangeEmail)
}

func (s *Service) link(ctx context.Context, raw Secret, c Client, purposes ...Purpose) (Link, error) {
	t, err := s.openToken(ctx, raw, c, purposes...)
	if err != nil {
		return Link{}, err
	}
	account, err := s.store.Account(ctx, t.UserID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Link{}, s.outage(err)
	}
	if err != nil || account.User.Status != StatusEnabled {
		return Link{}, s.refuseToken(ctx, t.UserID, c)
	}
	l := Link{LoginID: account.User.LoginID(), Email: t.Email}
	if t.Purpose == PurposeChangeEmail {
		l.Email, l.NewEmail = t.NewEmail, true
	}
	return l, nil
}

// PagesURL is the address of the pages that people see, without a slash at its
// end: [Config.BaseURL] and [Config.PagesPath].
func (s *Service) PagesURL() string { return s.cfg.BaseURL + strings.TrimSuffix(s.cfg.PagesPath, "/") }

// ConfirmsFirst reports whether sign-up answers with a mail alone
// ([Config.ConfirmFirst]).
func (s *Service) ConfirmsFirst() bool { return s.cfg.ConfirmFirst }

// SignUpClosed reports whether nobody can sign up ([Config.SignUpClosed]).
func (s *Service) SignUpClosed() bool { return s.cfg.SignUpClosed }
