package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/usherkit/usher"
)

// SMTPConfig configures [SMTP].
type SMTPConfig struct {
	// Host is the server's name or IP address, which its certificate must name.
	// Required.
	Host string
	// Port is the server's port. Defaults to 587, or to 465 with ImplicitTLS.
	Port int
	// ImplicitTLS uses TLS from the first byte (RFC 8314 §3). Defaults to STARTTLS,
	// which the server must then offer.
	ImplicitTLS bool
	// Username is for the sign-in to the server, under TLS, with the first of
	// SCRAM-SHA-256, PLAIN and LOGIN that the server offers. Other mechanisms are not
	// used; SCRAM-SHA-256-PLUS would fail behind a proxy that terminates TLS. If the
	// server offers none of the three, the error is [ErrNoAuth]. Defaults to no
	// sign-in.
	Username string
	// Password is the password for Username. Required with Username.
	Password usher.Secret
	// RootCAs are the certificate authorities that are trusted. Defaults to those of
	// the system.
	RootCAs *x509.CertPool
	// LocalName is the host name or IP address that is sent in EHLO. Some servers
	// reject a name that is not fully qualified, such as "app-1", most of them in reply
	// to RCPT TO, with 504. Defaults to the host name of this machine.
	LocalName string
	// DialTimeout limits connecting. Defaults to 10 seconds.
	DialTimeout time.Duration
	// Timeout limits the whole delivery of one email. Defaults to 30 seconds.
	Timeout time.Duration
	// InsecurePlaintextLoopback sends without TLS, to a mail catcher on the same
	// machine. Host must be localhost or a loopback address, and it must resolve to
	// one; Username must be empty. Defaults to TLS.
	InsecurePlaintextLoopback bool
	// Composer renders the emails. Its From is required.
	Composer Composer
}

// Sender is an [usher.Mailer] that sends emails to an SMTP server. [SMTP] returns
// one. It is safe for concurrent use; each email has a connection of its own.
type Sender struct {
	host, address string
	timeout       time.Duration
	dialer        net.Dialer
	tls           *tls.Config // nil for plaintext to a loopback address
	implicitTLS   bool
	options       []gomail.Option
	auth          func(*smtp.Client) error // nil without a Username
	composer      Composer
}

var _ usher.Mailer = (*Sender)(nil)

// SMTP returns a Sender for a server, usually a submission service (RFC 6409). It
// does not connect, so that a program starts while the server is unavailable. It
// calls [Composer.Check]. The error names the invalid setting.
func SMTP(cfg SMTPConfig) (*Sender, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Sender{
		host:        cfg.Host,
		address:     net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)),
		timeout:     cfg.Timeout,
		dialer:      net.Dialer{Timeout: cfg.DialTimeout},
		implicitTLS: cfg.ImplicitTLS,
		options: []gomail.Option{
			gomail.WithHELO(ehloName(cfg.LocalName)), gomail.WithoutNoop(), gomail.WithoutRset(),
			gomail.WithTimeout(2 * cfg.Timeout), // the context of Send ends earlier
			gomail.WithTLSPolicy(gomail.NoTLS),
		},
		composer: cfg.Composer,
	}
	if cfg.InsecurePlaintextLoopback {
		s.dialer.Control = loopbackOnly
	} else {
		s.tls = &tls.Config{ServerName: cfg.Host, RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12}
	}
	if s.tls != nil && !cfg.ImplicitTLS {
		// TLSMandatory would return an error without a type. A conversation without TLS
		// ends right after the EHLO.
		s.options = append(s.options, gomail.WithTLSConfig(s.tls), gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	}
	if cfg.Username != "" {
		s.auth = newAuth(cfg.Host, cfg.Username, cfg.Password)
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
		detail = "LocalName must be a host name or an IP address"
	case cfg.DialTimeout < 0 || cfg.Timeout < 0:
		detail = "DialTimeout and Timeout must not be negative"
	case (cfg.Username == "") != (cfg.Password == ""):
		detail = "Username and Password must be set together"
	case cfg.InsecurePlaintextLoopback && !isLoopback(cfg.Host):
		detail = "InsecurePlaintextLoopback requires a Host that is localhost or a loopback address"
	case cfg.InsecurePlaintextLoopback && cfg.ImplicitTLS:
		detail = "InsecurePlaintextLoopback must not be set with ImplicitTLS"
	case cfg.InsecurePlaintextLoopback && cfg.Username != "":
		detail = "InsecurePlaintextLoopback must not be set with Username, whose password it would send unencrypted"
	case cfg.Composer.From == "":
		detail = `Composer.From is missing: set the sender's address, such as "no-reply@example.com"`
	default:
		return cfg, cfg.Composer.Check()
	}
	return cfg, errors.New("mail: SMTPConfig." + detail)
}

// Send sends the email for m. The error is a [*MessageError] or a [*DeliveryError].
func (s *Sender) Send(ctx context.Context, m usher.Message) error {
	msg, err := s.composer.mimeMessage(m, false)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel() // closes the connection
	c := conversation{Sender: s, step: stepConnect}
	if err := c.deliver(ctx, msg); err != nil {
		return c.deliveryError(ctx, err)
	}
	return nil
}

// loopbackOnly returns an error for an address that is not a loopback address. The
// dialer calls it with the resolved address.
func loopbackOnly(_, address string, _ syscall.RawConn) error {
	if a, err := netip.ParseAddrPort(address); err != nil || !a.Addr().Unmap().IsLoopback() {
		return errors.New("the address is not a loopback address")
	}
	return nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// ehloName returns a host name, or an IP address as an address literal (RFC 5321
// §4.1.3).
func ehloName(s string) string {
	a, err := netip.ParseAddr(s)
	switch a = a.Unmap().WithZone(""); {
	case err != nil:
		return s
	case a.Is4():
		return "[" + a.String() + "]"
	}
	return "[IPv6:" + a.String() + "]"
}

// isHost reports whether s is a host name or an IP address, and therefore safe in
// an SMTP command.
func isHost(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Zone() == "" || isHost(a.Zone()) // a zone may be any text
	}
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	})
}
