package mail_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
)

func TestML03_ServerWithoutSTARTTLS(t *testing.T) {
	in := newSMTPServer(t, serverOptions{noTLS: true, mechanisms: plain})
	cfg := config(in)
	cfg.Username, cfg.Password = usernameCanary, passwordCanary
	e := fails(t, in, send(t, cfg, message(usher.MessageResetPassword)), "TLS", false)
	if !errors.Is(e, mail.ErrNoTLS) || len(in.logins) != 0 {
		t.Errorf("%v, logins %v", e, in.logins)
	}
}

func TestML03_WrongCertificate(t *testing.T) {
	for _, implicit := range []bool{false, true} {
		in := newSMTPServer(t, serverOptions{implicitTLS: implicit, certFor: "other.test"})
		cfg := config(in)
		cfg.ImplicitTLS = implicit
		var host x509.HostnameError
		if e := fails(t, in, send(t, cfg, message(usher.MessageResetPassword)), "TLS", false); !errors.As(e, &host) {
			t.Errorf("another name, implicit %v: %v", implicit, e)
		}
		in = newSMTPServer(t, serverOptions{implicitTLS: implicit})
		cfg = config(in)
		cfg.ImplicitTLS = implicit
		cfg.RootCAs = x509.NewCertPool()
		var authority x509.UnknownAuthorityError
		if e := fails(t, in, send(t, cfg, message(usher.MessageResetPassword)), "TLS", false); !errors.As(e, &authority) {
			t.Errorf("unknown authority, implicit %v: %v", implicit, e)
		}
	}
}

func TestML03_PlainServerBehindImplicitTLS(t *testing.T) {
	in := newSMTPServer(t, serverOptions{noTLS: true})
	cfg := config(in)
	cfg.ImplicitTLS = true
	fails(t, in, send(t, cfg, message(usher.MessageResetPassword)), "TLS", false)
}

// The error of a server that rejects our TLS has the step TLS and the server's alert.
func TestML03_ServerRefusesTheTLS(t *testing.T) {
	for name, demand := range map[string]func(*tls.Config){
		"an old version":                func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"a client certificate":          func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert },
		"a client certificate, TLS 1.2": func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 },
	} {
		for _, implicit := range []bool{false, true} {
			in := newSMTPServer(t, serverOptions{implicitTLS: implicit, tls: demand})
			cfg := config(in)
			cfg.ImplicitTLS = implicit
			e := fails(t, in, send(t, cfg, message(usher.MessageResetPassword)), "TLS", false)
			var alert *net.OpError
			if !errors.As(e, &alert) || alert.Op != "remote error" {
				t.Errorf("%s, implicit %v: %v", name, implicit, e)
			}
		}
	}
}

// The error has the step TLS, too, if our TLS rejects the server's.
func TestML03_OurTLSRefuses(t *testing.T) {
	for want, record := range map[string]string{
		"local error: tls: unexpected message": "\x16\x03\x03\x00\x04\x63\x00\x00\x00",
		"tls: server selected unsupported protocol version 302": "\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02" +
			strings.Repeat("r", 32) + "\x00\x00\x2f\x00",
		"the server does not speak TLS": "250 ok\r\n250 ok\r\n",
	} {
		answer := func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096)) // the client's hello
			_, _ = io.WriteString(c, record)
			_, _ = io.Copy(io.Discard, c)
		}
		s := scriptedServer{plain: []string{"STARTTLS"}, starttls: "220 go on\r\n", upgrade: answer}
		cfg := s.config(t)
		for _, implicit := range []bool{false, true} {
			if cfg.ImplicitTLS = implicit; implicit {
				cfg.Port = listen(t, answer)
			}
			e := fails(t, &smtpServer{}, send(t, cfg, message(usher.MessageResetPassword)), "TLS", false)
			if !strings.HasSuffix(e.Error(), want) {
				t.Errorf("implicit %v: %v, want %s", implicit, e, want)
			}
		}
	}
}

