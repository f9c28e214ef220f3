package mail_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
)

func withUser(in *smtpServer) mail.SMTPConfig {
	cfg := config(in)
	cfg.Username, cfg.Password = usernameCanary, passwordCanary
	return cfg
}

func TestSMTP_ChoiceOfMechanism(t *testing.T) {
	for want, offered := range map[string]string{
		"SCRAM-SHA-256": "NTLM LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256-PLUS SCRAM-SHA-256",
		"PLAIN":         "SCRAM-SHA-256-PLUS SCRAM-SHA-1 NTLM CRAM-MD5 LOGIN PLAIN",
		"LOGIN":         "XOAUTH2 CRAM-MD5 NTLM LOGIN",
	} {
		for _, implicit := range []bool{false, true} {
			in := newSMTPServer(t, serverOptions{implicitTLS: implicit, mechanisms: strings.Fields(offered)})
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

// A Sender signs in for every email, also concurrently.
func TestSMTP_SignsInForEachEmail(t *testing.T) {
	in := newSMTPServer(t, serverOptions{mechanisms: []string{"SCRAM-SHA-256"}})
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
		t.Errorf("%d emails, %d sign-ins", len(in.deliveries()), len(in.logins))
	}
}

func TestSMTP_ServerWithoutOurMechanisms(t *testing.T) {
	for _, offered := range []string{
		"", "NTLM", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "XOAUTH2", "PLAIN-CLIENTTOKEN",
		"NTLM CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-512 XOAUTH2 OAUTHBEARER EXTERNAL ANONYMOUS",
	} {
		in := newSMTPServer(t, serverOptions{mechanisms: strings.Fields(offered)})
		if offered == "" {
			in = newSMTPServer(t, serverOptions{}) // not even AUTH
		}
		e := fails(t, in, send(t, withUser(in), message(usher.MessageResetPassword)), "AUTH", false)
		if !errors.Is(e, mail.ErrNoAuth) || e.Code != 0 || len(in.logins) != 0 {
			t.Errorf("%q: %v, tried %v", offered, e, in.logins)
		}
	}
}

// A server that violates SCRAM has not proved that it knows the password, and may
// demand any amount of work.
func TestSMTP_ServerBreaksSCRAM(t *testing.T) {
	unsalted := "v=" + b64(mac(mac(nil, "Server Key"), ""))
	for name, server := range map[string]func() sasl.Server{
		"two billion iterations":     func() sasl.Server { return &scramServer{iterations: 2_000_000_000} },
		"success at once":            func() sasl.Server { return &script{} },
		"success before the proof":   func() sasl.Server { return &script{""} },
		"a proof without a salt":     func() sasl.Server { return &script{"", unsalted} },
		"a forged proof":             func() sasl.Server { return &scramServer{iterations: 4096, forge: true} },
		"the same challenge forever": func() sasl.Server { return &script{"", "", "", ""} },
		"nonsense":                   func() sasl.Server { return &script{"", "r=" + passwordCanary + ",,"} },
	} {
		in := newSMTPServer(t, serverOptions{mechanisms: []string{"PLAIN", "SCRAM-SHA-256"}, scram: server})
		e := fails(t, in, send(t, withUser(in), message(usher.MessageResetPassword)), "AUTH", false)
		if e.Code != 0 || !strings.Contains(e.Error(), "SCRAM-SHA-256 failed") {
			t.Errorf("%s: %v", name, e)
		}
	}
	in := newSMTPServer(t, serverOptions{mechanisms: []string{"SCRAM-SHA-256"}})
	cfg := withUser(in)
	cfg.Password = "CANARY-another"
	if e := fails(t, in, send(t, cfg, message(usher.MessageResetPassword)), "AUTH", false); e.Code != 535 {
		t.Errorf("wrong password: %v", e)
	}
}
