package mail_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
)

// What the server's TLS refuses is told at the step TLS, with its alert.
func TestML03_ServerRefusesTheTLS(t *testing.T) {
	for name, demand := range map[string]func(*tls.Config){
		"an old version":                func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"a client certificate":          func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert },
		"a client certificate, TLS 1.2": func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 },
	} {
		for _, implicit := range []bool{false, true} {
			in := newInbox(t, inboxOptions{implicitTLS: implicit, tls: demand})
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

// So is what our TLS refuses.
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
		s := talker{plain: []string{"STARTTLS"}, starttls: "220 go on\r\n", upgrade: answer}
		cfg := s.config(t)
		for _, implicit := range []bool{false, true} {
			if cfg.ImplicitTLS = implicit; implicit {
				cfg.Port = listen(t, answer)
			}
			e := fails(t, &inbox{}, send(t, cfg, message(usher.MessageResetPassword)), "TLS", false)
			if !strings.HasSuffix(e.Error(), want) {
				t.Errorf("implicit %v: %v, want %s", implicit, e, want)
			}
		}
	}
}

// A server that offers STARTTLS and then has no mind to.
func TestML03_STARTTLSRefused(t *testing.T) {
	s := talker{plain: []string{"STARTTLS"}, answer: func(command string) []string {
		if command == "STARTTLS" {
			return []string{"454 4.7.0 not now, " + addressCanary}
		}
		return nil
	}}
	e := fails(t, &inbox{}, send(t, s.config(t), message(usher.MessageResetPassword)), "TLS", false)
	if e.Code != 454 || e.Enhanced != "4.7.0" || errors.Is(e, mail.ErrNoTLS) {
		t.Error(e)
	}
	if want := []string{"EHLO", "STARTTLS"}; !slices.Equal(s.commands(), want) {
		t.Errorf("went on: %v", s.commands())
	}
}

// Somebody on the way appends answers of his own to the last one in the clear.
func TestML03_AnswersInjectedBeforeTLS(t *testing.T) {
	const injected = "220 go on\r\n250-injected\r\n250 AUTH PLAIN\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 taken\r\n"
	s := talker{
		plain: []string{"STARTTLS"}, starttls: injected,
		answer: func(command string) []string {
			if command == "RCPT" {
				return []string{"550 5.1.1 under TLS"}
			}
			return nil
		},
	}
	cfg := s.config(t)
	if e := fails(t, &inbox{}, send(t, cfg, message(usher.MessageResetPassword)), "RCPT TO", true); e.Code != 550 {
		t.Errorf("not the answer of the server: %v", e)
	}
	// Nor does what was offered in the clear hold under TLS (RFC 3207 §4.2).
	other := talker{plain: []string{"STARTTLS", "AUTH PLAIN"}, starttls: injected}
	cfg = other.config(t)
	cfg.Username, cfg.Password = usernameCanary, passwordCanary
	if e := fails(t, &inbox{}, send(t, cfg, message(usher.MessageResetPassword)), "AUTH", false); !errors.Is(e, mail.ErrNoAuth) {
		t.Error(e)
	}
	if want := []string{"EHLO", "STARTTLS", "EHLO"}; !slices.Equal(other.commands(), want) {
		t.Errorf("went on: %v", other.commands())
	}
}

// An answer without end is not read to the end of the memory, or of the time.
func TestSMTP_EndlessAnswers(t *testing.T) {
	for at, step := range map[string]string{"EHLO": "greeting", "MAIL": "MAIL FROM", "RCPT": "RCPT TO", "DATA": "DATA"} {
		for name, line := range map[string]string{"lines": "250-and then\r\n", "line": "and then "} {
			s := talker{}
			s.answer = func(command string) []string {
				if command != at {
					return nil
				}
				return []string{"250-" + strings.Repeat(line, (1<<20)/len(line))}
			}
			cfg := s.config(t)
			cfg.InsecurePlaintextLoopback = true
			e := fails(t, &inbox{}, send(t, cfg, message(usher.MessageResetPassword)), step, false)
			if !strings.HasSuffix(e.Error(), "the server sends too much") {
				t.Errorf("%s of %s: %v", name, at, e)
			}
		}
	}
}
