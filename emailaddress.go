package usher

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// ChangeEmailParams is the input of [Service.ChangeEmail].
type ChangeEmailParams struct {
	// NewEmail is the new address. Required.
	NewEmail string
	// CurrentPassword is the user's current password. A user without a password and
	// without a verified address gives none.
	CurrentPassword Secret
}

// VerifyEmailParams is the input of [Service.VerifyEmail].
type VerifyEmailParams struct {
	// Token is the one-time token of the emailed link. Required without Code.
	Token Secret
	// Code is the code in the email, instead of Token. Blanks and hyphens in it do not
	// count.
	Code Secret
	// LoginID names the account of Code. If it is empty, that is the account of the
	// caller's session.
	LoginID string
	// Password is the account's password. It is ignored, and may be empty, if the
	// caller has a session of the link's user.
	Password Secret
}

// SendEmailVerification sends another email with a link that proves the user's
// stored address. The newest three links are valid. If the address is verified
// already, it sends nothing and returns nil.
//
// If the address had too many emails of any kind, it also sends nothing and returns
// nil: the caller has not proven the address, and an error would reveal what emails
// the address gets.
//
// Errors: [ErrInvalidSession]; [ErrForbidden] in a reset session or one of
// [Operator.Impersonate]; a [*LimitError] if the user has requested too many links in this
// hour; [ErrUnavailable].
func (s *Service) SendEmailVerification(ctx context.Context, claims *token.Claims, c Client) error {
	account, _, err := s.fullSession(ctx, claims)
	if err != nil {
		return err
	}
	return s.sendVerification(ctx, account, c)
}

// linksPerHour returns the limit on links of one purpose that an account may
// request. It is below the limit on emails to an address, so that the user reaches
// this limit, which returns an error, before the other, which is silent.
func (s *Service) linksPerHour(userID string, p store.Purpose) namedLimit {
	return s.hourlyLimit(limitLinks, max(1, s.cfg.Limits.Emails-2), userID, string(p))
}

// sendVerification emails a link that proves the stored address, unless it is
// verified.
func (s *Service) sendVerification(ctx context.Context, account store.Account, c Client) error {
	u := account.User
	if u.Email == "" || u.EmailVerified {
		return nil
	}
	if _, err := s.takeLimitsOrError(ctx, c, s.linksPerHour(u.ID, store.PurposeVerifyEmail)); err != nil {
		return err
	}
	now, raw := s.now(), randomString(32)
	t := store.OneTimeToken{
		Hash: hashOf(raw), UserID: u.ID, Purpose: store.PurposeVerifyEmail, Email: u.Email,
		PasswordVersion: account.Password.Version, CreatedAt: now, ExpiresAt: now.Add(s.cfg.VerifyLifetime),
	}
	m := forUser(u, Message{
		Kind: MessageVerifyEmail, Link: linkWithToken(s.Links().VerifyEmail, raw), Code: s.addCode(&t), At: now, ExpiresAt: t.ExpiresAt,
	}, c)
	event := s.newEvent(EventEmailVerifyRequested, u.ID, "", "", c)
	return s.sendLink(ctx, t, linkEmail{to: u.Email, Message: m}, event, c)
}

// linkEmail is the email of a one-time token.
type linkEmail struct {
	to string
	Message
	// suppressed counts the email on the limits without sending it.
	suppressed bool
	// notices are sent in any case.
	notices []store.QueuedEmail
}

