package usher

import (
	"context"
	"time"

	"github.com/usherkit/usher/store"
)

const (
	// SignInTokenPrefix begins each token of [Operator.CreateSignInToken], so that programs
	// can distinguish it from other tokens, also in a search for leaked secrets.
	SignInTokenPrefix = "signin_"

	// signInTokenLifetime is the default lifetime of such a token.
	signInTokenLifetime = 10 * time.Minute
	// maxSignInTokenLifetime is its maximum.
	maxSignInTokenLifetime = 24 * time.Hour
	// methodSignInToken is the claim amr of a session that such a token has started.
	methodSignInToken = "sign_in_token"
)

// CreateSignInToken returns a token with which a client signs in as the user, once, by
// [Service.SignInWithToken]. The program delivers it, for example in an email or to another
// device of the user. The lifetime is 10 minutes if it is 0, and at most 24 hours.
//
// The token becomes void when the user is disabled or deleted, and when the password or the
// address changes. A user has at most three such tokens: a further one makes the oldest
// void.
//
// Anyone who has the token can sign in as the user, so the program must check who asks for
// one. It proves no address: [User.EmailVerified] stays as it is.
//
// Errors: a [*FieldError] for the field "lifetime"; [ErrNotFound]; [ErrUserDisabled]; with
// [Config.ConfirmFirst] also [ErrEmailNotVerified]; [ErrConflict] if the user was changed at
// the same moment; [ErrUnavailable].
func (o *Operator) CreateSignInToken(ctx context.Context, userID string, lifetime time.Duration) (Secret, error) {
	if lifetime == 0 {
		lifetime = signInTokenLifetime
	}
	if lifetime < time.Second || lifetime > maxSignInTokenLifetime {
		return "", &FieldError{"lifetime", "invalid", "must be from one second to 24 hours"}
	}
	s := o.s
	account, err := s.store.Account(ctx, userID)
	if err != nil {
		return "", s.storeError(err)
	}
	switch u := account.User; {
	case u.Status != StatusEnabled:
		return "", ErrUserDisabled
	case s.needsConfirmation(u):
		return "", ErrEmailNotVerified
	}
	raw, now := SignInTokenPrefix+randomString(32), s.now()
	e := o.event(EventSignInTokenCreated, userID)
	err = s.store.AddOneTimeToken(ctx, store.TokenAddition{
		Token: store.OneTimeToken{
			Hash: hashOf(raw), UserID: userID, Purpose: store.PurposeSignIn, Email: account.User.Email,
			PasswordVersion: account.Password.Version, CreatedAt: now, ExpiresAt: now.Add(lifetime),
		},
		MaxOpen: maxOpenTokens, DropOldest: true, Effects: store.Effects{Events: []Event{e}},
	})
	if err != nil {
		return "", s.storeError(err)
	}
	s.audit.Notify(ctx, e)
	return Secret(raw), nil
}

// SignInWithToken spends a token of [Operator.CreateSignInToken] and starts a session of
// its user, with the amr "sign_in_token". The session follows the rules of
// [Service.StartSession], and counts as a recent sign-in. Of concurrent calls with one
// token, one succeeds.
//
// Programs that scan emails open the links in them. So let the link lead to a page, and call
// this method only for the POST request of its button.
//
// Errors: a [*FieldError] if raw is empty; [ErrInvalidToken] if the token is unknown, used,
// expired or void, is a token for another purpose, or if its user may not sign in; the error
// of [Config.Claims]; [ErrUnavailable]. Only ErrInvalidToken means that a further attempt with
// the token cannot succeed.
func (s *Service) SignInWithToken(ctx context.Context, raw Secret, c Client) (*Authentication, error) {
	t, account, err := s.lookUpLink(ctx, raw, c, store.PurposeSignIn)
	if err != nil {
		return nil, err
	}
	if s.needsConfirmation(account.User) {
		return nil, s.refuseToken(ctx, t.UserID, c)
	}
	spend := s.tokenSpend(t, store.Invitation{})
	return s.startProven(ctx, account, Proof{Methods: []string{methodSignInToken}, At: s.now()}, &spend, c)
}
