package usher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/usherkit/usher/internal/weburl"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// Links holds the addresses to which emailed links lead. An address is an https URL
// (http is accepted for localhost and loopback addresses), or has the scheme of an
// app, such as "myapp://reset". The link is the address with the query parameter
// "token", behind its own query and before its fragment. New logs a warning about the
// scheme of an app: many mail programs remove such links, and another app may register
// the scheme. An https URL that the app claims avoids both.
type Links struct {
	// ResetPassword is the form for a new password, which sends the token with it to
	// POST /password/reset/complete. Defaults to the page /reset below
	// [Config.PagesPath].
	ResetPassword string
	// VerifyEmail confirms an address, also a new one, by POST /email/verify. Defaults
	// to the page /verify below [Config.PagesPath].
	VerifyEmail string
	// AcceptInvitation is the form for the first password of an invited user, which sends
	// the token with it to POST /invitation/accept. Defaults to the page /invitation below
	// [Config.PagesPath].
	AcceptInvitation string
}

func (l Links) validate() error {
	for field, address := range map[string]string{"ResetPassword": l.ResetPassword, "VerifyEmail": l.VerifyEmail, "AcceptInvitation": l.AcceptInvitation} {
		if address == "" {
			continue
		}
		if err := weburl.CheckLink(address); err != nil {
			return fmt.Errorf("usher: Config.Links.%s %w", field, err)
		}
	}
	return nil
}

// Links returns where emailed links lead: [Config.Links], with the pages for the empty
// fields.
func (s *Service) Links() Links {
	return Links{
		ResetPassword:    cmp.Or(s.cfg.Links.ResetPassword, weburl.Join(s.PagesURL(), "reset")),
		VerifyEmail:      cmp.Or(s.cfg.Links.VerifyEmail, weburl.Join(s.PagesURL(), "verify")),
		AcceptInvitation: cmp.Or(s.cfg.Links.AcceptInvitation, weburl.Join(s.PagesURL(), "invitation")),
	}
}

// Link describes an emailed link to the client that holds it. That client can read
// the mailbox that the link was sent to.
type Link struct {
	// UserID is the id of the link's user.
	UserID string
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
	// SignInRequired is true instead if the user has no password: the link needs a live
	// session of its user.
	SignInRequired bool
	// HasAccount is true for an invitation if the user has an account with the proven
	// address, so that no password is to be set.
	HasAccount bool
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
	return Link{UserID: t.UserID, LoginID: account.User.LoginID(), Email: t.Email}, nil
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
	l := Link{UserID: t.UserID, LoginID: account.User.LoginID(), Email: t.Email}
	if t.Purpose == store.PurposeChangeEmail {
		l = Link{UserID: t.UserID, Email: t.NewEmail, NewEmail: true}
	}
	l.SignInRequired = !signedIn && account.Password.State == store.PasswordNone
	l.PasswordRequired = !signedIn && !l.SignInRequired
	return l, nil
}

// checkTokenGiven returns a *FieldError for an empty token.
func checkTokenGiven(raw Secret) error {
	if raw == "" {
		return &FieldError{"token", "required", "must not be empty"}
	}
	return nil
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

// resetPurposes are the purposes of tokens that set a password.
var resetPurposes = []store.Purpose{store.PurposeReset, store.PurposeConfirmAndReset}

// verifyPurposes are the purposes of tokens that prove an address.
var verifyPurposes = []store.Purpose{store.PurposeVerifyEmail, store.PurposeChangeEmail}

// hasLiveSession reports whether the claims are those of a live session of the
// user, in which the user acts. It asks the store, because a token can outlive its
// session.
func (s *Service) hasLiveSession(ctx context.Context, claims *token.Claims, userID string) (bool, error) {
	if claims == nil || claims.Subject != userID || claims.Actor != "" {
		return false, nil
	}
	_, _, err := s.fullSession(ctx, claims)
	if errors.Is(err, ErrInvalidSession) || errors.Is(err, ErrForbidden) {
		return false, nil
	}
	return err == nil, err
}

// tokenSpend returns the use of a one-time token for its purpose, with the invitation that
// its user accepts.
func (s *Service) tokenSpend(t store.OneTimeToken, i store.Invitation) store.TokenSpend {
	return store.TokenSpend{Hash: t.Hash, Purposes: []store.Purpose{t.Purpose}, Now: s.now(), Invitation: i.Hash}
}

// refuseToken records that a token was refused and returns ErrInvalidToken. No limit
// counts such calls, so the record is sampled.
func (s *Service) refuseToken(ctx context.Context, userID string, c Client) error {
	s.audit.StoreSampled(ctx, "token "+userID+" "+widestNetwork(c), s.newEvent(EventTokenRefused, userID, "", "one_time_token", c))
	return ErrInvalidToken
}

// newResetLink returns the token of a reset link of an account, and the email with it. If
// the address is not verified, the link also proves it.
func (s *Service) newResetLink(account store.Account, link linkTarget, lifetime time.Duration) (store.OneTimeToken, Message, error) {
	raw, now := randomString(32), s.now()
	address, err := s.resetURL(link, raw)
	if err != nil {
		return store.OneTimeToken{}, Message{}, err
	}
	t := store.OneTimeToken{
		Hash: hashOf(raw), UserID: account.User.ID, Purpose: store.PurposeReset, Email: account.User.Email,
		PasswordVersion: account.Password.Version, CreatedAt: now, ExpiresAt: now.Add(lifetime),
	}
	m := Message{Kind: MessageResetPassword, Link: address, At: now, ExpiresAt: t.ExpiresAt}
	if t.UserID != "" && !account.User.EmailVerified {
		t.Purpose, m.Kind = store.PurposeConfirmAndReset, MessageConfirmAndReset
	}
	return t, m, nil
}
