package usher

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/outbox"
	"github.com/usherkit/usher/store"
)

// MessageKind is the kind of an email.
type MessageKind string

// The emails that the Service sends.
const (
	// MessageVerifyEmail asks the user to confirm the address. It has a link.
	MessageVerifyEmail MessageKind = "verify_email"
	// MessageAlreadyRegistered notifies the owner of an address that another client
	// tried to sign up with it, or to move an account to it.
	MessageAlreadyRegistered MessageKind = "already_registered"
	// MessageResetPassword has the link that sets a new password.
	MessageResetPassword MessageKind = "reset_password"
	// MessageConfirmAndReset has the same link for an unconfirmed address. The link
	// also proves the address, and removes the password and the sessions of an
	// earlier holder of the account.
	MessageConfirmAndReset MessageKind = "confirm_and_reset"
	// MessagePasswordChanged notifies the user that the password was changed.
	MessagePasswordChanged MessageKind = "password_changed"
	// MessageChangeEmail asks the owner of the new address to confirm it. It has a
	// link.
	MessageChangeEmail MessageKind = "change_email"
	// MessageEmailChanging notifies the old address that a change was requested.
	MessageEmailChanging MessageKind = "email_changing"
	// MessageEmailChanged notifies the old address that the change is complete.
	MessageEmailChanged MessageKind = "email_changed"
	// MessageLoginIDsChanged notifies the user that an operator has replaced the login ids.
	MessageLoginIDsChanged MessageKind = "login_ids_changed"
	// MessageSignInNotice notifies the user that the right password was given after several
	// failures, at a sign-in or at another call that checks it.
	MessageSignInNotice MessageKind = "sign_in_notice"
	// MessagePasswordLocked notifies the user that failed attempts have disabled the
	// password for unknown browsers.
	MessagePasswordLocked MessageKind = "password_locked"
	// MessagePasswordBreached notifies the user that the password, which was right at a
	// sign-in, is in a list of leaked passwords.
	MessagePasswordBreached MessageKind = "password_breached"
	// MessageAccountDeleted confirms that the user has deleted the account.
	MessageAccountDeleted MessageKind = "account_deleted"
	// MessageInvitation has the link of an invitation ([Operator.Invite]).
	MessageInvitation MessageKind = "invitation"
)

// Message is the content of one email, not yet rendered. Package mail renders it.
type Message struct {
	// ID is the same for every attempt to deliver the message.
	ID string
	// Name is the program's name ([Config.Name]).
	Name string
	// Kind is the kind of email.
	Kind MessageKind
	// UserID is the id of the user that the email is about. It is empty for an invitation
	// of an address without a user.
	UserID string
	// To is the recipient: the address stored with the account; for
	// MessageChangeEmail the new address, and for MessageInvitation the invited one.
	To string
	// Link is the URL of the emailed link, for the kinds that have one. It is a
	// secret.
	Link Secret
	// Code is the six-digit code beside the link, for the kinds that have one, or empty. It
	// is a secret. Do not put it into the subject, which phones show while they are locked.
	Code Secret
	// CodeExpiresAt is when Code expires. It is zero without a code.
	CodeExpiresAt time.Time
	// ExpiresAt is when Link expires. It is zero without a link.
	ExpiresAt time.Time
	// At is when the event that the email reports took place.
	At time.Time
	// Address and UserAgent describe the client that caused the email. Language is the
	// language of the reader: a BCP 47 tag, the value of an Accept-Language header, or
	// empty. All three are untrusted text and may be empty.
	Address, UserAgent, Language string
}

// Mailer delivers emails. The Service calls Send outside of any request. An
// instance calls it for up to four messages at the same time, and for each message
// in only one instance at a time.
//
// If Send returns an error, the Service calls it again later with the same message.
// An error with a method Permanent() bool that returns true is final. ctx ends
// after a minute.
type Mailer interface {
	Send(ctx context.Context, m Message) error
}

