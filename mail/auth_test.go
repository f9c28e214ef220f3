package mail_test

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
)

var plain = []string{"PLAIN"}

// authSession is a session that offers sign-in.
type authSession struct {
	session
	o inboxOptions
}

func (s *authSession) AuthMechanisms() []string { return s.o.mechanisms }

func (s *authSession) Auth(mechanism string) (sasl.Server, error) {
	right := func(username, password string) error {
		if username != usernameCanary || password != passwordCanary {
			// A talkative server.
			return &smtp.SMTPError{Code: 535, Message: "no " + username + " with " + password}
		}
		s.in.mu.Lock()
		defer s.in.mu.Unlock()
		s.in.logins = append(s.in.logins, mechanism)
		return nil
	}
	switch mechanism {
	case "PLAIN":
		return sasl.NewPlainServer(func(_, username, password string) error { return right(username, password) }), nil
	case "LOGIN":
		return &loginServer{right: right}, nil
	case "SCRAM-SHA-256":
		if s.o.scram != nil {
			return s.o.scram(), nil
		}
		return &scramServer{iterations: 4096, proven: func() error { return right(usernameCanary, passwordCanary) }}, nil
	}
	// Whatever the others would be: that they are tried is the failure.
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.in.logins = append(s.in.logins, mechanism)
	return nil, smtp.ErrAuthUnknownMechanism
}

// loginServer asks for the name, then for the password.
type loginServer struct {
	heard []string
	right func(username, password string) error
}

func (s *loginServer) Next(response []byte) ([]byte, bool, error) {
	if response != nil {
		s.heard = append(s.heard, string(response))
	}
	if len(s.heard) < 2 {
		return []byte([]string{"Username:", "Password:"}[len(s.heard)]), false, nil
	}
	return nil, true, s.right(s.heard[0], s.heard[1])
}

// scramServer is the server's side of SCRAM-SHA-256 (RFC 5802 §3, RFC 7677),
// for the password of passwordCanary.
type scramServer struct {
	iterations              int
	forge                   bool // a proof by somebody who does not know the password
	proven                  func() error
	step                    int
	clientFirst, serverMsg1 string
}

