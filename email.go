package usher

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// ChangeEmail is what a signed-in person gives to change the address.
type ChangeEmailParams struct {
	// NewEmail is the address to move to. Required.
	NewEmail string
	// CurrentPassword proves who asks. Required.
	CurrentPassword Secret
}

// VerifyEmail is what the holder of a mailed link gives.
type VerifyEmailParams struct {
	// Token is the link's. Required.
	Token Secret
	// Password is the account's. It may be left out in a session of that very
	// user, and is not looked at there.
	Password Secret
}

// SendEmailVerification mails another link that proves the stored address. The
// newest three links are good. An address that is verified already gets none and
// is no error. An account that has asked too often in this hour is a [*LimitError].
// That the address had too many mails, whoever asked for them, is not told: nobody
// has proven that it is the caller's.
func (s *Service) SendEmailVerification(ctx context.Context, claims *token.Claims, c Client) error {
	account, _, err := s.fullSession(ctx, claims)
	if err != nil {
		return err
	}
	return s.sendVerification(ctx, account, c)
}

// linksAnHour is the limit on links of a purpose that one account asks for. It is
// never more than what an address gets that had one mail before, such as that of
// the sign-up, so that its owner is told of this limit and does not meet the other.
func (s *Service) linksPerHour(userID string, p store.Purpose) namedLimit {
	return s.hourlyLimit(limitLinks, max(1, s.cfg.Limits.Emails-2), userID, string(p))
}

func (s *Service) sendVerification(ctx context.Context, account store.Account, c Client) error {
	u := account.User
	if u.Email == "" || u.EmailVerified {
		return nil
	}
	if _, err := s.takeOrRefuse(ctx, c, s.linksPerHour(u.ID, store.PurposeVerifyEmail)); err != nil {
		return err
	}
	now, raw := s.now(), randomString(32)
	t := store.OneTimeToken{
		Hash: hashOf(raw), UserID: u.ID, Purpose: store.PurposeVerifyEmail, Email: u.Email,
		PasswordVersion: account.Password.Version, CreatedAt: now, ExpiresAt: now.Add(s.cfg.VerifyLifetime),
	}
	m := forUser(u, Message{Kind: MessageVerifyEmail, Link: s.pageLink("verify", raw), At: now, ExpiresAt: t.ExpiresAt}, c)
	event := s.newEvent(EventEmailVerifyRequested, u.ID, "", "", c)
	return s.sendLink(ctx, t, linkEmail{to: u.Email, Message: m}, event, c)
}

// letter is the mail of a one-time token.
type linkEmail struct {
	to string
	Message
	// unsent is counted like any other, and does not go out.
	suppressed bool
	// also goes out in any case.
	notices []store.QueuedEmail
}

// sendLink stores a one-time token, its mail and the event in one step; the oldest
// one above maxOpenTokens goes. When the address has had too many mails, or the
// account is another one by now, only the event and the mails in also happen.
func (s *Service) sendLink(ctx context.Context, t store.OneTimeToken, l linkEmail, event Event, c Client) error {
	mail, err := s.prepareEmail(ctx, l.to, l.Message, c)
	if err != nil {
		return err
	}
	switch {
	case len(mail) > 0:
	case t.Purpose == store.PurposeChangeEmail:
		// The change is under way all the same: whether it is must not tell what
		// mail the address gets.
		event.Reason = cmp.Or(event.Reason, "too_many_mails")
	default:
		return s.recordWithoutLink(ctx, t, l, event, "too_many_mails")
	}
	if l.suppressed {
		mail = nil
	}
	fx := store.Effects{Events: []Event{event}, Emails: append(l.notices, mail...)}
	err = s.store.AddOneTimeToken(ctx, store.TokenAddition{Token: t, MaxOpen: maxOpenTokens, DropOldest: true, Effects: fx})
	if err != nil {
		s.releaseLimits(ctx, s.emailLimit(l.to), s.linksPerHour(t.UserID, t.Purpose)) // nothing was sent
	}
	if errors.Is(err, ErrConflict) {
		return s.recordWithoutLink(ctx, t, l, event, "changed_meanwhile")
	}
	if err != nil {
		return s.storeError(err)
	}
	s.wakeOutbox(fx.Emails)
	s.audit.Notify(ctx, event)
	return nil
}