// MailerFunc is a function that implements [Mailer].
type MailerFunc func(ctx context.Context, m Message) error

// Send calls f.
func (f MailerFunc) Send(ctx context.Context, m Message) error { return f(ctx, m) }

// sealedMessage is the content of a row of the outbox, before it is sealed.
type sealedMessage struct {
	Kind               MessageKind `json:"k"`
	UserID             string      `json:"u,omitempty"`
	To                 string      `json:"to"`
	Link               string      `json:"l,omitempty"`
	Code               string      `json:"c,omitempty"`
	ExpiresAt          time.Time   `json:"x,omitzero"`
	At                 time.Time   `json:"at"`
	Address, UserAgent string      `json:",omitempty"`
	Language           string      `json:"lang,omitempty"`
}

// forUser adds the user and the language to a message. The language is the user's,
// because the requesting client may be untrusted. If it is not known, an email with
// a link has the language of the requesting client and a notice has none.
func forUser(u User, m Message, c Client) Message {
	m.UserID, m.Language = u.ID, u.Language
	if m.Language == "" && m.Link != "" {
		m.Language = clientLanguage(c)
	}
	return m
}

// clientLanguage returns the language of a client in the form that the store keeps.
func clientLanguage(c Client) string { return logs.Clean(c.Language, 128) }

// prepareEmail returns the row for one email. It returns none if the address has
// had too many emails in this hour or the outbox is full; the caller's answer must
// stay the same then.
//
// One email of the hour stays reserved for a reset. Any client can cause emails of
// other kinds, by signing up with the address, and must not keep the owner from a
// new password that way.
func (s *Service) prepareEmail(ctx context.Context, address string, m Message, c Client) ([]store.QueuedEmail, error) {
	limit := s.sharedEmailLimit(address)
	refused := "bad_address"
	if _, err := canonicalLoginID(address, true); err == nil {
		if refused, err = s.countEmail(ctx, c, limit); err != nil {
			return nil, err
		}
	}
	if refused != "" {
		s.reportDroppedEmail(ctx, m, refused, c)
		return nil, nil
	}
	return s.sealEmail(address, m, c), nil
}

// sharedEmailLimit is emailLimit without the email that is reserved for a reset.
func (s *Service) sharedEmailLimit(address string) namedLimit {
	limit := s.emailLimit(address)
	limit.Max = max(1, limit.Max-1)
	return limit
}

// releaseEmail releases an email that prepareEmail has counted and that was not sent.
func (s *Service) releaseEmail(ctx context.Context, u User, queued []store.QueuedEmail) {
	if len(queued) > 0 {
		s.releaseUnlessHungUp(ctx, s.emailLimit(u.Email))
	}
}

// countEmailEvenly counts one email on all limits, and returns the reason if it must not
// be sent; the caller then releases them in its own transaction. Unlike countEmail it
// makes the same round trips to the store in both cases, because a sign-up that is
// confirmed first must not reveal whether the login id is taken.
func (s *Service) countEmailEvenly(ctx context.Context, to string, limits []namedLimit) (refused string, err error) {
	waiting, err := s.store.EmailCount(ctx)
	if err != nil {
		return "", s.storeError(err)
	}
	open := slices.Clone(limits)
	for i := range open {
		open[i].Max = math.MaxInt32
	}
	counts, _, err := s.takeLimits(ctx, open...)
	if err != nil {
		return "", err
	}
	for i, n := range counts {
		if n > limits[i].Max {
			refused = "too_many_mails"
		}
	}
	if waiting >= s.cfg.Limits.OutboxSize {
		refused = "queue_full"
	}
	if _, err := canonicalLoginID(to, true); err != nil {
		refused = "bad_address"
	}
	return refused, nil
}

