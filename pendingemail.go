package usher

import (
	"context"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// PendingEmail is a change of address that has not been confirmed yet.
type PendingEmail struct {
	// Address is the one to move to, or "" if no change is pending.
	Address string
	// ExpiresAt is until when the newest link to it works.
	ExpiresAt time.Time
}

// PendingEmail returns the change of address that a user has asked for and that
// the new address has not confirmed yet; the zero PendingEmail if there is none. It
// is there whether or not a mail could be sent: it tells nothing of the address.
func (s *Service) PendingEmail(ctx context.Context, userID string) (PendingEmail, error) {
	open, err := s.store.UserTokens(ctx, userID, store.PurposeChangeEmail, s.now())
	if err != nil || len(open) == 0 {
		return PendingEmail{}, s.outage(err)
	}
	return PendingEmail{open[0].NewEmail, open[0].ExpiresAt}, nil
}

// CancelEmailChange takes back a change of address that has not been confirmed:
// its links are void. ErrNotFound if there is none.
func (s *Service) CancelEmailChange(ctx context.Context, claims *token.Claims, c Client) error {
	account, session, err := s.signedIn(ctx, claims)
	if err != nil {
		return err
	}
	e := s.newEvent(EventEmailChangeCancelled, account.User.ID, session.ID, "", c)
	err = s.store.DropTokens(ctx, account.User.ID, store.PurposeChangeEmail, s.now(), store.Effects{Events: []Event{e}})
	if err != nil {
		return s.outage(err)
	}
	s.audit.Notify(ctx, e)
	return nil
}