// sendNoLink is what is left of sendLink where there is no link.
func (s *Service) recordWithoutLink(ctx context.Context, t store.OneTimeToken, l linkEmail, event Event, reason string) error {
	event.Reason = cmp.Or(event.Reason, reason)
	if len(l.notices) == 0 {
		s.audit.StoreSparsely(ctx, string(t.Purpose)+" "+t.UserID, event)
		return nil
	}
	if err := s.store.Record(ctx, store.Effects{Events: []Event{event}, Emails: l.notices}); err != nil {
		return s.storeError(err)
	}
	s.wakeOutbox(l.notices)
	s.audit.Notify(ctx, event)
	return nil
}

// verifyPurposes are those of tokens that prove an address.
var verifyPurposes = []store.Purpose{store.PurposeVerifyEmail, store.PurposeChangeEmail}

// VerifyEmail spends a mailed link: the address it was sent to is proven, and
// for a change of address it takes the old one's place. It neither starts nor
// changes any session.
//
// The link proves the mailbox alone, and who reads it need not be who made the
// account. So it counts only from who holds the account as well: claims, which
// may be nil, are of a live session of that very user, or the password is right.
// The password counts as in sign-in, and a wrong one is ErrInvalidCredentials;
// ErrPasswordRequired if there is neither. Nothing is spent then. Whoever has the
// mailbox and no password asks for a reset ([Service.SendPasswordReset]), which
// drops the earlier one.
//
// ErrInvalidToken, before any of this, if the link is unknown, spent, too old or
// void or its user is disabled; and after it if the new address has become
// somebody else's login id.
func (s *Service) VerifyEmail(ctx context.Context, claims *token.Claims, in VerifyEmailParams, c Client) (User, error) {
	if in.Password != "" {
		if err := s.checkPasswordInput("password", in.Password); err != nil {
			return User{}, err
		}
	}
	t, account, err := s.lookUpLink(ctx, in.Token, c, verifyPurposes...)
	if err != nil {
		return User{}, err
	}
	if err := s.authorizeVerification(ctx, claims, account, in.Password, c); err != nil {
		return User{}, err
	}
	if t.Purpose == store.PurposeChangeEmail {
		return s.completeEmailChange(ctx, t, account, c)
	}
	e := s.newEvent(EventEmailVerified, t.UserID, "", "", c)
	u, err := s.store.VerifyEmail(ctx, s.tokenSpend(t), store.Effects{Events: []Event{e}})
	if errors.Is(err, ErrNotFound) {
		return User{}, s.refuseToken(ctx, t.UserID, c)
	}
	if err != nil {
		return User{}, s.storeError(err)
	}
	s.audit.Notify(ctx, e)
	return u, nil
}

// proveHolder demands a live session of the account, or its password.
func (s *Service) authorizeVerification(ctx context.Context, claims *token.Claims, account store.Account, pw Secret, c Client) error {
	own, err := s.hasLiveSession(ctx, claims, account.User.ID)
	switch {
	case err != nil || own:
		return err
	case pw == "":
		return ErrPasswordRequired
	}
	return s.verifyAccountPassword(ctx, account, pw, c)
}

// holds reports whether the claims are those of a live session of that very user.
// It asks the store: a token outlives its session.
func (s *Service) hasLiveSession(ctx context.Context, claims *token.Claims, userID string) (bool, error) {
	if claims == nil || claims.Subject != userID {
		return false, nil
	}
	_, _, err := s.fullSession(ctx, claims)
	if errors.Is(err, ErrInvalidSession) || errors.Is(err, ErrForbidden) {
		return false, nil
	}
	return err == nil, err
}

func (s *Service) tokenSpend(t store.OneTimeToken) store.TokenSpend {
	return store.TokenSpend{Hash: t.Hash, Purposes: []store.Purpose{t.Purpose}, Now: s.now()}
}

