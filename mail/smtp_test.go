package mail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/store/memory"
)

func config(in *smtpServer) mail.SMTPConfig {
	return mail.SMTPConfig{
		Host: "127.0.0.1", Port: in.port, RootCAs: in.roots,
		Timeout: 5 * time.Second, Composer: composer(),
	}
}

func send(t *testing.T, cfg mail.SMTPConfig, m usher.Message) error {
	t.Helper()
	s, err := mail.SMTP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Send(t.Context(), m)
	noCanary(t, fmt.Sprintf("%v %+v %#v", s, s, s))
	for e := err; e != nil; e = errors.Unwrap(e) {
		noCanary(t, fmt.Sprintf("%v %+v %#v", e, e, e))
	}
	return err
}

// fails checks that no email arrived, and returns the error.
func fails(t *testing.T, in *smtpServer, err error, step string, permanent bool) *mail.DeliveryError {
	t.Helper()
	if n := len(in.deliveries()); n != 0 {
		t.Errorf("%d emails arrived", n)
	}
	var e *mail.DeliveryError
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want a DeliveryError", err)
	}
	if e.Step != step || e.Permanent() != permanent {
		t.Errorf("step %q, permanent %v: %v", e.Step, e.Permanent(), e)
	}
	return e
}

func TestSMTP_Config(t *testing.T) {
	good := mail.SMTPConfig{Host: "smtp.example.com", Composer: composer()}
	if _, err := mail.SMTP(good); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*mail.SMTPConfig){
		"Host is missing":   func(c *mail.SMTPConfig) { c.Host = "" },
		"Host must be":      func(c *mail.SMTPConfig) { c.Host = "unix:///tmp/x" },
		"Port must be":      func(c *mail.SMTPConfig) { c.Port = 65536 },
		"LocalName":         func(c *mail.SMTPConfig) { c.LocalName = "a\r\nb" },
		"LocalName must be": func(c *mail.SMTPConfig) { c.LocalName = "fe80::1%\r\nQUIT" },
		"Timeout":           func(c *mail.SMTPConfig) { c.Timeout = -1 },
		"Username and":      func(c *mail.SMTPConfig) { c.Password = passwordCanary },
		"Composer.From":     func(c *mail.SMTPConfig) { c.Composer.From = "" },
		"Composer.Texts":    func(c *mail.SMTPConfig) { c.Composer.Texts.Languages = []string{"/"} },
		"template":          func(c *mail.SMTPConfig) { c.Composer.Templates = withSubject("{{.Nothing}}") },
	} {
		cfg := good
		change(&cfg)
		_, err := mail.SMTP(cfg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
			continue
		}
		noCanary(t, err.Error())
	}
}

func TestSMTP_Delivers(t *testing.T) {
	for name, o := range map[string]serverOptions{
		"STARTTLS":     {},
		"implicit TLS": {implicitTLS: true},
		"AUTH":         {mechanisms: plain},
		"both":         {implicitTLS: true, mechanisms: plain},
	} {
		t.Run(name, func(t *testing.T) {
			in := newSMTPServer(t, o)
			cfg := config(in)
			cfg.ImplicitTLS = o.implicitTLS
			if o.mechanisms != nil {
				cfg.Username, cfg.Password = usernameCanary, passwordCanary
			}
			m := message(usher.MessageResetPassword)
			m.To = "ann.canary@bücher.example"
			if err := send(t, cfg, m); err != nil {
				t.Fatal(err)
			}
			got := in.deliveries()
			if len(got) != 1 || got[0].from != "no-reply@example.com" || got[0].to != "ann.canary@xn--bcher-kva.example" {
				t.Fatalf("%+v", got)
			}
			if o.mechanisms != nil && len(in.logins) != 1 {
				t.Errorf("logins: %v", in.logins)
			}
			checkMail(t, cfg.Composer, m, got[0].data)
		})
	}
}

func checkMail(t *testing.T, c mail.Composer, m usher.Message, data string) {
	t.Helper()
	parsed, err := netmail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	subject, text, html, err := c.Render(m)
	if err != nil {
		t.Fatal(err)
	}
	h := parsed.Header
	for name, want := range map[string]string{
		"Subject": subject, "From": `"Example" <no-reply@example.com>`, "To": "<ann.canary@xn--bcher-kva.example>",
		"Auto-Submitted": "auto-generated", "Date": "Mon, 23 Nov 2026 18:35:01 +0000", "Mime-Version": "1.0",
	} {
		if got := h.Get(name); got != want || len(h[name]) != 1 {
			t.Errorf("%s: %q, want %q", name, h[name], want)
		}
	}
	if id := h.Get("Message-Id"); !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, "@example.com>") {
		t.Errorf("Message-ID: %s", id)
	}
	for _, name := range []string{"User-Agent", "X-Mailer", "Bcc"} {
		if h.Get(name) != "" {
			t.Errorf("%s: %s", name, h.Get(name))
		}
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s: %v", kind, err)
	}
	parts := multipart.NewReader(parsed.Body, params["boundary"])
	for _, want := range []string{text, html} {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		if part.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Errorf("part: %v", part.Header)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil || strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n")) != strings.TrimSpace(want) {
			t.Errorf("%v, got:\n%s\nwant:\n%s", err, b, want)
		}
	}
	if _, err := parts.NextRawPart(); err != io.EOF {
		t.Errorf("a third part: %v", err)
	}
}

