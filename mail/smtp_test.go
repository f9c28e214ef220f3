package mail_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
)

func config(in *inbox) mail.SMTPConfig {
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

// fails asserts that nothing arrived and what the error says.
func fails(t *testing.T, in *inbox, err error, step string, permanent bool) *mail.DeliveryError {
	t.Helper()
	if n := len(in.deliveries()); n != 0 {
		t.Errorf("%d mails arrived", n)
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

func TestSMTP_Delivers(t *testing.T) {
	for name, o := range map[string]inboxOptions{
		"STARTTLS":     {},
		"implicit TLS": {implicitTLS: true},
		"AUTH":         {mechanisms: plain},
		"both":         {implicitTLS: true, mechanisms: plain},
	} {
		t.Run(name, func(t *testing.T) {
			in := newInbox(t, o)
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

func TestSMTP_PlainTextAlone(t *testing.T) {
	in := newInbox(t, inboxOptions{})
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

func TestML03_ServerWithoutSTARTTLS(t *testing.T) {
	in := newInbox(t, inboxOptions{noTLS: true, mechanisms: plain})
	cfg := config(in)
	cfg.Username, cfg.Password = usernameCanary, passwordCanary
	e := fails(t, in, send(t, cfg, message(usher.MessageResetPassword)), "TLS", false)
	if !errors.Is(e, mail.ErrNoTLS) || len(in.logins) != 0 {
		t.Errorf("%v, logins %v", e, in.logins)
	}
}

func TestML03_WrongCertificate(t *testing.T) {
	for _, implicit := range []bool{false, true} {
		in := newInbox(t, inboxOptions{implicitTLS: implicit, certFor: "other.test"})
		cfg := config(in)
		cfg.ImplicitTLS = implicit
		var host x509.HostnameError
		if e := fails(t, in, send(t, cfg, message(usher.MessageResetPassword)), "TLS", false); !errors.As(e, &host) {
			t.Errorf("another name, implicit %v: %v", implicit, e)
		}
		in = newInbox(t, inboxOptions{implicitTLS: implicit})
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
	in := newInbox(t, inboxOptions{noTLS: true})
	cfg := config(in)
	cfg.ImplicitTLS = true
	fails(t, in, send(t, cfg, message(usher.MessageResetPassword)), "TLS", false)
}

func TestML03_PlaintextOnlyToLoopbackAndBySwitch(t *testing.T) {
	in := newInbox(t, inboxOptions{noTLS: true})
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

func TestSMTP_TemporaryThenDelivered(t *testing.T) {
	in := newInbox(t, inboxOptions{})
	tries := 0
	in.data = func() error {
		if tries++; tries == 1 {
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "later, " + addressCanary}
		}
		return nil
	}
	m := message(usher.MessageResetPassword)
	e := fails(t, in, send(t, config(in), m), "DATA", false)
	if e.Code != 451 || e.Enhanced != "4.3.0" {
		t.Error(e)
	}
	if err := send(t, config(in), m); err != nil || len(in.deliveries()) != 1 {
		t.Errorf("second try: %v", err)
	}
}

func TestSMTP_PermanentRefusals(t *testing.T) {
	refuse := func() error {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<" + addressCanary + "> unknown " + linkCanary}
	}
	in := newInbox(t, inboxOptions{})
	in.rcpt = refuse
	if e := fails(t, in, send(t, config(in), message(usher.MessageResetPassword)), "RCPT TO", true); e.Code != 550 || e.Enhanced != "5.1.1" {
		t.Error(e)
	}
	in.rcpt, in.data = nil, refuse
	fails(t, in, send(t, config(in), message(usher.MessageResetPassword)), "DATA", true)
}

// A wrong password is no fault of the message: it can go when that is mended.
func TestSMTP_WrongPasswordIsNotPermanent(t *testing.T) {
	in := newInbox(t, inboxOptions{mechanisms: plain})
	cfg := config(in)
	cfg.Username, cfg.Password = usernameCanary, "CANARY-another"
	if e := fails(t, in, send(t, cfg, message(usher.MessageResetPassword)), "AUTH", false); e.Code != 535 {
		t.Error(e)
	}

	// Nor is a sign-in that the server wants and the configuration lacks.
	in = newInbox(t, inboxOptions{})
	in.rcpt = func() error { return &smtp.SMTPError{Code: 530, Message: "sign in first"} }
	fails(t, in, send(t, config(in), message(usher.MessageResetPassword)), "RCPT TO", false)

	// Nor is an EHLO whose name the server refuses at the recipient only.
	in.rcpt = func() error { return &smtp.SMTPError{Code: 504, Message: "need a fully qualified name"} }
	fails(t, in, send(t, config(in), message(usher.MessageResetPassword)), "RCPT TO", false)
}

func TestSMTP_StalledServer(t *testing.T) {
	release := make(chan struct{})
	in := newInbox(t, inboxOptions{})
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

	// A server that takes the connection and says nothing, with either TLS.
	l := listen(t, func(net.Conn) { <-release })
	for step, implicit := range map[string]bool{"greeting": false, "TLS": true} {
		cfg.Port, cfg.ImplicitTLS = l, implicit
		e := fails(t, &inbox{}, send(t, cfg, message(usher.MessageResetPassword)), step, false)
		if !errors.Is(e, context.DeadlineExceeded) {
			t.Error(e)
		}
	}

	// The caller gives up first.
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

// listen serves each connection with f, in the test process.
func listen(t *testing.T, f func(net.Conn)) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				f(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port
}

func TestSMTP_ServersThatTalkNonsense(t *testing.T) {
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
		e := fails(t, &inbox{}, send(t, mail.SMTPConfig{
			Host: "127.0.0.1", Port: port, Timeout: 5 * time.Second, Composer: composer(),
		}, message(usher.MessageResetPassword)), "greeting", false)
		if e.Code != tt.code {
			t.Errorf("%s: %v", name, e)
		}
	}
}

// A mail that the server has taken is delivered, however the goodbye goes.
func TestSMTP_GoodbyeDoesNotMatter(t *testing.T) {
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

// takeOne is a server that takes one mail.
func takeOne(c net.Conn, then func()) {
	r := bufio.NewReader(c)
	_, _ = io.WriteString(c, "220 ready\r\n")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(line, "DATA") {
			_, _ = io.WriteString(c, "354 go on\r\n")
			for line != ".\r\n" && err == nil {
				line, err = r.ReadString('\n')
			}
			_, _ = io.WriteString(c, "250 taken\r\n")
			then()
			return
		}
		_, _ = io.WriteString(c, "250 ok\r\n")
	}
}

func TestSMTP_NobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	cfg := mail.SMTPConfig{Host: "127.0.0.1", Port: port, Composer: composer()}
	fails(t, &inbox{}, send(t, cfg, message(usher.MessageResetPassword)), "connect", false)
}

func TestML01_NothingReachesTheServer(t *testing.T) {
	in := newInbox(t, inboxOptions{})
	for _, to := range []string{"a@example.com\r\nRCPT TO:<b@example.net>", "a@example.com>\x00", "a@example.com,b@example.net"} {
		m := message(usher.MessageResetPassword)
		m.To = to
		var e *mail.MessageError
		if err := send(t, config(in), m); !errors.As(err, &e) || !e.Permanent() {
			t.Errorf("%q: %v", to, err)
		}
	}
	if n := len(in.deliveries()); n != 0 {
		t.Errorf("%d mails arrived", n)
	}
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

func TestSMTP_LocalName(t *testing.T) {
	for name, want := range map[string]string{
		"app.example.com": "EHLO app.example.com", "192.0.2.1": "EHLO [192.0.2.1]", "::ffff:192.0.2.1": "EHLO [192.0.2.1]",
		"2001:db8::1": "EHLO [IPv6:2001:db8::1]", "fe80::1%eth0": "EHLO [IPv6:fe80::1]",
	} {
		s := talker{}
		cfg := s.config(t)
		cfg.LocalName, cfg.InsecurePlaintextLoopback = name, true
		if err := send(t, cfg, message(usher.MessageResetPassword)); err != nil || s.lines()[0] != want {
			t.Errorf("%s: %q, %v", name, s.lines(), err)
		}
	}
}
