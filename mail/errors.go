package mail

import (
	"fmt"
	"strings"

	"github.com/usherkit/usher"
)

// ErrNoTLS means that the server does not offer STARTTLS, so nothing was sent.
// [*DeliveryError] wraps it.
var ErrNoTLS error = cause("the server does not offer STARTTLS")

// ErrNoAuth means that there is a Username and the server offers no sign-in that
// takes it: none under TLS, or by other mechanisms than those of
// [SMTPConfig]. Nothing was sent. [*DeliveryError] wraps it.
var ErrNoAuth error = cause("the server offers none of SCRAM-SHA-256, PLAIN and LOGIN")

// MessageError means that a message cannot be turned into a mail: an address
// that is none, a control character, a kind without template. Nothing was
// sent.
type MessageError struct {
	// Kind is the message's kind.
	Kind usher.MessageKind
	// Field is the field at fault, "To" or "Link", or "template".
	Field string
	// Detail says what would be right. It never repeats the value.
	Detail string
}

// Error names the kind and the field.
func (e *MessageError) Error() string {
	return fmt.Sprintf("mail: %.40q: %s: %s", string(e.Kind), e.Field, e.Detail)
}

// Permanent returns true: the same message fails again.
func (*MessageError) Permanent() bool { return true }

// DeliveryError means that the SMTP server could not be reached, or did not
// take the mail.
type DeliveryError struct {
	// Server is the host and port.
	Server string
	// Step is how far it came: "connect", "TLS", "greeting", "AUTH",
	// "MAIL FROM", "RCPT TO" or "DATA".
	Step string
	// Code is the server's reply code (RFC 5321 §4.2), 0 if it did not reply.
	Code int
	// Enhanced is the reply's enhanced status code (RFC 3463), such as
	// "5.1.1", or empty.
	Enhanced string
	// Err is a cause on this side, such as [ErrNoTLS], [ErrNoAuth], an error of
	// crypto/tls or context.DeadlineExceeded. It may be nil.
	Err error
}

// Error names the server, the step and the code. It leaves out the server's
// words: servers repeat the address in them.
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
		s += ": the conversation broke off"
	}
	return s
}

// Unwrap returns Err.
func (e *DeliveryError) Unwrap() error { return e.Err }

// Permanent reports whether the server refuses this very message for good: a
// code of 500 and above for its recipient or its text (RFC 5321 §4.2.1). What the
// server has against all mails of this program is a matter of the configuration
// and not permanent: once it is mended, the mails that wait can go. That is a
// refusal before the recipient, such as of the sender; one for want of
// authentication (RFC 4954 §6) or by policy (5.7, RFC 3463 §3.8), as "relay access
// denied" is; and a command that the server does not take (RFC 5321 §4.2.2; 5.5,
// RFC 3463 §3.6), such as an EHLO with a name that is not a full one. Many servers
// say any of these only at the recipient.
func (e *DeliveryError) Permanent() bool {
	if e.Step != stepRcpt && e.Step != stepData {
		return false
	}
	switch e.Code {
	case 500, 502, 503, 504, 530, 534, 535, 538:
		return false
	}
	for _, ours := range []string{"5.5.", "5.7.", "5.1.7.", "5.1.8."} { // the last two: the sender
		if strings.HasPrefix(e.Enhanced+".", ours) {
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
