package usher

import (
	"context"
	"time"
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
