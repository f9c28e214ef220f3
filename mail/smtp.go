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
	// Username signs in to the server, under TLS, by the first of SCRAM-SHA-256,
	// PLAIN and LOGIN that it offers, and by no other mechanism:
	// SCRAM-SHA-256-PLUS fails where something before the server ends TLS. One
	// that offers none of the three is not sent anything ([ErrNoAuth]), and after
	// a refusal no other is tried. Defaults to no sign-in.
	Username string
	// Password goes with Username. Defaults to none.
	Password usher.Secret
	// RootCAs are the authorities that may vouch for the server's certificate.
	// Defaults to the system's.
	RootCAs *x509.CertPool
	// LocalName is the name given to the server in EHLO: a host name, or an IP
	// address, which is sent as an address literal (RFC 5321 §4.1.3). Some
	// servers refuse a name that is no full one, such as "app-1", and most of them
	// not at EHLO but at RCPT TO, with 504. Defaults to this machine's host name.
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
	host, address string
	timeout       time.Duration
	dialer        net.Dialer
	tls           *tls.Config // nil for plaintext to a loopback address
	implicitTLS   bool
	options       []gomail.Option
	signIn        func(*smtp.Client) error // nil without a Username
	composer      Composer
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
		s.signIn = signIn(cfg.Host, cfg.Username, cfg.Password)
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

// Send delivers m. The error is a [*MessageError] or a [*DeliveryError].
func (s *Sender) Send(ctx context.Context, m usher.Message) error {
	msg, err := s.composer.envelope(m, false)
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

// ehloName is a host name or an IP address as it stands in EHLO.
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

// isHost reports whether s can be a host name or an IP address, and so stand in
// an SMTP command.
func isHost(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Zone() == "" || isHost(a.Zone()) // a zone is any text
	}
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	})
}
