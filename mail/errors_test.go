package mail_test

import (
	"fmt"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/usherkit/usher"
)

// A rejection of one email is permanent. A rejection that concerns every email is
// not, because a correction of the configuration ends it.
func TestDeliveryError_Permanent(t *testing.T) {
	steps := map[string]string{"EHLO": "greeting", "MAIL": "MAIL FROM", "RCPT": "RCPT TO", "DATA": "DATA"}
	for _, tt := range []struct {
		at, answer string
		permanent  bool
	}{
		{"RCPT", "550 5.1.1 no such mailbox", true},
		{"RCPT", "550 no such mailbox", true},
		{"RCPT", "550 not in 5.7.1 form", true}, // the status is not at the beginning
		{"RCPT", "501 5.1.3 that is no address", true},
		{"RCPT", "552 5.2.2 mailbox full", true},
		{"RCPT", "553 5.1.10 takes no mail", true},
		{"RCPT", "554 5.70.1 unheard of", true},
		{"DATA", "554 5.6.0 not like this", true},

		{"RCPT", "450 4.2.1 later", false},
		{"RCPT", "550 5.1.8 sender's domain not found", false},
		{"RCPT", "553 5.1.7 sender's address is none", false},
		{"RCPT", "554 5.7.1 relay access denied", false},
		{"RCPT", "530 5.7.0 sign in first", false},
		{"RCPT", "504 5.5.2 need a full host name", false},
		{"RCPT", "501 5.5.2 that is no host name", false},
		{"RCPT", "503 sign in first", false},
		{"DATA", "550 5.7.26 not signed", false},
		{"DATA", "451 4.3.0 later", false},
		{"MAIL", "550 5.1.8 sender unknown", false},
		{"MAIL", "553 no", false},
		{"EHLO", "550 5.1.1 no", false},
		{"EHLO", "501 no", false},
	} {
		s := scriptedServer{answer: func(command string) []string {
			if command == tt.at || command == "HELO" && tt.at == "EHLO" {
				return []string{tt.answer}
			}
			return nil
		}}
		cfg := s.config(t)
		cfg.InsecurePlaintextLoopback = true
		e := fails(t, &smtpServer{}, send(t, cfg, message(usher.MessageResetPassword)), steps[tt.at], tt.permanent)
		if fmt.Sprint(e.Code) != tt.answer[:3] {
			t.Errorf("%s: %v", tt.answer, e)
		}
	}
}

func TestSMTP_TemporaryThenDelivered(t *testing.T) {
	in := newSMTPServer(t, serverOptions{})
	attempts := 0
	in.data = func() error {
		if attempts++; attempts == 1 {
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
		t.Errorf("second attempt: %v", err)
	}
}

func TestSMTP_PermanentRefusals(t *testing.T) {
	refuse := func() error {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<" + addressCanary + "> unknown " + linkCanary}
	}
	in := newSMTPServer(t, serverOptions{})
	in.rcpt = refuse
	if e := fails(t, in, send(t, config(in), message(usher.MessageResetPassword)), "RCPT TO", true); e.Code != 550 || e.Enhanced != "5.1.1" {
		t.Error(e)
	}
	in.rcpt, in.data = nil, refuse
	fails(t, in, send(t, config(in), message(usher.MessageResetPassword)), "DATA", true)
}

// The email can be sent when the password is corrected.
func TestSMTP_WrongPasswordIsNotPermanent(t *testing.T) {
	in := newSMTPServer(t, serverOptions{mechanisms: plain})
	cfg := config(in)
	cfg.Username, cfg.Password = usernameCanary, "CANARY-another"
	if e := fails(t, in, send(t, cfg, message(usher.MessageResetPassword)), "AUTH", false); e.Code != 535 {
		t.Error(e)
	}

	// The same holds for a sign-in that the server requires.
	in = newSMTPServer(t, serverOptions{})
	in.rcpt = func() error { return &smtp.SMTPError{Code: 530, Message: "sign in first"} }
	fails(t, in, send(t, config(in), message(usher.MessageResetPassword)), "RCPT TO", false)

	// The same holds for a name in EHLO that the server rejects at the recipient.
	in.rcpt = func() error { return &smtp.SMTPError{Code: 504, Message: "need a fully qualified name"} }
	fails(t, in, send(t, config(in), message(usher.MessageResetPassword)), "RCPT TO", false)
}