// The server offers STARTTLS and then rejects the command.
func TestML03_STARTTLSRefused(t *testing.T) {
	s := scriptedServer{plain: []string{"STARTTLS"}, answer: func(command string) []string {
		if command == "STARTTLS" {
			return []string{"454 4.7.0 not now, " + addressCanary}
		}
		return nil
	}}
	e := fails(t, &smtpServer{}, send(t, s.config(t), message(usher.MessageResetPassword)), "TLS", false)
	if e.Code != 454 || e.Enhanced != "4.7.0" || errors.Is(e, mail.ErrNoTLS) {
		t.Error(e)
	}
	if want := []string{"EHLO", "STARTTLS"}; !slices.Equal(s.commands(), want) {
		t.Errorf("went on: %v", s.commands())
	}
}

// An attacker between client and server appends replies to the last unencrypted one.
func TestML03_AnswersInjectedBeforeTLS(t *testing.T) {
	const injected = "220 go on\r\n250-injected\r\n250 AUTH PLAIN\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 taken\r\n"
	s := scriptedServer{
		plain: []string{"STARTTLS"}, starttls: injected,
		answer: func(command string) []string {
			if command == "RCPT" {
				return []string{"550 5.1.1 under TLS"}
			}
			return nil
		},
	}
	cfg := s.config(t)
	if e := fails(t, &smtpServer{}, send(t, cfg, message(usher.MessageResetPassword)), "RCPT TO", true); e.Code != 550 {
		t.Errorf("not the answer of the server: %v", e)
	}
	// Extensions that were offered before TLS are forgotten (RFC 3207 §4.2).
	other := scriptedServer{plain: []string{"STARTTLS", "AUTH PLAIN"}, starttls: injected}
	cfg = other.config(t)
	cfg.Username, cfg.Password = usernameCanary, passwordCanary
	if e := fails(t, &smtpServer{}, send(t, cfg, message(usher.MessageResetPassword)), "AUTH", false); !errors.Is(e, mail.ErrNoAuth) {
		t.Error(e)
	}
	if want := []string{"EHLO", "STARTTLS", "EHLO"}; !slices.Equal(other.commands(), want) {
		t.Errorf("went on: %v", other.commands())
	}
}

// An address outside ASCII is sent only to a server that offers SMTPUTF8, and only
// such an address requests it (RFC 6531 §3.4).
func TestSMTP_AddressesOutsideASCII(t *testing.T) {
	const unicode = "änn.canary@bücher.example"
	for _, tt := range []struct {
		to, from string
		offered  []string
		want     string
	}{
		{unicode, "no-reply@example.com", []string{"SMTPUTF8"}, "MAIL FROM:<no-reply@example.com> SMTPUTF8"},
		{addressCanary, "nö-reply@example.com", []string{"SMTPUTF8"}, "MAIL FROM:<nö-reply@example.com> SMTPUTF8"},
		{addressCanary, "no-reply@example.com", []string{"SMTPUTF8"}, "MAIL FROM:<no-reply@example.com>"},
		{"ann.canary@bücher.example", "no-reply@example.com", nil, "MAIL FROM:<no-reply@example.com>"},
		{unicode, "no-reply@example.com", nil, ""},
		{addressCanary, "nö-reply@example.com", nil, ""},
	} {
		s := scriptedServer{plain: tt.offered}
		cfg := s.config(t)
		cfg.InsecurePlaintextLoopback, cfg.Composer.From = true, tt.from
		m := message(usher.MessageResetPassword)
		m.To = tt.to
		err := send(t, cfg, m)
		i := slices.IndexFunc(s.lines(), func(line string) bool { return strings.HasPrefix(line, "MAIL") })
		if tt.want == "" {
			e := fails(t, &smtpServer{}, err, "MAIL FROM", false)
			if i >= 0 || !strings.Contains(e.Error(), "SMTPUTF8") {
				t.Errorf("%s: %v, %q", tt.to, e, s.lines())
			}
			continue
		}
		if err != nil || i < 0 || s.lines()[i] != tt.want {
			t.Errorf("%s: %v, %q, want %q", tt.to, err, s.lines(), tt.want)
		}
	}
}