// countEmail counts one email against all limits, and returns the reason if it must
// not be sent.
func (s *Service) countEmail(ctx context.Context, c Client, limits ...namedLimit) (refused string, err error) {
	waiting, err := s.store.EmailCount(ctx)
	if err != nil {
		return "", s.storeError(err)
	}
	if waiting >= s.cfg.Limits.OutboxSize {
		return "queue_full", nil
	}
	var limited *LimitError
	if _, err := s.takeLimitsOrError(ctx, c, limits...); errors.As(err, &limited) {
		return "too_many_mails", nil
	} else if err != nil {
		return "", err
	}
	return "", nil
}

// dummyEmailLimits returns the limits on emails to a login id that gets none, as many as
// resetEmailLimits has.
func (s *Service) dummyEmailLimits(canonical string) []namedLimit {
	return []namedLimit{
		s.hourlyLimit(limitResetEmails, s.cfg.Limits.ResetEmails, "", canonical),
		s.hourlyLimit(limitEmails, s.cfg.Limits.Emails, "", canonical),
	}
}

// dummyLimits returns as many limits, which do not exist.
func dummyLimits(limits []namedLimit) []namedLimit {
	limits = slices.Clone(limits)
	for i := range limits {
		limits[i].Key = "none " + limits[i].Key
	}
	return limits
}

// noticesPerHour is how many notices of changes one account gets in an hour.
const noticesPerHour = 20

