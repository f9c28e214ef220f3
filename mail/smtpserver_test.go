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
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// delivery is an email that the server accepted.
type delivery struct{ from, to, data string }

// smtpServer is a complete SMTP server that keeps the emails it accepts.
type smtpServer struct {
	port   int
	roots  *x509.CertPool
	rcpt   func() error // answers RCPT TO
	data   func() error // answers DATA
	mu     sync.Mutex
	got    []delivery
	logins []string // the mechanisms of the sign-ins that succeeded
}

type serverOptions struct {
	implicitTLS, noTLS bool
	certFor            string             // defaults to 127.0.0.1
	mechanisms         []string           // of AUTH, none by default
	scram              func() sasl.Server // SCRAM-SHA-256, defaults to a correct one
	tls                func(*tls.Config)  // changes the server's requirements
}

func newSMTPServer(t *testing.T, o serverOptions) *smtpServer {
	t.Helper()
	in := &smtpServer{}
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

func (in *smtpServer) deliveries() []delivery {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.got
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}

func (quiet) Println(...any) {}

type session struct {
	in *smtpServer
	d  delivery
}

func (s *session) Reset() { s.d = delivery{} }

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
