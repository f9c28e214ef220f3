package usher

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/outbox"
	"github.com/usherkit/usher/store"
)

// MessageKind says what a mail is about.
type MessageKind string

// The mails that the Service sends.
const (
	// MessageVerifyEmail asks to confirm the address; it has a link.
	MessageVerifyEmail MessageKind = "verify_email"
	// MessageAlreadyRegistered tells the owner that somebody tried to sign up
	// with an address that has an account.
	MessageAlreadyRegistered MessageKind = "already_registered"
	// MessageResetPassword has the link to a new password.
	MessageResetPassword MessageKind = "reset_password"
	// MessageConfirmAndReset has the same for an address that was never
	// confirmed: following it proves the mailbox and drops what an earlier
	// holder of the account had set.
	MessageConfirmAndReset MessageKind = "confirm_and_reset"
	// MessagePasswordChanged tells that the password was changed.
	MessagePasswordChanged MessageKind = "password_changed"
	// MessageChangeEmail asks the new address to confirm; it has a link.
	MessageChangeEmail MessageKind = "change_email"
	// MessageEmailChanging tells the old address that a change was asked for.
	MessageEmailChanging MessageKind = "email_changing"
	// MessageEmailChanged tells the old address that the change took place.
	MessageEmailChanged MessageKind = "email_changed"
	// MessageSignInNotice tells of a sign-in after failures or from a new
	// device.
	MessageSignInNotice MessageKind = "sign_in_notice"
)

// Message is one mail, not yet worded: package mail turns it into text.
type Message struct {
	// ID is the same for every try to deliver the same message.
	ID string
	// Name is the program's name, for the text of the email. It may be empty.
	Name string
	// Kind says what it is about.
	Kind MessageKind
	// UserID says whose account it is about.
	UserID string
	// To is the address stored with the account, never one that was typed.
	To string
	// Link is the mailed link of kinds that have one. It is a secret.
	Link Secret
	// ExpiresAt is when Link stops working.
	ExpiresAt time.Time
	// At is when it happened.
	At time.Time
	// Address and UserAgent say which client asked, as far as known, and
	// Language what the reader reads: a BCP 47 tag or the value of an
	// Accept-Language header. Treat all three as text from strangers.
	Address, UserAgent, Language string
}

// A Mailer delivers messages. It is called outside of any request, for up to four
// messages at once in one process and for each of them on one machine at a time,
// and again later if it returns an error. It should give up when ctx ends, after a
// minute.
type Mailer interface {
	Send(ctx context.Context, m Message) error
}

// MailerFunc lets a function be a Mailer.
type MailerFunc func(ctx context.Context, m Message) error

// Send calls f.
func (f MailerFunc) Send(ctx context.Context, m Message) error { return f(ctx, m) }

// sealedMessage is a Message as it lies in the outbox.
type sealedMessage struct {
	Kind               MessageKind `json:"k"`
	UserID             string      `json:"u,omitempty"`
	To                 string      `json:"to"`
	Link               string      `json:"l,omitempty"`
	ExpiresAt          time.Time   `json:"x,omitzero"`
	At                 time.Time   `json:"at"`
	Address, UserAgent string      `json:",omitempty"`
	Language           string      `json:"lang,omitempty"`
}

// about makes a message one about an account: in its user's language, for whoever
// causes it may be a stranger. Where that is not known, a mail with a link is in
// the language of who asked for it, and a notice in the Mailer's own.
func forUser(u User, m Message, c Client) Message {
	m.UserID, m.Language = u.ID, u.Language
	if m.Language == "" && m.Link != "" {
		m.Language = clientLanguage(c)
	}
	return m
}

// language is what a client reads, as it is kept.
func clientLanguage(c Client) string { return logs.Clean(c.Language, 128) }

// mailTo returns the row for one mail, or none if the address has had too many
// in this hour or the outbox is full: then the caller's answer stays the same. An
// error means that the store cannot tell. The last mail of the hour is kept for a
// reset: anyone can have mails of other kinds sent to an address, by signing up
// with it, and must not thereby keep its owner from a new password.
func (s *Service) prepareEmail(ctx context.Context, address string, m Message, c Client) ([]store.QueuedEmail, error) {
	limit := s.emailLimit(address)
	limit.Max = max(1, limit.Max-1)
	return s.prepareEmailWithin(ctx, address, m, c, limit)
}

// mailWithin is mailTo under the limits given.
func (s *Service) prepareEmailWithin(ctx context.Context, address string, m Message, c Client, limits ...namedLimit) ([]store.QueuedEmail, error) {
	refused := "bad_address"
	if _, err := canonicalLoginID(address, true); err == nil {
		if refused, err = s.countEmail(ctx, c, limits); err != nil {
			return nil, err
		}
	}
	if refused != "" {
		s.reportDroppedEmail(ctx, m, refused, c)
		return nil, nil
	}
	return s.sealEmail(address, m, c), nil
}

