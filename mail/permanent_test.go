package mail_test

import (
	"fmt"
	"testing"

	"github.com/usherkit/usher"
)

// What is wrong with this mail alone is permanent; what would be wrong with all
// of them waits until the configuration is mended.
func TestSMTP_WhatIsPermanent(t *testing.T) {
	steps := map[string]string{"EHLO": "greeting", "MAIL": "MAIL FROM", "RCPT": "RCPT TO", "DATA": "DATA"}
	for _, tt := range []struct {
		at, answer string
		permanent  bool
	}{
		{"RCPT", "550 5.1.1 no such mailbox", true},
		{"RCPT", "550 no such mailbox", true},
		{"RCPT", "550 not in 5.7.1 form", true}, // the status comes first or not at all
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
		s := talker{answer: func(command string) []string {
			if command == tt.at || command == "HELO" && tt.at == "EHLO" {
				return []string{tt.answer}
			}
			return nil
		}}
		cfg := s.config(t)
		cfg.InsecurePlaintextLoopback = true
		e := fails(t, &inbox{}, send(t, cfg, message(usher.MessageResetPassword)), steps[tt.at], tt.permanent)
		if fmt.Sprint(e.Code) != tt.answer[:3] {
			t.Errorf("%s: %v", tt.answer, e)
		}
	}
}
