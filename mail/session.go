package mail

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// open connects and comes as far as the first mail command. It says at which
// step it failed.
func (s *Sender) open(ctx context.Context) (session *smtp.Client, step string, err error) {
	raw, err := s.dialer.DialContext(ctx, "tcp", net.JoinHostPort(s.host, s.port))
	if err != nil {
		return nil, stepConnect, err
	}
	// What is blocked in a read or a write ends with ctx.
	context.AfterFunc(ctx, func() { _ = raw.Close() })
	var conn net.Conn = &boundedConn{raw, maxReplies}
	if s.implicitTLS {
		secured := tls.Client(conn, s.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, stepTLS, err
		}
		conn = secured
	}
	session, err = smtp.NewClient(conn, s.host)
	if err != nil {
		return nil, stepGreeting, err
	}
	if err := session.Hello(s.localName); err != nil {
		return nil, stepGreeting, err
	}
	if s.tls != nil && !s.implicitTLS {
		if step, err := startTLS(session, s.tls); err != nil {
			return nil, step, err
		}
	}
	if s.signIn != nil {
		if err := s.signIn(session); err != nil {
			return nil, stepAuth, err
		}
	}
	return session, "", nil
}

// startTLS goes on under TLS and greets again. What the server has sent in the
// clear after its answer is dropped, unread.
func startTLS(session *smtp.Client, config *tls.Config) (step string, err error) {
	if offered, _ := session.Extension("STARTTLS"); !offered {
		return stepTLS, ErrNoTLS
	}
	err = session.StartTLS(config)
	if state, _ := session.TLSConnectionState(); state.HandshakeComplete {
		return stepGreeting, err
	}
	return stepTLS, err
}

// transfer hands over one mail. It says at which step it failed.
func transfer(session *smtp.Client, msg *gomail.Msg) (step string, err error) {
	from, to := msg.GetFrom()[0].Address, msg.GetTo()[0].Address
	// RFC 6531 §3.4: a server that needs it not must not be asked for it, and
	// one that lacks it must not get such an address.
	ascii := isASCII(from) && isASCII(to)
	session.SkipSMTPUTF8(ascii)
	if offered, _ := session.Extension("SMTPUTF8"); !ascii && !offered {
		return stepMail, cause("the server does not offer SMTPUTF8, which the address needs")
	}
	if err := session.Mail("<" + from + ">"); err != nil {
		return stepMail, err
	}
	if err := session.Rcpt("<" + to + ">"); err != nil {
		return stepRcpt, err
	}
	w, err := session.Data()
	if err != nil {
		return stepData, err
	}
	// After an error neither w is closed nor a QUIT sent: either would end the
	// mail, and the server would take what it has got for all of it.
	if _, err := msg.WriteTo(w); err != nil {
		return stepData, err
	}
	if err := w.Close(); err != nil {
		return stepData, err
	}
	// The mail is delivered, whatever the answer to the goodbye.
	_ = session.UpdateDeadline(quitTimeout)
	_ = session.Quit()
	return "", nil
}

// quitTimeout is how long a server may take over its goodbye.
const quitTimeout = time.Second

// maxReplies is the most bytes that a server may send in one delivery, its
// certificates included: many times what it takes, and little to hold.
const maxReplies = 256 << 10

// boundedConn reads at most left bytes: a reply has no other end than the one
// that the server gives it.
type boundedConn struct {
	net.Conn
	left int
}

// Read fails once all is read.
func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, cause("the server sends too much")
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
