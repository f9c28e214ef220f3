package mail

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/wneessen/go-mail/smtp"
)

// The library's mechanisms would send the password to localhost without TLS. No
// configuration leads to this.
func TestML03_NoSignInWithoutTLS(t *testing.T) {
	client, server := net.Pipe()
	heard := make(chan string, 10)
	go func() {
		defer close(heard)
		_, _ = fmt.Fprint(server, "220 ready\r\n")
		for r := bufio.NewReader(server); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			heard <- strings.TrimSpace(line)
			_, _ = fmt.Fprint(server, "250-hello\r\n250 AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n")
		}
	}()
	session, err := smtp.NewClient(client, "localhost")
	if err != nil {
		t.Fatal(err)
	}
	if err := newAuth("localhost", "ann", "secret")(session); !errors.Is(err, ErrNoTLS) {
		t.Error(err)
	}
	_ = client.Close()
	for line := range heard {
		if !strings.HasPrefix(line, "EHLO") {
			t.Errorf("the server was sent %q", line)
		}
	}
}
