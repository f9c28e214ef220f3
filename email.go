package usher

import (
	"context"
	"errors"

	"github.com/usherkit/usher/token"
)

// ChangeEmail is what a signed-in person gives to change the address.
type ChangeEmail struct {
	// NewEmail is the address to move to. Required.
	NewEmail string
	// CurrentPassword proves who asks. Required.
	CurrentPassword Secret
}

// SendEmailVerification mails another link that proves the stored address. An
// address that is verified already, or that got too many mails, gets none: the
// answer is the same.
func (s *Service) SendEmailVerification(ctx context.Context, claims *token.Claims, c Client) error {
	account, _, err := s.signedIn(ctx, claims)
	if err != nil {
		return err
	}
	return s.sendVerification(ctx, account, c)
}

func (s *Service) sendVerification(ctx context.Context, account Account, c Client) error {
	u, now := account.User, s.now()
	if u.Email == "" || u.EmailVerified {
		return nil
	}
	raw := random(32)
	t := OneTimeToken{
		Hash: hashOf(raw), UserID: u.ID, Purpose: PurposeVerifyEmail, Email: u.Email,
		PasswordVersion: account.Password.Version, CreatedAt: now, ExpiresAt: now.Add(s.cfg.VerifyLife),
	}
	m := Message{Kind: MessageVerifyEmail, Link: s.pageLink("verify", raw), ExpiresAt: t.ExpiresAt}
	event := s.newEvent(EventEmailVerifyRequested, u.ID, "", "", c)
	return s.sendLink(ctx, t, u.Email, m, event, c)
}

// sendLink stores a one-time token, the mail with its link and the event in
// one step. When the address has had too many mails, or too many links are
// open, only the event happens.
func (s *Service) sendLink(ctx context.Context, t OneTimeToken, to string, m Message, event Event, c Client, also ...QueuedMail) error {
	quiet := func(reason string) error {
		event.Reason = reason
		s.record(ctx, event)
		return nil
	}
	mail, err := s.mailTo(ctx, to, m, c)
	if err != nil {
		return err
	}
	if len(mail) == 0 {
		return quiet("too_many_mails")
	}
	fx := Effects{Events: []Event{event}, Mail: append(also, mail...)}
	err = s.store.AddOneTimeToken(ctx, t, maxOpenTokens, fx)
	if err != nil {
		s.giveBack(ctx, s.mailLimit(to)) // nothing was sent
	}
	if errors.Is(err, ErrConflict) {
		return quiet("too_many_links")
	}
	if err != nil {
		return s.outage(err)
	}
	s.queued(fx.Mail)
	s.announce(ctx, event)
	return nil
}

// VerifyEmail spends a mailed link: the address it was sent to is proven, and
// for a change of address it takes the old one's place. It neither starts nor
// changes any session. ErrInvalidToken if the link is unknown, spent, too old
// or void, or if the new address has become somebody else's login id.
func (s *Service) VerifyEmail(ctx context.Context, raw Secret, c Client) (User, error) {
	t, err := s.openToken(ctx, raw, c, PurposeVerifyEmail, PurposeChangeEmail)
	if err != nil {
		return User{}, err
	}
	if t.Purpose == PurposeChangeEmail {
		return s.completeChange(ctx, t, c)
	}
	e := s.newEvent(EventEmailVerified, t.UserID, "", "", c)
	u, err := s.store.VerifyEmail(ctx, s.spend(t), Effects{Events: []Event{e}})
	if errors.Is(err, ErrNotFound) {
		return User{}, s.refuseToken(ctx, t.UserID, c)
	}
	if err != nil {
		return User{}, s.outage(err)
	}
	s.announce(ctx, e)
	return u, nil
}

func (s *Service) spend(t OneTimeToken) TokenSpend {
	return TokenSpend{Hash: t.Hash, Purposes: []Purpose{t.Purpose}, Now: s.now()}
}

func (s *Service) completeChange(ctx context.Context, t OneTimeToken, c Client) (User, error) {
	oldCanonical, err := CanonicalLoginID(t.Email, true)
	if err != nil {
		oldCanonical = ""
	}
	newCanonical, err := CanonicalLoginID(t.NewEmail, true)
	if err != nil {
		return User{}, s.refuseToken(ctx, t.UserID, c)
	}
	e := s.newEvent(EventEmailChanged, t.UserID, "", "", c)
	fx := Effects{Events: []Event{e}}
	if t.Email != "" {
		fx.Mail = s.noticeTo(User{Email: t.Email}, Message{Kind: MessageEmailChanged}, c)
	}
	u, err := s.store.ChangeEmail(ctx, s.spend(t), oldCanonical, newCanonical, fx)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrLoginIDTaken) {
		return User{}, s.refuseToken(ctx, t.UserID, c)
	}
	if err != nil {
		return User{}, s.outage(err)
	}
	s.queued(fx.Mail)
	s.announce(ctx, e)
	return u, nil
}

// ChangeEmail asks for another address. The current password is demanded and
// counts as in sign-in. Nothing moves before the new address has confirmed: it
// gets a link, and the old one is told. If the new address is somebody's login
// id, that person is told instead; the answer is the same.
func (s *Service) ChangeEmail(ctx context.Context, claims *token.Claims, in ChangeEmail, c Client) error {
	canonical, err := canonicalEmail("newEmail", in.NewEmail, s.cfg.UnicodeLoginIDs)
	if err != nil {
		return err
	}
	account, session, err := s.signedIn(ctx, claims)
	if err != nil {
		return err
	}
	if in.CurrentPassword == "" {
		return ErrRecentSignInRequired
	}
	if err := s.proveCurrent(ctx, &account, in.CurrentPassword, c); err != nil {
		return err
	}
	u := account.User
	event := s.newEvent(EventEmailChangeRequested, u.ID, session.ID, "", c)
	owner, err := s.store.AccountByLoginID(ctx, canonical)
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return s.outage(err)
	case err == nil && owner.User.ID != u.ID:
		return s.tellOwner(ctx, owner.User, event, c)
	}
	now, raw := s.now(), random(32)
	t := OneTimeToken{
		Hash: hashOf(raw), UserID: u.ID, Purpose: PurposeChangeEmail, Email: u.Email, NewEmail: in.NewEmail,
		PasswordVersion: account.Password.Version, CreatedAt: now, ExpiresAt: now.Add(s.cfg.VerifyLife),
	}
	m := Message{Kind: MessageChangeEmail, Link: s.pageLink("verify", raw), ExpiresAt: t.ExpiresAt}
	var notice []QueuedMail
	if u.Email != "" {
		notice = s.noticeTo(u, Message{Kind: MessageEmailChanging}, c)
	}
	return s.sendLink(ctx, t, in.NewEmail, m, event, c, notice...)
}

// tellOwner tells the owner of an address that somebody tried to move to it.
func (s *Service) tellOwner(ctx context.Context, owner User, event Event, c Client) error {
	event.Reason = "login_id_taken"
	fx := Effects{Events: []Event{event}}
	if owner.Email != "" && owner.EmailVerified && owner.Status == StatusEnabled {
		var err error
		if fx.Mail, err = s.mailTo(ctx, owner.Email, Message{Kind: MessageAlreadyRegistered}, c); err != nil {
			return err
		}
	}
	if err := s.store.Record(ctx, fx); err != nil {
		return s.outage(err)
	}
	s.queued(fx.Mail)
	s.announce(ctx, event)
	return nil
}
