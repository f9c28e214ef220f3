package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/textproto"
	"strings"

	gomail "github.com/wneessen/go-mail"
)

// dialError turns what went wrong before the first mail command into an error
// that repeats nothing a server said. Only kinds of errors that are known to be
// made on this side are kept as the cause.
func (s *Sender) dialError(ctx context.Context, err error, connected bool) error {
	e := &DeliveryError{Server: s.server, Step: stepGreeting}
	switch text := err.Error(); {
	case !connected:
		e.Step = stepConnect
	case strings.Contains(text, "SMTP AUTH"):
		e.Step = stepAuth
	case strings.Contains(text, "STARTTLS"):
		e.Step, e.Err = stepTLS, ErrNoTLS
	}
	var (
		reply   *textproto.Error
		cert    *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		network *net.OpError
	)
	switch {
	case ctx.Err() != nil:
		e.Err = ctx.Err()
	case errors.As(err, &reply):
		e.Code = reply.Code
	case errors.As(err, &cert):
		e.Step, e.Err = stepTLS, cert
	case errors.As(err, &record):
		e.Step, e.Err = stepTLS, errors.New("the server does not speak TLS")
	case errors.As(err, &network):
		e.Err = network
	case errors.Is(err, io.EOF):
		e.Err = io.EOF
	}
	return e
}

// sendError does the same for an error of the mail commands.
func (s *Sender) sendError(ctx context.Context, err error) error {
	e := &DeliveryError{Server: s.server, Step: stepData}
	var failed *gomail.SendError
	if errors.As(err, &failed) {
		switch failed.Reason {
		case gomail.ErrSMTPMailFrom:
			e.Step = stepMail
		case gomail.ErrSMTPRcptTo:
			e.Step = stepRcpt
		}
		e.Code, e.Enhanced = failed.ErrorCode(), failed.EnhancedStatusCode()
	}
	if e.Code == 0 {
		e.Err = ctx.Err()
	}
	return e
}
