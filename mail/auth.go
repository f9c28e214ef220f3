package mail

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail/smtp"

	"github.com/usherkit/usher"
)

// signIn returns the sign-in by the first mechanism of ours that the server
// offers. The password stays in the closure, out of reach of printing.
func signIn(host, username string, password usher.Secret) func(*smtp.Client) error {
	return func(session *smtp.Client) error {
		// The mechanisms make an exception for localhost, we make none.
		if _, secured := session.TLSConnectionState(); !secured {
			return ErrNoTLS
		}
		// What was offered before TLS does not count: an extension is one of the
		// last EHLO.
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

// maxIterations is the most that a server may have a password hashed: a part of
// a second. It is work that no deadline ends.
const maxIterations = 1_000_000

// scram keeps the server to the course of SCRAM (RFC 5802 §3): it sends salt and
// iterations, then the proof that it knows the password too, and only then is
// the sign-in a success. The library leaves open what comes when.
type scram struct {
	smtp.Auth
	step int
}

// Next answers what the server has sent.
func (a *scram) Next(fromServer []byte, more bool) ([]byte, error) {
	var inTurn bool
	switch a.step {
	case 0:
		inTurn = more && len(fromServer) == 0
	case 1:
		inTurn = more && bytes.HasPrefix(fromServer, []byte("r=")) && iterations(fromServer) <= maxIterations
	case 2:
		inTurn = more && bytes.HasPrefix(fromServer, []byte("v="))
	case 3:
		inTurn = !more
	}
	a.step++
	if !inTurn {
		return nil, errSCRAM
	}
	answer, err := a.Auth.Next(fromServer, more)
	if err != nil {
		return nil, errSCRAM // the library's error repeats what the server sent
	}
	return answer, nil
}

const errSCRAM = cause("SCRAM-SHA-256 failed: the server does not keep to it or does not know the password")

// iterations reads the third field of the server's first message.
func iterations(serverFirst []byte) int {
	fields := strings.Split(string(serverFirst), ",")
	if len(fields) < 3 {
		return 0 // the library refuses it
	}
	n, err := strconv.Atoi(strings.TrimPrefix(fields[2], "i="))
	if err != nil {
		return 0 // and this
	}
	return n
}