// sendLink stores a one-time token, its email and the event in one transaction. It
// removes the oldest token above maxOpenTokens. If the address had too many emails,
// a change of address is stored without the email, and another link is not stored.
// If the account has changed meanwhile, the token is not stored either. The event
// and the notices are stored in every case.
func (s *Service) sendLink(ctx context.Context, t store.OneTimeToken, l linkEmail, event Event, c Client) error {
	ctx, cancel := background.Uncanceled(ctx) // a client that hangs up must not use up the owner's emails
	defer cancel()
	queued, err := s.prepareEmail(ctx, l.to, l.Message, c)
	if err != nil {
		s.releaseAfterOutage(ctx, &err, s.linksPerHour(t.UserID, t.Purpose))
		return err
	}
	counted := []namedLimit{s.linksPerHour(t.UserID, t.Purpose)}
	switch {
	case len(queued) > 0:
		counted = append(counted, s.emailLimit(l.to))
	case t.Purpose == store.PurposeChangeEmail:
		// The change is stored as pending anyway. Otherwise PendingEmail would reveal
		// what emails the address gets.
		event.Reason = cmp.Or(event.Reason, "too_many_mails")
	default:
		return s.recordWithoutLink(ctx, t, l, event, "too_many_mails")
	}
	if l.suppressed {
		queued = nil
	}
	effects := store.Effects{Events: []Event{event}, Emails: append(l.notices, queued...)}
	err = s.store.AddOneTimeToken(ctx, store.TokenAddition{Token: t, MaxOpen: maxOpenTokens, DropOldest: true, Effects: effects})
	if err != nil {
		s.releaseUnlessHungUp(ctx, counted...) // nothing was sent
	}
	if errors.Is(err, ErrConflict) {
		return s.recordWithoutLink(ctx, t, l, event, "changed_meanwhile")
	}
	if err != nil {
		return s.storeError(err)
	}
	s.wakeOutbox(effects.Emails)
	s.audit.Notify(ctx, event)
	return nil
}

// recordWithoutLink stores the event and the notices of sendLink without a link.
func (s *Service) recordWithoutLink(ctx context.Context, t store.OneTimeToken, l linkEmail, event Event, reason string) error {
	event.Reason = cmp.Or(event.Reason, reason)
	if len(l.notices) == 0 {
		s.audit.StoreSampled(ctx, string(t.Purpose)+" "+t.UserID, event)
		return nil
	}
	if err := s.store.Record(ctx, store.Effects{Events: []Event{event}, Emails: l.notices}); err != nil {
		return s.storeError(err)
	}
	s.wakeOutbox(l.notices)
	s.audit.Notify(ctx, event)
	return nil
}

