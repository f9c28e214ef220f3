package mail_test

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Canaries must never appear in errors and logs.
const (
	linkCanary     = "https://app.example.com/auth/reset?token=CANARYlink_0123456789-abcdefghijklmnopqrstuv"
	codeCanary     = "098761"
	passwordCanary = "CANARY:pass/word?#@%"
	usernameCanary = "CANARYuser"
	addressCanary  = "ann.canary@example.com"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

var at = time.Date(2026, 11, 23, 18, 35, 1, 0, time.UTC)

var allKinds = []usher.MessageKind{
	usher.MessageVerifyEmail, usher.MessageAlreadyRegistered, usher.MessageResetPassword,
	usher.MessageConfirmAndReset, usher.MessagePasswordChanged, usher.MessageChangeEmail,
	usher.MessageEmailChanging, usher.MessageEmailChanged, usher.MessageLoginIDsChanged, usher.MessageSignInNotice, usher.MessagePasswordLocked, usher.MessagePasswordBreached,
	usher.MessageAccountDeleted, usher.MessageInvitation,
}

func hasLink(kind usher.MessageKind) bool {
	switch kind {
	case usher.MessageVerifyEmail, usher.MessageResetPassword, usher.MessageConfirmAndReset, usher.MessageChangeEmail, usher.MessageInvitation:
		return true
	}
	return false
}

// message returns a message with all fields, with a link even if the kind has none.
func message(kind usher.MessageKind) usher.Message {
	m := usher.Message{
		ID: "msg-" + string(kind), Kind: kind, To: addressCanary,
		Link: linkCanary, At: at, ExpiresAt: at.Add(10 * time.Minute),
		Address: "192.0.2.1", UserAgent: firefox,
	}
	switch kind {
	case usher.MessageVerifyEmail, usher.MessageResetPassword, usher.MessageConfirmAndReset, usher.MessageChangeEmail:
		m.Code, m.CodeExpiresAt = codeCanary, at.Add(10*time.Minute)
	}
	if kind == usher.MessageVerifyEmail || kind == usher.MessageChangeEmail {
		m.ExpiresAt = at.Add(24 * time.Hour)
	}
	return m
}

func composer() mail.Composer {
	return mail.Composer{From: "no-reply@example.com", Name: "Example", Support: "help@example.com"}
}

// noCanary fails if text contains a secret or the recipient's address.
func noCanary(t *testing.T, text string) {
	t.Helper()
	for _, canary := range []string{"CANARY", "ann.canary"} {
		if strings.Contains(text, canary) {
			t.Errorf("%s in: %s", canary, text)
		}
	}
}