func TestSMTP_TextOnly(t *testing.T) {
	in := newSMTPServer(t, serverOptions{})
	m := message(usher.MessagePasswordChanged)
	cfg := config(in)
	cfg.Composer.TextOnly = true
	if err := send(t, cfg, m); err != nil {
		t.Fatal(err)
	}
	parsed, err := netmail.ReadMessage(strings.NewReader(in.deliveries()[0].data))
	if err != nil || parsed.Header.Get("Content-Type") != "text/plain; charset=UTF-8" {
		t.Errorf("%v, %v", parsed.Header, err)
	}
}

func TestSMTP_LocalName(t *testing.T) {
	for name, want := range map[string]string{
		"app.example.com": "EHLO app.example.com", "192.0.2.1": "EHLO [192.0.2.1]", "::ffff:192.0.2.1": "EHLO [192.0.2.1]",
		"2001:db8::1": "EHLO [IPv6:2001:db8::1]", "fe80::1%eth0": "EHLO [IPv6:fe80::1]",
	} {
		s := scriptedServer{}
		cfg := s.config(t)
		cfg.LocalName, cfg.InsecurePlaintextLoopback = name, true
		if err := send(t, cfg, message(usher.MessageResetPassword)); err != nil || s.lines()[0] != want {
			t.Errorf("%s: %q, %v", name, s.lines(), err)
		}
	}
}

func TestML01_NothingReachesTheServer(t *testing.T) {
	in := newSMTPServer(t, serverOptions{})
	for _, to := range []string{"a@example.com\r\nRCPT TO:<b@example.net>", "a@example.com>\x00", "a@example.com,b@example.net"} {
		m := message(usher.MessageResetPassword)
		m.To = to
		var e *mail.MessageError
		if err := send(t, config(in), m); !errors.As(err, &e) || !e.Permanent() {
			t.Errorf("%q: %v", to, err)
		}
	}
	if n := len(in.deliveries()); n != 0 {
		t.Errorf("%d emails arrived", n)
	}
}

func TestML03_PlaintextOnlyToLoopbackAndBySwitch(t *testing.T) {
	in := newSMTPServer(t, serverOptions{noTLS: true})
	cfg := config(in)
	cfg.InsecurePlaintextLoopback = true
	if err := send(t, cfg, message(usher.MessageResetPassword)); err != nil || len(in.deliveries()) != 1 {
		t.Errorf("loopback: %v", err)
	}
	for name, change := range map[string]func(*mail.SMTPConfig){
		"host":         func(c *mail.SMTPConfig) { c.Host = "smtp.example.com" },
		"look-alike":   func(c *mail.SMTPConfig) { c.Host = "127.0.0.1.example.com" },
		"other":        func(c *mail.SMTPConfig) { c.Host = "192.0.2.1" },
		"password":     func(c *mail.SMTPConfig) { c.Username, c.Password = usernameCanary, passwordCanary },
		"implicit TLS": func(c *mail.SMTPConfig) { c.ImplicitTLS = true },
	} {
		c := cfg
		change(&c)
		if _, err := mail.SMTP(c); err == nil || !strings.Contains(err.Error(), "InsecurePlaintextLoopback") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A server without TLS or with a wrong certificate gets no email. Each attempt is
// logged with its step, and the last one causes an event.
func TestML03_NotSentIsLoggedAndAnEvent(t *testing.T) {
	for name, options := range map[string]serverOptions{
		"no STARTTLS":       {noTLS: true},
		"wrong certificate": {certFor: "other.test"},
	} {
		t.Run(name, func(t *testing.T) {
			in := newSMTPServer(t, options)
			sender, err := mail.SMTP(config(in))
			if err != nil {
				t.Fatal(err)
			}
			var moved atomic.Int64
			var log webtest.Log
			s, err := usher.New(context.Background(), memory.New(), usher.Config{
				Secret: "wLyp7cFmXo2Qk9vTtB4eRzN1uHsG6dJa", BaseURL: "https://app.example.com", Mailer: sender,
				Now:    func() time.Time { return at.Add(time.Duration(moved.Load())) },
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close(context.Background())
			if _, err := s.Operator("test").ImportUser(t.Context(), usher.ImportUserParams{LoginIDs: []string{addressCanary}, EmailVerified: true}); err != nil {
				t.Fatal(err)
			}
			ask := func() {
				c := usher.Client{Address: netip.MustParseAddr("192.0.2.1")}
				if err := s.SendPasswordReset(t.Context(), usher.SendPasswordResetParams{LoginID: addressCanary}, c); err != nil {
					t.Fatal(err)
				}
			}
			ask()
			until(t, "a line for the attempt", func() bool { return strings.Contains(log.String(), "mail not delivered") })
			if !strings.Contains(log.String(), "TLS") {
				t.Errorf("the line does not say why:\n%s", log.String())
			}
			moved.Store(int64(time.Hour)) // the link has expired, so the email is given up
			ask()                         // wakes the outbox
			until(t, "an event", func() bool {
				page, err := s.Operator("test").Events(context.WithoutCancel(t.Context()), usher.EventQuery{Name: usher.EventEmailGivenUp})
				return err == nil && len(page.Events) == 1
			})
			if all := in.deliveries(); len(all) != 0 {
				t.Errorf("%d emails were sent", len(all))
			}
			noCanary(t, log.String())
		})
	}
}

// until waits for a condition that another goroutine makes true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}
