package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/textproto"
	"slices"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// conversation is the delivery of one email over one connection. go-mail's Client
// holds it. What the Client cannot do is here: end with a context, limit what a
// server sends, choose among three mechanisms of sign-in, return the cause of an
// error, and ignore a failed goodbye.
type conversation struct {
	*Sender
	step string // what the conversation does
	err  error  // the last reply that was not as expected
}

// deliver sends one email.
func (c *conversation) deliver(ctx context.Context, msg *gomail.Msg) error {
	// Not the context that the Client passes, which ends after the dialing.
	dial := func(context.Context, string, string) (net.Conn, error) { return c.dial(ctx) }
	options := append(slices.Clip(c.options), gomail.WithDialContextFunc(dial))
	needsUTF8 := !isASCII(msg.GetFrom()[0].Address + msg.GetTo()[0].Address)
	if !needsUTF8 {
		options = append(options, gomail.WithoutSMTPUTF8()) // RFC 6531 §3.4
	}
	client, err := gomail.NewClient(c.host, options...)
	if err != nil {
		return err
	}
	client.ErrorHandlerRegistry.SetDefaultHandler(c)
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	if _, secured := session.TLSConnectionState(); c.tls != nil && !secured {
		c.step = stepTLS
		return ErrNoTLS
	}
	if c.signIn != nil {
		c.step = stepAuth
		if err := c.signIn(session); err != nil {
			return err
		}
	}
	if offered, _ := session.Extension("SMTPUTF8"); needsUTF8 && !offered {
		c.step = stepMail
		return cause("the server does not offer SMTPUTF8, which the address needs")
	}
	c.step, c.err = stepData, nil
	if err := client.SendWithSMTPClient(session, msg); err != nil {
		// No QUIT: it would end the email, and the server would take a part for the whole.
		return errors.Join(c.err, err)
	}
	// The email is delivered, even if the goodbye fails.
	_ = session.UpdateDeadline(quitTimeout)
	_ = session.Quit()
	return nil
}

// quitTimeout limits how long a server may take for its goodbye.
const quitTimeout = time.Second

// dial connects, and with implicit TLS does the handshake. The connection closes
// when ctx ends.
func (c *conversation) dial(ctx context.Context) (net.Conn, error) {
	raw, err := c.dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = raw.Close() })
	var conn net.Conn = &limitedConn{raw, maxReplies}
	if c.implicitTLS {
		c.step = stepTLS
		secured := tls.Client(conn, c.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secured
	}
	c.step = stepGreeting
	return conn, nil
}

// HandleError implements smtp.ResponseErrorHandler. It keeps the command that
// failed and its error, which the Client's own errors lose.
func (c *conversation) HandleError(_, command string, _ *textproto.Conn, err error) error {
	if step, ok := commandSteps[command]; ok {
		c.step, c.err = step, err
	}
	return err
}

// commandSteps maps commands to steps. HELO is missing: its error hides that of
// the EHLO before it.
var commandSteps = map[string]string{
	"ehlo": stepGreeting, "starttls": stepTLS, "mail": stepMail, "rcpt": stepRcpt, "data": stepData,
}

// maxReplies limits what a server may send in one conversation, in bytes and with
// its certificates: many times of what is needed. SMTP has no limit for a reply.
const maxReplies = 256 << 10

// limitedConn returns an error after left bytes.
type limitedConn struct {
	net.Conn
	left int
}

func (c *limitedConn) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, cause("the server sends too much")
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