// prepareNotice returns the row for a notice that the password or the address was changed,
// or the account deleted. A proven address gets it however many other emails it had, up to
// noticesPerHour, so that a user cannot fill the outbox by endless changes. An address that
// was not proven may be another person's, so the limits of other emails apply to it.
func (s *Service) prepareNotice(ctx context.Context, u User, m Message, c Client) ([]store.QueuedEmail, error) {
	m = forUser(u, m, c)
	switch {
	case u.Email == "":
		return nil, nil
	case !u.EmailVerified:
		return s.prepareEmail(ctx, u.Email, m, c)
	}
	var limited *LimitError
	_, err := s.takeLimitsOrError(ctx, c, s.noticeLimit(u))
	if errors.As(err, &limited) {
		s.reportDroppedEmail(ctx, m, "too_many_notices", c)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.sealEmail(u.Email, m, c), nil
}

// notifyOfLock emails the owner that failed attempts have disabled the password, at most
// once a day. It does so in the background, because the attempt must do the same work as
// one that locks nothing. recorded is false for an attempt at a password that is locked
// already: if nobody was notified, because the attempt that would have locked it was given
// up, or because operators have lowered the limit, the event is stored as well.
func (s *Service) notifyOfLock(ctx context.Context, a *attempt, recorded bool) {
	u, c := a.account.User, a.client
	if !recorded && s.lockNotices.Count(s.now(), u.ID) > 0 {
		return
	}
	s.enqueue(ctx, "notify of a locked password", func(ctx context.Context) error {
		limit := s.hourlyLimit(limitNotices, 1, "lock", u.ID)
		limit.Window = 24 * time.Hour
		_, refused, err := s.takeLimits(ctx, limit)
		if err != nil {
			return err
		}
		var fx store.Effects
		if refused == nil && !recorded {
			fx.Events = []Event{s.newEvent(EventPasswordLocked, u.ID, "", "", c)}
		}
		if refused == nil && u.Email != "" && u.EmailVerified && u.Status == StatusEnabled {
			fx.Emails = s.sealEmail(u.Email, forUser(u, Message{Kind: MessagePasswordLocked}, c), c)
		}
		if len(fx.Events)+len(fx.Emails) > 0 {
			if err := s.store.Record(ctx, fx); err != nil {
				s.releaseUnlessHungUp(ctx, limit) // nothing was sent
				return s.storeError(err)
			}
		}
		s.lockNotices.Add(s.now(), u.ID, 1)
		s.wakeOutbox(fx.Emails)
		s.audit.Notify(ctx, fx.Events...)
		return nil
	})
}

// noticeLimit returns the limit that prepareNotice counts on.
func (s *Service) noticeLimit(u User) namedLimit {
	if u.EmailVerified {
		return s.hourlyLimit(limitNotices, noticesPerHour, u.ID)
	}
	return s.emailLimit(u.Email)
}

// reportDroppedEmail reports an email that will not be sent.
func (s *Service) reportDroppedEmail(ctx context.Context, m Message, reason string, c Client) {
	s.cfg.Logger.Warn("usher: email dropped", "kind", m.Kind, "user_id", m.UserID, "reason", reason)
	s.audit.Notify(ctx, s.newEvent(EventEmailDropped, m.UserID, "", reason+" "+string(m.Kind), c))
}

// sealEmail returns the row for an email. If m.At is zero, it is the current time. The
// caller sets it for a message with a link, to the time at which the link was made,
// because the email states how long the link is valid. The client of an operator is not in it.
func (s *Service) sealEmail(address string, m Message, c Client) []store.QueuedEmail {
	now := s.now()
	sealed := sealedMessage{
		Kind: m.Kind, UserID: m.UserID, To: address, Link: m.Link.Reveal(), Code: m.Code.Reveal(), ExpiresAt: m.ExpiresAt, At: cmp.Or(m.At, now),
		Language: m.Language,
	}
	if c.actor == "" {
		sealed.UserAgent = logs.Clean(c.UserAgent, 256)
		if c.Address.IsValid() {
			sealed.Address = c.Address.String()
		}
	}
	plain, err := json.Marshal(sealed)
	if err != nil {
		s.cfg.Logger.Error("usher: email cannot be encoded", "kind", m.Kind, "error", err)
		return nil
	}
	id := randomString(16)
	return []store.QueuedEmail{{ID: id, Sealed: s.emailBox.Seal(plain, id), CreatedAt: now, NotBefore: now}}
}

// wakeOutbox makes the outbox deliver emails that were just stored.
func (s *Service) wakeOutbox(queued []store.QueuedEmail) {
	if len(queued) > 0 {
		s.outbox.Wake()
	}
}

// deliver makes one attempt to pass a queued email to the Mailer. An email that
// cannot be opened may come from an instance that already has a newer secret; that
// instance sends it.
func (s *Service) deliver(ctx context.Context, q store.QueuedEmail) (outbox.EmailInfo, error) {
	m, err := s.openEmail(q)
	if err != nil {
		return outbox.EmailInfo{}, err
	}
	info := outbox.EmailInfo{Kind: string(m.Kind), UserID: m.UserID}
	if !m.ExpiresAt.IsZero() && !s.now().Before(m.ExpiresAt) {
		return info, &outbox.GiveUpError{Reason: "link_expired"}
	}
	if !s.now().Before(m.CodeExpiresAt) {
		m.Code, m.CodeExpiresAt = "", time.Time{} // the link is still valid
	}
	err = background.Guard(func() error { return s.cfg.Mailer.Send(ctx, m) })
	var permanent interface{ Permanent() bool }
	if errors.As(err, &permanent) && permanent.Permanent() {
		return info, &outbox.GiveUpError{Reason: "refused", Err: err}
	}
	return info, err
}

// openEmail returns the message of a row.
func (s *Service) openEmail(q store.QueuedEmail) (Message, error) {
	plain, err := s.emailBox.Open(q.Sealed, q.ID)
	if err != nil {
		return Message{}, err
	}
	var m sealedMessage
	if err := json.Unmarshal(plain, &m); err != nil {
		return Message{}, err
	}
	codeExpiresAt := time.Time{}
	if m.Code != "" {
		codeExpiresAt = earlier(m.At.Add(codeLifetime), m.ExpiresAt)
	}
	return Message{
		ID: q.ID, Name: s.cfg.Name, Kind: m.Kind, UserID: m.UserID, To: m.To, Link: Secret(m.Link), ExpiresAt: m.ExpiresAt,
		Code: Secret(m.Code), CodeExpiresAt: codeExpiresAt,
		At: m.At, Address: m.Address, UserAgent: m.UserAgent, Language: m.Language,
	}, nil
}
