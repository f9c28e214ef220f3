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

// conversation delivers one email over one connection, with go-mail's Client. It adds
// what the Client lacks: the delivery ends with the context, replies are limited in
// size, three sign-in mechanisms are allowed, errors have their cause, and a failed
// QUIT is ignored.
type conversation struct {
	*Sender
	step string // the current step
	err  error  // the error of the last command that failed
}

// deliver sends one email.
func (c *conversation) deliver(ctx context.Context, msg *gomail.Msg) error {
	// The context that the Client passes ends after dialing, so ours is used.
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
	if c.auth != nil {
		c.step = stepAuth
		if err := c.auth(session); err != nil {
			return err
		}
	}
	if offered, _ := session.Extension("SMTPUTF8"); needsUTF8 && !offered {
		c.step = stepMail
		return cause("the server does not offer SMTPUTF8, which the address needs")
	}
	c.step, c.err = stepData, nil
	if err := client.SendWithSMTPClient(session, msg); err != nil {
		// No QUIT, because the server could accept the part sent so far as a whole email.
		return errors.Join(c.err, err)
	}
	// The email is delivered, even if QUIT fails.
	_ = session.UpdateDeadline(quitTimeout)
	_ = session.Quit()
	return nil
}

// quitTimeout limits the reply to QUIT.
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

// maxReplies limits the bytes that a server may send in one conversation, including its
// certificates. It is many times what a server needs. SMTP itself does not limit a
// reply.
const maxReplies = 256 << 10

// limitedConn is a connection from which at most left bytes can be read.
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
