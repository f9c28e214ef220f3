package mail_test

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

var plain = []string{"PLAIN"}

// authSession is a session that offers AUTH.
type authSession struct {
	session
	o serverOptions
}

func (s *authSession) AuthMechanisms() []string { return s.o.mechanisms }

func (s *authSession) Auth(mechanism string) (sasl.Server, error) {
	right := func(username, password string) error {
		if username != usernameCanary || password != passwordCanary {
			// Some servers repeat what they received.
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
	// The client must not try any other mechanism.
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
	forge                   bool // the proof of a server that does not know the password
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

// script is the server's side of a mechanism that sends fixed lines.
type script []string

func (s *script) Next([]byte) ([]byte, bool, error) {
	if len(*s) == 0 {
		return nil, true, nil
	}
	line := (*s)[0]
	*s = (*s)[1:]
	return []byte(line), false, nil
}
