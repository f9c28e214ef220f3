package mail_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usherkit/usher/mail"
)

// talker is a server that offers what it is told and takes every mail, for what
// a decent server does not do.
type talker struct {
	plain, secured []string                      // extensions before and under TLS
	starttls       string                        // all bytes of the answer to STARTTLS
	cert           tls.Certificate               // under TLS
	upgrade        func(net.Conn)                // instead of TLS
	answer         func(command string) []string // lines that replace an answer

	mu    sync.Mutex
	heard []string
}

// config starts the server. Its certificate is trusted.
func (s *talker) config(t *testing.T) mail.SMTPConfig {
	t.Helper()
	cert, roots := newCertificate(t, "")
	s.cert = cert
	return mail.SMTPConfig{
		Host: "127.0.0.1", Port: listen(t, s.serve), RootCAs: roots,
		Timeout: 5 * time.Second, Composer: composer(),
	}
}

func (s *talker) serve(c net.Conn) {
	offers := s.plain
	say := func(lines ...string) { _, _ = io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n") }
	r := bufio.NewReader(c)
	say("220 ready")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		command, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		s.mu.Lock()
		s.heard = append(s.heard, strings.TrimSpace(line))
		s.mu.Unlock()
		if s.answer != nil {
			if lines := s.answer(command); lines != nil {
				say(lines...)
				continue
			}
		}
		switch command {
		case "EHLO":
			say("250-hello")
			for _, extension := range offers {
				say("250-" + extension)
			}
			say("250 HELP")
		case "STARTTLS":
			_, _ = io.WriteString(c, s.starttls)
			if s.upgrade != nil {
				s.upgrade(c)
				return
			}
			c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{s.cert}})
			r, offers = bufio.NewReader(c), s.secured
		case "DATA":
			say("354 go on")
			for line != ".\r\n" && err == nil {
				line, err = r.ReadString('\n')
			}
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// lines returns what the server has heard.
func (s *talker) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

// commands returns the first words of it.
func (s *talker) commands() []string {
	lines := s.lines()
	for i, line := range lines {
		lines[i], _, _ = strings.Cut(line, " ")
	}
	return lines
}
