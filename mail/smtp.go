package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/usherkit/usher"
)

// SMTPConfig says how to reach an SMTP server, usually a submission service
// (RFC 6409).
type SMTPConfig struct {
	// Host is the server's name or IP address. Its certificate must be for it.
	// Required.
	Host string
	// Port is the server's port. Defaults to 587, with ImplicitTLS to 465.
	Port int
	// ImplicitTLS speaks TLS from the first byte (RFC 8314 §3), instead of
	// STARTTLS. Defaults to STARTTLS, which the server must then offer.
	ImplicitTLS bool
	// Username signs in to the server, by the first of SCRAM-SHA-256, PLAIN and
	// LOGIN that it offers. Defaults to no sign-in.
	Username string
	// Password goes with Username. Defaults to none.
	Password usher.Secret
	// RootCAs are the authorities that may vouch for the server's certificate.
	// Defaults to the system's.
	RootCAs *x509.CertPool
	// LocalName is the name given to the server in EHLO. Defaults to this
	// machine's host name.
	LocalName string
	// DialTimeout ends a try to connect. Defaults to 10 seconds.
	DialTimeout time.Duration
	// Timeout ends the whole delivery of one mail. Defaults to 30 seconds.
	Timeout time.Duration
	// InsecurePlaintextLoopback sends without any TLS, to a mail catcher on the
	// same machine: Host must be localhost or a loopback address, what it
	// resolves to is checked again, and there may be no Username. Defaults to
	// TLS.
	InsecurePlaintextLoopback bool
	// Composer words the mails. Its From is required.
	Composer Composer
}

// Sender is an [usher.Mailer] that speaks SMTP. Make it with [SMTP]. It may be
// used by several goroutines at once; each mail is a connection of its own.
type Sender struct {
	server   string
	timeout  time.Duration
	dialer   net.Dialer
	tls      *tls.Config // for TLS from the first byte, else nil
	composer Composer
	// options hold the password in a closure, out of reach of printing.
	options []gomail.Option
}

var _ usher.Mailer = (*Sender)(nil)

// SMTP returns a Mailer for a server. It does not connect: a server that is
// away for the moment does not keep a program from starting. The error names
// the setting that is wrong, and covers the templates too.
func SMTP(cfg SMTPConfig) (*Sender, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	tlsConfig := &tls.Config{ServerName: cfg.Host, RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12}
	s := &Sender{
		server:   net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)),
		timeout:  cfg.Timeout,
		dialer:   net.Dialer{Timeout: cfg.DialTimeout},
		composer: cfg.Composer,
		options: []gomail.Option{
			gomail.WithPort(cfg.Port),
			gomail.WithHELO(cfg.LocalName),
			gomail.WithTLSConfig(tlsConfig),
			// Longer than the Sender's own, which covers all of it.
			gomail.WithTimeout(cfg.Timeout + time.Second),
			gomail.WithoutNoop(), gomail.WithoutRset(),
		},
	}
	switch {
	case cfg.InsecurePlaintextLoopback:
		s.dialer.Control = loopbackOnly
		s.options = append(s.options, gomail.WithTLSPolicy(gomail.NoTLS))
	case cfg.ImplicitTLS:
		s.tls = tlsConfig
		s.options = append(s.options, gomail.WithSSL())
	default:
		s.options = append(s.options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if cfg.Username != "" {
		s.options = append(s.options,
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin),
			gomail.WithUsername(cfg.Username), gomail.WithPassword(cfg.Password.Reveal()))
	}
	if _, err := gomail.NewClient(cfg.Host, s.options...); err != nil {
		return nil, fmt.Errorf("mail: SMTPConfig: %w", err)
	}
	return s, nil
}

