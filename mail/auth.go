package mail

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail/smtp"

	"github.com/usherkit/usher"
)

// newAuth returns a function that signs in to the server, with the first of our
// mechanisms that the server offers. The closure keeps the password out of printed
// values.
func newAuth(host, username string, password usher.Secret) func(*smtp.Client) error {
	return func(session *smtp.Client) error {
		// The library's mechanisms allow localhost without TLS.
		if _, secured := session.TLSConnectionState(); !secured {
			return ErrNoTLS
		}
		// Extension returns what the server offered last, which is under TLS.
		_, offered := session.Extension("AUTH")
		offers := strings.Fields(strings.ToUpper(offered))
		switch {
		case slices.Contains(offers, "SCRAM-SHA-256"):
			return session.Auth(&scram{Auth: smtp.ScramSHA256Auth(username, password.Reveal())})
		case slices.Contains(offers, "PLAIN"):
			return session.Auth(smtp.PlainAuth("", username, password.Reveal(), host, false))
		case slices.Contains(offers, "LOGIN"):
			return session.Auth(smtp.LoginAuth(username, password.Reveal(), host, false))
		}
		return ErrNoAuth
	}
}

// maxIterations limits the hash iterations that a server may demand. They take a
// fraction of a second. A deadline cannot stop them.
const maxIterations = 1_000_000

// scram checks the order of the server's messages (RFC 5802 §3), which the library
// does not: the salt and the iterations, then the proof that the server knows the
// password too, and then success.
type scram struct {
	smtp.Auth
	step int
}

// Next returns the answer to a message of the server.
func (a *scram) Next(fromServer []byte, more bool) ([]byte, error) {
	var expected bool
	switch a.step {
	case 0:
		expected = more && len(fromServer) == 0
	case 1:
		expected = more && bytes.HasPrefix(fromServer, []byte("r=")) && iterations(fromServer) <= maxIterations
	case 2:
		expected = more && bytes.HasPrefix(fromServer, []byte("v="))
	case 3:
		expected = !more
	}
	a.step++
	if !expected {
		return nil, errSCRAM
	}
	answer, err := a.Auth.Next(fromServer, more)
	if err != nil {
		return nil, errSCRAM // the library's error contains the server's message
	}
	return answer, nil
}

const errSCRAM = cause("SCRAM-SHA-256 failed: the server violates the protocol or does not know the password")

// iterations returns the third field of the server's first message, or 0 if it is
// invalid, which the library rejects.
func iterations(serverFirst []byte) int {
	fields := strings.Split(string(serverFirst), ",")
	if len(fields) < 3 {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimPrefix(fields[2], "i="))
	if err != nil {
		return 0
	}
	return n
}