func TestSMTP_StalledServer(t *testing.T) {
	release := make(chan struct{})
	in := newSMTPServer(t, serverOptions{})
	in.data = func() error {
		<-release
		return errors.New("too late")
	}
	defer close(release)
	cfg := config(in)
	cfg.Timeout = 200 * time.Millisecond
	start := time.Now()
	e := fails(t, in, send(t, cfg, message(usher.MessageResetPassword)), "DATA", false)
	if !errors.Is(e, context.DeadlineExceeded) || time.Since(start) > 3*time.Second {
		t.Errorf("%v after %s", e, time.Since(start))
	}

	// A server that accepts the connection and sends nothing, with either TLS.
	l := listen(t, func(net.Conn) { <-release })
	for step, implicit := range map[string]bool{"greeting": false, "TLS": true} {
		cfg.Port, cfg.ImplicitTLS = l, implicit
		e := fails(t, &smtpServer{}, send(t, cfg, message(usher.MessageResetPassword)), step, false)
		if !errors.Is(e, context.DeadlineExceeded) {
			t.Error(e)
		}
	}

	// The caller's context ends first.
	cfg.Timeout, cfg.ImplicitTLS = time.Minute, false
	s, err := mail.SMTP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start = time.Now()
	if err := s.Send(ctx, message(usher.MessageResetPassword)); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 30*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}

func TestSMTP_InvalidGreetings(t *testing.T) {
	for name, tt := range map[string]struct {
		greeting string
		code     int
	}{
		"refuses":  {"554 no " + passwordCanary + "\r\n", 554},
		"nonsense": {"HTTP/1.1 200 OK " + addressCanary + "\r\n\r\n", 0},
		"nothing":  {"", 0},
	} {
		port := listen(t, func(c net.Conn) {
			_, _ = io.WriteString(c, tt.greeting)
			if tt.greeting != "" {
				_, _ = bufio.NewReader(c).ReadString('\n') // until the client has gone
			}
		})
		e := fails(t, &smtpServer{}, send(t, mail.SMTPConfig{
			Host: "127.0.0.1", Port: port, Timeout: 5 * time.Second, Composer: composer(),
		}, message(usher.MessageResetPassword)), "greeting", false)
		if e.Code != tt.code {
			t.Errorf("%s: %v", name, e)
		}
	}
}

// The client stops reading an endless reply.
func TestSMTP_EndlessReplies(t *testing.T) {
	for at, step := range map[string]string{"EHLO": "greeting", "MAIL": "MAIL FROM", "RCPT": "RCPT TO", "DATA": "DATA"} {
		for name, line := range map[string]string{"lines": "250-and then\r\n", "line": "and then "} {
			s := scriptedServer{}
			s.answer = func(command string) []string {
				if command != at {
					return nil
				}
				return []string{"250-" + strings.Repeat(line, (1<<20)/len(line))}
			}
			cfg := s.config(t)
			cfg.InsecurePlaintextLoopback = true
			e := fails(t, &smtpServer{}, send(t, cfg, message(usher.MessageResetPassword)), step, false)
			if !strings.HasSuffix(e.Error(), "the server sends too much") {
				t.Errorf("%s of %s: %v", name, at, e)
			}
		}
	}
}

// An email that the server accepted is delivered, even if QUIT fails.
func TestSMTP_FailedGoodbye(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for name, goodbye := range map[string]func(){
		"hangs up": func() {}, "says nothing more": func() { <-release },
	} {
		port := listen(t, func(c net.Conn) { takeOne(c, goodbye) })
		cfg := mail.SMTPConfig{Host: "127.0.0.1", Port: port, InsecurePlaintextLoopback: true, Composer: composer()}
		start := time.Now()
		if err := send(t, cfg, message(usher.MessageResetPassword)); err != nil || time.Since(start) > 20*time.Second {
			t.Errorf("%s: %v after %s", name, err, time.Since(start))
		}
	}
}

func TestSMTP_ConnectionRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	cfg := mail.SMTPConfig{Host: "127.0.0.1", Port: port, Composer: composer()}
	fails(t, &smtpServer{}, send(t, cfg, message(usher.MessageResetPassword)), "connect", false)
}
