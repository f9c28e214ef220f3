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

// scriptedServer is an SMTP server that sends any extensions and replies, correct or not, and
// accepts every email.
type scriptedServer struct {
	plain, secured []string                      // extensions before and under TLS
	starttls       string                        // the complete reply to STARTTLS
	cert           tls.Certificate               // under TLS
	upgrade        func(net.Conn)                // instead of TLS
	answer         func(command string) []string // lines that replace a reply

	mu    sync.Mutex
	heard []string
}

// config starts the server. Its certificate is trusted.
func (s *scriptedServer) config(t *testing.T) mail.SMTPConfig {
	t.Helper()
	cert, roots := newCertificate(t, "")
	s.cert = cert
	return mail.SMTPConfig{
		Host: "127.0.0.1", Port: listen(t, s.serve), RootCAs: roots,
		Timeout: 5 * time.Second, Composer: composer(),
	}
}

func (s *scriptedServer) serve(c net.Conn) {
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

// lines returns the lines that the server received.
func (s *scriptedServer) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

// commands returns the first words of the lines.
func (s *scriptedServer) commands() []string {
	lines := s.lines()
	for i, line := range lines {
		lines[i], _, _ = strings.Cut(line, " ")
	}
	return lines
}

// listen serves each connection with f.
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

// takeOne accepts one email, and then calls then.
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