// countMail counts one mail against all limits, or says why there will be none.
func (s *Service) countEmail(ctx context.Context, c Client, limits []namedLimit) (refused string, err error) {
	waiting, err := s.store.EmailCount(ctx)
	if err != nil {
		return "", s.storeError(err)
	}
	if waiting >= s.cfg.Limits.OutboxSize {
		return "queue_full", nil
	}
	var limited *LimitError
	if _, err := s.takeOrRefuse(ctx, c, limits...); errors.As(err, &limited) {
		return "too_many_mails", nil
	} else if err != nil {
		return "", err
	}
	return "", nil
}

// pretendToMail gives the store the work of a mail for a login id that gets
// none, so that the time of the answer does not tell which ids do.
func (s *Service) countDummyEmail(ctx context.Context, canonical string, c Client) error {
	_, err := s.countEmail(ctx, c, []namedLimit{
		s.hourlyLimit(limitResetEmails, s.cfg.Limits.ResetEmails, "", canonical),
		s.hourlyLimit(limitEmails, s.cfg.Limits.Emails, "", canonical),
	})
	return err
}

// noticesAnHour is how many notices of changes one account gets in an hour.
const noticesPerHour = 20

// noticeTo returns the row for a mail by which the owner hears that the password
// or the address was changed. A proven address gets it whatever other mail went
// there; but who changes the password without end must not fill the outbox for
// everybody, and has told the owner often enough by then. An address that nobody
// has proven may be a stranger's: it gets no more mail for it.
func (s *Service) prepareNotice(ctx context.Context, u User, m Message, c Client) ([]store.QueuedEmail, error) {
	m = forUser(u, m, c)
	switch {
	case u.Email == "":
		return nil, nil
	case !u.EmailVerified:
		return s.prepareEmail(ctx, u.Email, m, c)
	}
	var limited *LimitError
	_, err := s.takeOrRefuse(ctx, c, s.hourlyLimit(limitNotices, noticesPerHour, u.ID))
	if errors.As(err, &limited) {
		s.reportDroppedEmail(ctx, m, "too_many_notices", c)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.sealEmail(u.Email, m, c), nil
}

// dropped says that there will be no mail.
func (s *Service) reportDroppedEmail(ctx context.Context, m Message, reason string, c Client) {
	s.cfg.Logger.Warn("usher: mail dropped", "kind", m.Kind, "user_id", m.UserID, "reason", reason)
	s.audit.Notify(ctx, s.newEvent(EventEmailDropped, m.UserID, "", reason+" "+string(m.Kind), c))
}

// seal returns the row. A mail with a link says from when on it works: else it
// would be told to live a little less than it does, which is rounded down.
func (s *Service) sealEmail(address string, m Message, c Client) []store.QueuedEmail {
	now := s.now()
	sealed := sealedMessage{
		Kind: m.Kind, UserID: m.UserID, To: address, Link: m.Link.Reveal(), ExpiresAt: m.ExpiresAt, At: cmp.Or(m.At, now),
		UserAgent: logs.Clean(c.UserAgent, 256), Language: m.Language,
	}
	if c.Address.IsValid() {
		sealed.Address = c.Address.String()
	}
	plain, err := json.Marshal(sealed)
	if err != nil {
		s.cfg.Logger.Error("usher: mail cannot be written down", "kind", m.Kind, "error", err)
		return nil
	}
	id := randomString(16)
	return []store.QueuedEmail{{ID: id, Sealed: s.emailBox.Seal(plain, id), CreatedAt: now, NotBefore: now}}
}

// wakeOutbox makes a sender look for emails that were just queued.
func (s *Service) wakeOutbox(queued []store.QueuedEmail) {
	if len(queued) > 0 {
		s.outbox.Wake()
	}
}

// deliver makes one attempt to hand a queued email to the Mailer. An email that
// cannot be opened may come from an instance that has a newer secret already: that
// one will send it.
func (s *Service) deliver(ctx context.Context, q store.QueuedEmail) (outbox.Subject, error) {
	m, err := s.openEmail(q)
	if err != nil {
		return outbox.Subject{}, err
	}
	subject := outbox.Subject{Kind: string(m.Kind), UserID: m.UserID}
	if !m.ExpiresAt.IsZero() && !s.now().Before(m.ExpiresAt) {
		return subject, &outbox.GiveUpError{Reason: "link_expired"}
	}
	err = background.Guard(func() error { return s.cfg.Mailer.Send(ctx, m) })
	var permanent interface{ Permanent() bool }
	if errors.As(err, &permanent) && permanent.Permanent() {
		return subject, &outbox.GiveUpError{Reason: "refused", Err: err}
	}
	return subject, err
}

func (s *Service) openEmail(q store.QueuedEmail) (Message, error) {
	plain, err := s.emailBox.Open(q.Sealed, q.ID)
	if err != nil {
		return Message{}, err
	}
	var m sealedMessage
	if err := json.Unmarshal(plain, &m); err != nil {
		return Message{}, err
	}
	return Message{
		ID: q.ID, Name: s.cfg.Name, Kind: m.Kind, UserID: m.UserID, To: m.To, Link: Secret(m.Link), ExpiresAt: m.ExpiresAt,
		At: m.At, Address: m.Address, UserAgent: m.UserAgent, Language: m.Language,
	}, nil
}