func (s *scramServer) Next(response []byte) ([]byte, bool, error) {
	s.step++
	switch s.step {
	case 1:
		return []byte{}, false, nil
	case 2:
		s.clientFirst = strings.TrimPrefix(string(response), "n,,")
		_, nonce, _ := strings.Cut(s.clientFirst, ",r=")
		s.serverMsg1 = fmt.Sprintf("r=%sserver,s=%s,i=%d", nonce, b64([]byte("salt of the server")), s.iterations)
		return []byte(s.serverMsg1), false, nil
	case 3:
		bare, proof, _ := strings.Cut(string(response), ",p=")
		salted, err := pbkdf2.Key(sha256.New, passwordCanary, []byte("salt of the server"), s.iterations, sha256.Size)
		if err != nil {
			return nil, true, err
		}
		said := s.clientFirst + "," + s.serverMsg1 + "," + bare
		key := mac(salted, "Client Key")
		stored := sha256.Sum256(key)
		for i, b := range mac(stored[:], said) {
			key[i] ^= b
		}
		if proof != b64(key) {
			return nil, true, &smtp.SMTPError{Code: 535, Message: "wrong proof"}
		}
		if s.forge {
			salted = []byte("something else")
		}
		return []byte("v=" + b64(mac(mac(salted, "Server Key"), said))), false, nil
	}
	return nil, true, s.proven()
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// script is a server's side of a mechanism that says its lines whatever it hears.
type script []string

func (s *script) Next([]byte) ([]byte, bool, error) {
	if len(*s) == 0 {
		return nil, true, nil
	}
	line := (*s)[0]
	*s = (*s)[1:]
	return []byte(line), false, nil
}

func withUser(in *inbox) mail.SMTPConfig {
	cfg := config(in)
	cfg.Username, cfg.Password = usernameCanary, passwordCanary
	return cfg
}

func TestSMTP_SignsInByTheFirstOfOurMechanisms(t *testing.T) {
	for want, offered := range map[string]string{
		"SCRAM-SHA-256": "NTLM LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256-PLUS SCRAM-SHA-256",
		"PLAIN":         "SCRAM-SHA-256-PLUS SCRAM-SHA-1 NTLM CRAM-MD5 LOGIN PLAIN",
		"LOGIN":         "XOAUTH2 CRAM-MD5 NTLM LOGIN",
	} {
		for _, implicit := range []bool{false, true} {
			in := newInbox(t, inboxOptions{implicitTLS: implicit, mechanisms: strings.Fields(offered)})
			cfg := withUser(in)
			cfg.ImplicitTLS = implicit
			if err := send(t, cfg, message(usher.MessageResetPassword)); err != nil || len(in.deliveries()) != 1 {
				t.Errorf("%s: %v", offered, err)
			}
			if !slices.Equal(in.logins, []string{want}) {
				t.Errorf("%s: by %v", offered, in.logins)
			}
		}
	}
}

// The same Sender signs in again, also for several mails at once.
func TestSMTP_SignsInForEachMail(t *testing.T) {
	in := newInbox(t, inboxOptions{mechanisms: []string{"SCRAM-SHA-256"}})
	s, err := mail.SMTP(withUser(in))
	if err != nil {
		t.Fatal(err)
	}
	const n = 8
	errs := make(chan error)
	for range n {
		go func() { errs <- s.Send(t.Context(), message(usher.MessageResetPassword)) }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if len(in.deliveries()) != n || len(in.logins) != n {
		t.Errorf("%d mails, %d sign-ins", len(in.deliveries()), len(in.logins))
	}
}

func TestSMTP_ServerWithoutOurMechanisms(t *testing.T) {
	for _, offered := range []string{
		"", "NTLM", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "XOAUTH2", "PLAIN-CLIENTTOKEN",
		"NTLM CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-512 XOAUTH2 OAUTHBEARER EXTERNAL ANONYMOUS",
	} {
		in := newInbox(t, inboxOptions{mechanisms: strings.Fields(offered)})
		if offered == "" {
			in = newInbox(t, inboxOptions{}) // not even the word AUTH
		}
		e := fails(t, in, send(t, withUser(in), message(usher.MessageResetPassword)), "AUTH", false)
		if !errors.Is(e, mail.ErrNoAuth) || e.Code != 0 || len(in.logins) != 0 {
			t.Errorf("%q: %v, tried %v", offered, e, in.logins)
		}
	}
}

// A server that does not keep to SCRAM has not shown that it knows the password,
// and may want any amount of work.
func TestSMTP_ServerBreaksSCRAM(t *testing.T) {
	unsalted := "v=" + b64(mac(mac(nil, "Server Key"), ""))
	for name, server := range map[string]func() sasl.Server{
		"two thousand million iterations": func() sasl.Server { return &scramServer{iterations: 2_000_000_000} },
		"success at once":                 func() sasl.Server { return &script{} },
		"success before the proof":        func() sasl.Server { return &script{""} },
		"a proof without a salt":          func() sasl.Server { return &script{"", unsalted} },
		"a forged proof":                  func() sasl.Server { return &scramServer{iterations: 4096, forge: true} },
		"the same question for ever":      func() sasl.Server { return &script{"", "", "", ""} },
		"nonsense":                        func() sasl.Server { return &script{"", "r=" + passwordCanary + ",,"} },
	} {
		in := newInbox(t, inboxOptions{mechanisms: []string{"PLAIN", "SCRAM-SHA-256"}, scram: server})
		e := fails(t, in, send(t, withUser(in), message(usher.MessageResetPassword)), "AUTH", false)
		if e.Code != 0 || !strings.Contains(e.Error(), "SCRAM-SHA-256 failed") {
			t.Errorf("%s: %v", name, e)
		}
	}
	in := newInbox(t, inboxOptions{mechanisms: []string{"SCRAM-SHA-256"}})
	cfg := withUser(in)
	cfg.Password = "CANARY-another"
	if e := fails(t, in, send(t, cfg, message(usher.MessageResetPassword)), "AUTH", false); e.Code != 535 {
		t.Errorf("wrong password: %v", e)
	}
}