// VerifyEmail spends an emailed link, or the code beside it. The address that the email was
// sent to is then proven. For a change of address it replaces the old one. VerifyEmail
// neither starts nor changes a session.
//
// The link proves only the mailbox, and its reader may not be the user who made the
// account. So the caller must also prove the account: by claims of a live session of the
// link's user, or by the password. claims may be nil, and those of [Operator.Impersonate]
// prove nothing. The password counts as in a sign-in. Nothing is spent on an error. The
// owner of a mailbox who does not know the password requests a reset
// ([Service.SendPasswordReset]), which removes the earlier password.
//
// Errors: a [*FieldError]; [ErrInvalidToken] if the link is unknown, used, expired
// or void, or its user is disabled, or the new address has become another user's
// login id; [ErrInvalidCode] if the code is wrong, or is older than ten minutes, or its link
// is void; [ErrInvalidSession] or [ErrForbidden] for a code without a login id;
// [ErrPasswordRequired] if there is neither a session nor a password;
// [ErrInvalidCredentials] if the password is wrong; a [*LimitError]; [ErrConflict] if
// concurrent calls invite the address again and again; [ErrUnavailable].
func (s *Service) VerifyEmail(ctx context.Context, claims *token.Claims, in VerifyEmailParams, c Client) (User, error) {
	if in.Password != "" {
		if err := s.checkPasswordInput("password", in.Password); err != nil {
			return User{}, err
		}
	}
	digits, err := checkEmailProof(in.Token, in.LoginID, in.Code)
	if err != nil {
		return User{}, err
	}
	t, account, err := s.lookUpVerification(ctx, claims, in, digits, c)
	if err != nil {
		return User{}, err
	}
	if err := s.authorizeVerification(ctx, claims, account, in.Password, c); err != nil {
		return User{}, err
	}
	if t.Purpose == store.PurposeChangeEmail {
		return s.completeEmailChange(ctx, t, account, c)
	}
	var u User
	events := []Event{s.newEvent(EventEmailVerified, t.UserID, "", "", c)}
	events, err = s.withInvitation(ctx, t.Email, t.UserID, c, events, func(i store.Invitation, events []Event) (err error) {
		u, err = s.store.VerifyEmail(ctx, s.tokenSpend(t, i), store.Effects{Events: events})
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return User{}, s.refuseToken(ctx, t.UserID, c)
	}
	if err != nil {
		return User{}, err
	}
	s.audit.Notify(ctx, events...)
	return u, nil
}

// authorizeVerification requires a live session of the account, or its password.
func (s *Service) authorizeVerification(ctx context.Context, claims *token.Claims, account store.Account, pw Secret, c Client) error {
	signedIn, err := s.hasLiveSession(ctx, claims, account.User.ID)
	switch {
	case err != nil || signedIn:
		return err
	case pw == "":
		return ErrPasswordRequired
	}
	return s.verifyAccountPassword(ctx, account, pw, c)
}

// completeEmailChange replaces the user's address by the one that the token proves.
func (s *Service) completeEmailChange(ctx context.Context, t store.OneTimeToken, account store.Account, c Client) (User, error) {
	oldCanonical, err := canonicalLoginID(t.Email, true)
	if err != nil {
		oldCanonical = ""
	}
	newCanonical, err := canonicalLoginID(t.NewEmail, true)
	if err != nil {
		return User{}, s.refuseToken(ctx, t.UserID, c)
	}
	ctx, cancel := background.Uncanceled(ctx) // a client that hangs up must not use up the owner's notices
	defer cancel()
	notice, err := s.prepareNotice(ctx, account.User, Message{Kind: MessageEmailChanged}, c)
	if err != nil {
		return User{}, err
	}
	var u User
	events := []Event{s.newEvent(EventEmailChanged, t.UserID, "", "", c)}
	events, err = s.withInvitation(ctx, t.NewEmail, t.UserID, c, events, func(i store.Invitation, events []Event) (err error) {
		u, err = s.store.ChangeEmail(ctx, s.tokenSpend(t, i), oldCanonical, newCanonical, store.Effects{Events: events, Emails: notice})
		return err
	})
	if err != nil && len(notice) > 0 {
		s.releaseUnlessHungUp(ctx, s.noticeLimit(account.User)) // nothing was sent
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrLoginIDTaken) {
		return User{}, s.refuseToken(ctx, t.UserID, c)
	}
	if err != nil {
		return User{}, err
	}
	s.wakeOutbox(notice)
	s.audit.Notify(ctx, events...)
	return u, nil
}

// ChangeEmail requests another address for the user. It requires the current password, and
// counts it as in a sign-in. A user without a password ([Service.HasPassword]) has to set
// one with an emailed link first ([Service.SendPasswordReset]), or, if the present address
// is not verified, needs a sign-in at most [SessionConfig.Recent] ago. The address changes
// when the user follows the link that the new address gets ([Service.VerifyEmail]). The old
// address gets a notice at once. Until then [Service.PendingEmail] returns the change, and
// [Service.CancelEmailChange] cancels it. A request for another address replaces an earlier
// one.
//
// If the new address is another user's login id, that user gets a notice instead of
// the link. If the new address had too many emails, no link is sent. In both cases
// the result is the same, and so is the notice to the old address, so that neither
// reveals anything about the new address.
//
// Errors: a [*FieldError] or [*InputErrors], also for the current address;
// [ErrInvalidSession]; [ErrForbidden] in a reset session or one of [Operator.Impersonate];
// [ErrRecentSignInRequired] if a user without a password signed in too long ago;
// [ErrInvalidCredentials] if CurrentPassword is wrong; an [*EmailProofError] if a session
// alone has set it less than 24 hours ago, or if the user has a verified address and no
// password; a [*LimitError], also if the user has requested too many changes in this hour;
// [ErrUnavailable].
func (s *Service) ChangeEmail(ctx context.Context, claims *token.Claims, in ChangeEmailParams, c Client) error {
	in.NewEmail = loginid.Trim(in.NewEmail)
	canonical, badEmail := canonicalEmail("newEmail", in.NewEmail, s.cfg.UnicodeLoginIDs)
	var badPassword error
	if in.CurrentPassword != "" {
		badPassword = s.checkPasswordInput("currentPassword", in.CurrentPassword)
	}
	if err := inputErrors(badEmail, badPassword); err != nil {
		return err
	}
	account, session, err := s.fullSession(ctx, claims)
	if err != nil {
		return err
	}
	if in.NewEmail == account.User.Email {
		return &FieldError{"newEmail", "not_allowed", "must be another address than the present one"}
	}
	if in.CurrentPassword == "" && account.Password.State == store.PasswordNone && account.User.EmailVerified {
		return &EmailProofError{} // a stolen session would take the account for good
	}
	if err := s.authorizeByPassword(ctx, account, claims, in.CurrentPassword, c); err != nil {
		return err
	}
	u := account.User
	owner, err := s.store.AccountByLoginID(ctx, canonical)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return s.storeError(err)
	}
	taken := err == nil && owner.User.ID != u.ID
	links := s.linksPerHour(u.ID, store.PurposeChangeEmail)
	if _, err := s.takeLimitsOrError(ctx, c, links); err != nil {
		return err
	}
	ctx, cancel := background.Uncanceled(ctx) // as in completeEmailChange
	defer cancel()
	notice, err := s.prepareNotice(ctx, u, Message{Kind: MessageEmailChanging}, c)
	if err != nil {
		s.releaseAfterOutage(ctx, &err, links)
		return err
	}
	now, raw := s.now(), randomString(32)
	t := store.OneTimeToken{
		Hash: hashOf(raw), UserID: u.ID, Purpose: store.PurposeChangeEmail, Email: u.Email, NewEmail: in.NewEmail,
		PasswordVersion: account.Password.Version, CreatedAt: now, ExpiresAt: now.Add(s.cfg.VerifyLifetime),
	}
	l := linkEmail{to: in.NewEmail, notices: notice, Message: forUser(u, Message{
		Kind: MessageChangeEmail, Link: linkWithToken(s.Links().VerifyEmail, raw), Code: s.addCode(&t), At: now, ExpiresAt: t.ExpiresAt,
	}, c)}
	event := s.newEvent(EventEmailChangeRequested, u.ID, session.ID, "", c)
	if taken {
		event.Reason = "login_id_taken"
		l = emailToOwner(l, owner.User, c)
	}
	err = s.sendLink(ctx, t, l, event, c)
	if err != nil && len(notice) > 0 {
		s.releaseUnlessHungUp(ctx, s.noticeLimit(u)) // nothing was sent
	}
	return err
}