func (s *Service) completeEmailChange(ctx context.Context, t store.OneTimeToken, account store.Account, c Client) (User, error) {
	oldCanonical, err := canonicalLoginID(t.Email, true)
	if err != nil {
		oldCanonical = ""
	}
	newCanonical, err := canonicalLoginID(t.NewEmail, true)
	if err != nil {
		return User{}, s.refuseToken(ctx, t.UserID, c)
	}
	notice, err := s.prepareNotice(ctx, account.User, Message{Kind: MessageEmailChanged}, c)
	if err != nil {
		return User{}, err
	}
	e := s.newEvent(EventEmailChanged, t.UserID, "", "", c)
	fx := store.Effects{Events: []Event{e}, Emails: notice}
	u, err := s.store.ChangeEmail(ctx, s.tokenSpend(t), oldCanonical, newCanonical, fx)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrLoginIDTaken) {
		return User{}, s.refuseToken(ctx, t.UserID, c)
	}
	if err != nil {
		return User{}, s.storeError(err)
	}
	s.wakeOutbox(fx.Emails)
	s.audit.Notify(ctx, e)
	return u, nil
}

// ChangeEmail asks for another address. The current password is demanded and
// counts as in sign-in. Nothing moves before the new address has confirmed: it
// gets a link, and the old one is told; the present address is a [*FieldError].
// [Service.PendingEmail] shows the change until then, and
// [Service.CancelEmailChange] takes it back. A change that was asked for before, to
// another address, is void. If the new address is somebody's login id, that person
// is told instead; the answer, and what the caller finds in the mailbox, is the
// same. An account that has asked too often in this hour is a [*LimitError]; that
// the new address had too many mails is not told.
func (s *Service) ChangeEmail(ctx context.Context, claims *token.Claims, in ChangeEmailParams, c Client) error {
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
	if in.CurrentPassword == "" {
		return ErrRecentSignInRequired
	}
	if err := s.checkCurrentPassword(ctx, &account, in.CurrentPassword, c); err != nil {
		return err
	}
	u := account.User
	if _, err := s.takeOrRefuse(ctx, c, s.linksPerHour(u.ID, store.PurposeChangeEmail)); err != nil {
		return err
	}
	owner, err := s.store.AccountByLoginID(ctx, canonical)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return s.storeError(err)
	}
	taken := err == nil && owner.User.ID != u.ID
	notice, err := s.prepareNotice(ctx, u, Message{Kind: MessageEmailChanging}, c)
	if err != nil {
		return err
	}
	now, raw := s.now(), randomString(32)
	t := store.OneTimeToken{
		Hash: hashOf(raw), UserID: u.ID, Purpose: store.PurposeChangeEmail, Email: u.Email, NewEmail: in.NewEmail,
		PasswordVersion: account.Password.Version, CreatedAt: now, ExpiresAt: now.Add(s.cfg.VerifyLifetime),
	}
	l := linkEmail{to: in.NewEmail, notices: notice, Message: forUser(u, Message{
		Kind: MessageChangeEmail, Link: s.pageLink("verify", raw), At: now, ExpiresAt: t.ExpiresAt,
	}, c)}
	event := s.newEvent(EventEmailChangeRequested, u.ID, session.ID, "", c)
	if taken {
		event.Reason = "login_id_taken"
		l = emailToOwner(l, owner.User, c)
	}
	return s.sendLink(ctx, t, l, event, c)
}

// tellOwner turns the mail to a new address into one to the person whose login id
// it is already: somebody tried to move to it. The link goes to nobody then, and is
// stored all the same: the caller's change is under way like any other.
func emailToOwner(l linkEmail, owner User, c Client) linkEmail {
	l.Message = forUser(owner, Message{Kind: MessageAlreadyRegistered}, c)
	if owner.Email != "" && owner.EmailVerified && owner.Status == StatusEnabled {
		l.to = owner.Email
	} else {
		l.suppressed = true
	}
	return l
}

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
		return PendingEmail{}, s.storeError(err)
	}
	return PendingEmail{open[0].NewEmail, open[0].ExpiresAt}, nil
}

// CancelEmailChange takes back a change of address that has not been confirmed:
// its links are void. ErrNotFound if there is none.
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
