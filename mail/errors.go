package mail

import (
	"fmt"
	"strings"

	"github.com/usherkit/usher"
)

// ErrNoTLS means that the server does not offer STARTTLS. Nothing was sent. A
// [*DeliveryError] wraps it.
var ErrNoTLS error = cause("the server does not offer STARTTLS")

// ErrNoAuth means that the server offers none of the sign-in mechanisms that
// [SMTPConfig] lists for a Username. Nothing was sent. A [*DeliveryError] wraps it.
var ErrNoAuth error = cause("the server offers none of SCRAM-SHA-256, PLAIN and LOGIN")

// MessageError means that a message cannot be rendered, because of an invalid
// address, a control character or a template, for example. Nothing was sent.
type MessageError struct {
	// Kind is the message's kind.
	Kind usher.MessageKind
	// Field is the invalid field of the message, such as "To" or "Link", or "template".
	Field string
	// Detail says what the field must be. It never contains the value.
	Detail string
}

// Error returns the kind, the field and the detail.
func (e *MessageError) Error() string {
	return fmt.Sprintf("mail: %.40q: %s: %s", string(e.Kind), e.Field, e.Detail)
}

// Permanent returns true, because the message would fail again.
func (*MessageError) Permanent() bool { return true }

// DeliveryError means that the SMTP server could not be reached, or did not accept
// the email.
type DeliveryError struct {
	// Server is the server's host and port.
	Server string
	// Step is the step that failed: "connect", "TLS", "greeting", "AUTH", "MAIL FROM",
	// "RCPT TO" or "DATA".
	Step string
	// Code is the server's reply code (RFC 5321 §4.2), or 0 if there was no reply.
	Code int
	// Enhanced is the reply's enhanced status code (RFC 3463), such as "5.1.1", or
	// empty.
	Enhanced string
	// Err is the cause if there was no reply, such as [ErrNoTLS], [ErrNoAuth], an error
	// of crypto/tls or context.DeadlineExceeded. It may be nil.
	Err error
}

// Error returns the server, the step, and the code or the cause. It leaves out the
// text of the reply, in which servers repeat the address.
func (e *DeliveryError) Error() string {
	s := fmt.Sprintf("mail: %s: %s", e.Server, e.Step)
	switch {
	case e.Code != 0 && e.Enhanced != "":
		s += fmt.Sprintf(": refused with %d %s", e.Code, e.Enhanced)
	case e.Code != 0:
		s += fmt.Sprintf(": refused with %d", e.Code)
	case e.Err != nil:
		s += ": " + e.Err.Error()
	default:
		s += ": the connection was lost"
	}
	return s
}

// Unwrap returns Err.
func (e *DeliveryError) Unwrap() error { return e.Err }

// Permanent reports whether the server rejected this message permanently, so that
// another attempt would be useless: with a code from 500 to 599 for its recipient or
// its content (RFC 5321 §4.2.1). A rejection that concerns every email of the program
// is not permanent, because the operator can correct the configuration:
//
//   - any rejection before the recipient, such as of the sender
//   - missing authentication (RFC 4954 §6)
//   - a policy, such as "relay access denied" (5.7, RFC 3463 §3.8)
//   - a command that the server does not accept, such as an EHLO with an incomplete
//     name (RFC 5321 §4.2.2; 5.5, RFC 3463 §3.6)
//
// Many servers send these only in reply to the recipient.
func (e *DeliveryError) Permanent() bool {
	if e.Step != stepRcpt && e.Step != stepData {
		return false
	}
	switch e.Code {
	case 500, 502, 503, 504, 530, 534, 535, 538:
		return false
	}
	for _, prefix := range []string{"5.5.", "5.7.", "5.1.7.", "5.1.8."} { // the last two are about the sender
		if strings.HasPrefix(e.Enhanced+".", prefix) {
			return false
		}
	}
	return e.Code >= 500 && e.Code < 600
}

// The steps of a delivery.
const (
	stepConnect  = "connect"
	stepTLS      = "TLS"
	stepGreeting = "greeting"
	stepAuth     = "AUTH"
	stepMail     = "MAIL FROM"
	stepRcpt     = "RCPT TO"
	stepData     = "DATA"
)