// emailToOwner turns the email to a new address into a notice to the user who has
// that address as a login id. The token is stored without being sent, so that the
// caller's change is pending like any other.
func emailToOwner(l linkEmail, owner User, c Client) linkEmail {
	l.Message = forUser(owner, Message{Kind: MessageAlreadyRegistered}, c)
	if owner.Email != "" && owner.EmailVerified && owner.Status == StatusEnabled {
		l.to = owner.Email
	} else {
		l.suppressed = true
	}
	return l
}

// PendingEmail is a change of address that was not confirmed yet.
type PendingEmail struct {
	// Address is the new address. It is empty if no change is pending.
	Address string
	// ExpiresAt is when the newest link to Address expires.
	ExpiresAt time.Time
}

// PendingEmail returns the change of address that the user has requested and not
// confirmed yet, and the zero PendingEmail if there is none. It is the same whether
// or not an email was sent, so it reveals nothing about the address.
//
// Errors: [ErrUnavailable].
func (s *Service) PendingEmail(ctx context.Context, userID string) (PendingEmail, error) {
	open, err := s.store.UserTokens(ctx, userID, []store.Purpose{store.PurposeChangeEmail}, s.now())
	if err != nil || len(open) == 0 {
		return PendingEmail{}, s.storeError(err)
	}
	return PendingEmail{open[0].NewEmail, open[0].ExpiresAt}, nil
}

// CancelEmailChange cancels a change of address that was not confirmed yet. Its
// links become void.
//
// Errors: [ErrInvalidSession]; [ErrForbidden] in a reset session or one of
// [Operator.Impersonate]; [ErrNotFound] if no change is pending; [ErrUnavailable].
func (s *Service) CancelEmailChange(ctx context.Context, claims *token.Claims, c Client) error {
	account, session, err := s.fullSession(ctx, claims)
	if err != nil {
		return err
	}
	e := s.newEvent(EventEmailChangeCancelled, account.User.ID, session.ID, "", c)
	err = s.store.DropTokens(ctx, account.User.ID, store.PurposeChangeEmail, s.now(), store.Effects{Events: []Event{e}})
	if err != nil {
		return s.storeError(err)
	}
	s.audit.Notify(ctx, e)
	return nil
}
