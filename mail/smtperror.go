package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"strings"

	gomail "github.com/wneessen/go-mail"
)

// cause is an error of this package, as opposed to a text of the server.
type cause string

// Error returns the text.
func (c cause) Error() string { return string(c) }

// deliveryError returns the error of a step without any text of the server. Only
// errors that were made on the client's side become the cause.
func (c *conversation) deliveryError(ctx context.Context, err error) error {
	e := &DeliveryError{Server: c.address, Step: c.step}
	var (
		reply   *textproto.Error
		sending *gomail.SendError
		own     cause
		cert    *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		network *net.OpError
	)
	switch {
	case errors.As(err, &reply):
		e.Code, e.Enhanced = reply.Code, enhanced.FindString(reply.Msg)
	case errors.As(err, &sending) && sending.ErrorCode() != 0: // the reply at the end of DATA
		e.Code, e.Enhanced = sending.ErrorCode(), sending.EnhancedStatusCode()
	case ctx.Err() != nil:
		e.Err = ctx.Err()
	case errors.As(err, &own):
		e.Err = own
	case errors.As(err, &cert):
		e.Step, e.Err = stepTLS, cert
	case errors.As(err, &record):
		e.Step, e.Err = stepTLS, cause("the server does not speak TLS")
	case errors.As(err, &network):
		e.Err = network
		if isAlert(network) {
			e.Step = stepTLS
		}
	case errors.Is(err, io.EOF):
		e.Err = io.EOF
	case strings.HasPrefix(err.Error(), "tls: "):
		e.Step, e.Err = stepTLS, err // from crypto/tls, for example for a version that is too old
	}
	return e
}

// isAlert reports whether err is a TLS alert, sent by the server or by us. With
// TLS 1.3 a server's alert arrives after the client's handshake, while the client
// waits for the greeting.
func isAlert(err *net.OpError) bool { return err.Op == "remote error" || err.Op == "local error" }

// enhanced matches an enhanced status code (RFC 3463 §2), which comes first in the
// text of a reply (RFC 2034 §4).
var enhanced = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)
