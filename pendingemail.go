package usher

import (
	"context"

	"github.com/usherkit/usher/token"
)

// PendingEmail returns the address that a user has asked to move to and that has
// not confirmed it yet, or "". It is there whether or not a mail could be sent:
// it tells nothing of the address.
func (s *Service) PendingEmail(ctx context.Context, userID string) (string, error) {
	open, err := s.store.UserTokens(ctx, userID, PurposeChangeEmail, s.now())
	if err != nil || len(open) == 0 {
		return "", s.outage(err)
	}
	return open[0].NewEmail, nil
}

// CancelEmailChange takes back a change of address that has not been confirmed:
// its links are void. ErrNotFound if there is none.
func (s *Service) CancelEmailChange(ctx context.Context, claims *token.Claims, c Client) error {
	account, session, err := s.signedIn(ctx, claims)
	if err != nil {
		return err
	}
	e := s.newEvent(EventEmailChangeCancelled, account.User.ID, session.ID, "", c)
	err = s.store.DropTokens(ctx, account.User.ID, PurposeChangeEmail, s.now(), Effects{Events: []Event{e}})
	if err != nil {
		return s.outage(err)
	}
	s.announce(ctx, e)
	return nil
}