func (cfg SMTPConfig) withDefaults() (SMTPConfig, error) {
	port := 587
	if cfg.ImplicitTLS {
		port = 465
	}
	cfg.Port = cmp.Or(cfg.Port, port)
	cfg.DialTimeout = cmp.Or(cfg.DialTimeout, 10*time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 30*time.Second)
	if cfg.LocalName == "" {
		name, err := os.Hostname()
		if err != nil || !isHost(name) {
			name = "localhost"
		}
		cfg.LocalName = name
	}
	var detail string
	switch {
	case cfg.Host == "":
		detail = "Host is missing"
	case !isHost(cfg.Host):
		detail = "Host must be a host name or an IP address"
	case cfg.Port < 1 || cfg.Port > 65535:
		detail = "Port must be from 1 to 65535"
	case !isHost(cfg.LocalName):
		detail = "LocalName must be a host name"
	case cfg.DialTimeout < 0 || cfg.Timeout < 0:
		detail = "DialTimeout and Timeout must not be negative"
	case (cfg.Username == "") != (cfg.Password == ""):
		detail = "Username and Password go together"
	case cfg.InsecurePlaintextLoopback && !isLoopback(cfg.Host):
		detail = "InsecurePlaintextLoopback is for localhost and loopback addresses only"
	case cfg.InsecurePlaintextLoopback && cfg.ImplicitTLS:
		detail = "InsecurePlaintextLoopback and ImplicitTLS exclude each other"
	case cfg.InsecurePlaintextLoopback && cfg.Username != "":
		detail = "InsecurePlaintextLoopback would send the password in the clear"
	case cfg.Composer.From == "":
		detail = `Composer.From is missing: the sender's address, such as "no-reply@example.com"`
	default:
		return cfg, cfg.Composer.Check()
	}
	return cfg, errors.New("mail: SMTPConfig." + detail)
}

// quitTimeout is how long a server may take over its goodbye.
const quitTimeout = time.Second

// Send delivers m. The error is a [*MessageError] or a [*DeliveryError].
func (s *Sender) Send(ctx context.Context, m usher.Message) error {
	msg, err := s.composer.envelope(m, false)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	// Deadlines alone don't do: the library sets new ones as it goes on. The
	// end of ctx closes the connection under it.
	var conn net.Conn
	dial := func(dialCtx context.Context, network, address string) (net.Conn, error) {
		c, err := s.dialer.DialContext(dialCtx, network, address)
		if err != nil {
			return nil, err
		}
		conn = c
		context.AfterFunc(ctx, func() { _ = c.Close() })
		if s.tls == nil {
			return c, nil
		}
		secured := tls.Client(c, s.tls)
		return secured, secured.HandshakeContext(dialCtx)
	}
	// RFC 6531 §3.4: a server that needs it not must not be asked for it.
	options := append(s.options[:len(s.options):len(s.options)], gomail.WithDialContextFunc(dial))
	if isASCII(m.To) && isASCII(strings.Join(msg.GetFromString(), "")) {
		options = append(options, gomail.WithoutSMTPUTF8())
	}
	client, err := gomail.NewClient(host(s.server), options...)
	if err != nil {
		return fmt.Errorf("mail: SMTPConfig: %w", err)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return s.dialError(ctx, err, conn != nil)
	}
	if err := client.SendWithSMTPClient(session, msg); err != nil && !msg.IsDelivered() {
		// No QUIT: after a DATA that broke off it would complete the mail.
		return s.sendError(ctx, err)
	}
	_ = conn.SetDeadline(time.Now().Add(quitTimeout))
	_ = session.Quit() // the mail is delivered, whatever the answer
	return nil
}

// loopbackOnly refuses every address that is not on this machine. It sees the
// address after name resolution.
func loopbackOnly(_, address string, _ syscall.RawConn) error {
	if a, err := netip.ParseAddrPort(address); err != nil || !a.Addr().Unmap().IsLoopback() {
		return errors.New("not a loopback address: plaintext refused")
	}
	return nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// isHost reports whether s can be a host name or an IP address, and so stand in
// an SMTP command.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	})
}

func host(server string) string {
	h, _, _ := net.SplitHostPort(server)
	return h
}
