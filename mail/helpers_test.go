package mail_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What must never turn up where it does not belong.
const (
	linkCanary     = "https://app.example.com/auth/reset?token=CANARYlink_0123456789-abcdefghijklmnopqrstuv"
	passwordCanary = "CANARY:pass/word?#@%"
	usernameCanary = "CANARYuser"
	addressCanary  = "ann.canary@example.com"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

var at = time.Date(2026, 11, 23, 18, 35, 1, 0, time.UTC)

var allKinds = []usher.MessageKind{
	usher.MessageVerifyEmail, usher.MessageAlreadyRegistered, usher.MessageResetPassword,
	usher.MessageConfirmAndReset, usher.MessagePasswordChanged, usher.MessageChangeEmail,
	usher.MessageEmailChanging, usher.MessageEmailChanged, usher.MessageSignInNotice,
}

func hasLink(kind usher.MessageKind) bool {
	switch kind {
	case usher.MessageVerifyEmail, usher.MessageResetPassword, usher.MessageConfirmAndReset, usher.MessageChangeEmail:
		return true
	}
	return false
}

// message has every field set, the link also where no link belongs.
func message(kind usher.MessageKind) usher.Message {
	m := usher.Message{
		ID: "msg-" + string(kind), Kind: kind, To: addressCanary,
		Link: linkCanary, At: at, ExpiresAt: at.Add(10 * time.Minute),
		Address: "192.0.2.1", UserAgent: firefox,
	}
	if kind == usher.MessageVerifyEmail || kind == usher.MessageChangeEmail {
		m.ExpiresAt = at.Add(24 * time.Hour)
	}
	return m
}

func composer() mail.Composer {
	return mail.Composer{From: "no-reply@example.com", Name: "Example", Support: "help@example.com"}
}

// delivery is one mail that the server took.
type delivery struct{ from, to, data string }

// inbox is a real SMTP server in this process.
type inbox struct {
	port   int
	roots  *x509.CertPool
	rcpt   func() error // answers RCPT TO
	data   func() error // answers DATA
	mu     sync.Mutex
	got    []delivery
	logins []string // the mechanisms of the sign-ins that succeeded
}

type inboxOptions struct {
	implicitTLS, noTLS bool
	certFor            string             // defaults to 127.0.0.1
	mechanisms         []string           // of AUTH, none by default
	scram              func() sasl.Server // SCRAM-SHA-256, defaults to one that keeps to it
	tls                func(*tls.Config)  // changes what the server demands
}

func newInbox(t *testing.T, o inboxOptions) *inbox {
	t.Helper()
	in := &inbox{}
	var cert tls.Certificate
	cert, in.roots = newCertificate(t, o.certFor)
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		base := session{in: in}
		if o.mechanisms != nil {
			return &authSession{base, o}, nil
		}
		return &base, nil
	}))
	s.Domain = "inbox.test"
	s.ReadTimeout = 10 * time.Second
	s.ErrorLog = quiet{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in.port = l.Addr().(*net.TCPAddr).Port
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	if o.tls != nil {
		o.tls(config)
	}
	if o.implicitTLS {
		l = tls.NewListener(l, config)
	} else if !o.noTLS {
		s.TLSConfig = config
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return in
}

func (in *inbox) deliveries() []delivery {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.got
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

type session struct {
	in *inbox
	d  delivery
}

func (s *session) Reset()        { s.d = delivery{} }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.d.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.d.to = to
	if s.in.rcpt != nil {
		return s.in.rcpt()
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.in.data != nil {
		if err := s.in.data(); err != nil {
			return err
		}
	}
	s.d.data = string(b)
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.in.got = append(s.in.got, s.d)
	return nil
}

func newCertificate(t *testing.T, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "inbox"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	if host == "" {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// noCanary fails if text has any secret or the recipient's address.
func noCanary(t *testing.T, text string) {
	t.Helper()
	for _, canary := range []string{"CANARY", "ann.canary"} {
		if strings.Contains(text, canary) {
			t.Errorf("%s in: %s", canary, text)
		}
	}
}
