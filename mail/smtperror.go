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
)

// A cause is what went wrong on this side, in words of this package.
type cause string

// Error returns the words.
func (c cause) Error() string { return string(c) }

// deliveryError turns what went wrong at a step into an error that repeats
// nothing a server said. Only kinds of errors that are known to be made on this
// side are kept as the cause.
func (s *Sender) deliveryError(ctx context.Context, step string, err error) error {
	e := &DeliveryError{Server: net.JoinHostPort(s.host, s.port), Step: step}
	var (
		reply   *textproto.Error
		own     cause
		cert    *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		network *net.OpError
	)
	switch {
	case errors.As(err, &reply):
		e.Code, e.Enhanced = reply.Code, enhanced.FindString(reply.Msg)
	case ctx.Err() != nil:
		e.Err = ctx.Err()
	case errors.As(err, &own):
		e.Err = own
	case errors.As(err, &cert):
		e.Err = cert
	case errors.As(err, &record):
		e.Err = cause("the server does not speak TLS")
	case errors.As(err, &network):
		e.Err = network
		if isAlert(network) {
			e.Step = stepTLS
		}
	case errors.Is(err, io.EOF):
		e.Err = io.EOF
	case step == stepTLS && strings.HasPrefix(err.Error(), "tls: "):
		e.Err = err // of crypto/tls, such as a version that is too old
	}
	return e
}

// isAlert reports whether err is an alert of TLS, sent by the server or by us.
// With TLS 1.3 a server refuses when the client is through with the handshake
// and waits for the greeting.
func isAlert(err *net.OpError) bool { return err.Op == "remote error" || err.Op == "local error" }

// enhanced is an enhanced status code (RFC 3463 §2), which comes first in a
// reply's text (RFC 2034 §4).
var enhanced = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)
