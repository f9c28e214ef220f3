package usher_test

import (
	"strings"
	"testing"

	"github.com/usherkit/usher"
)

// The language of who asks travels with the mail, cut and without control
// characters.
func TestMailsKnowTheReadersLanguage(t *testing.T) {
	k := newKit(t)
	c := usher.Client{Language: "de-AT\r\n,en;q=0.5" + strings.Repeat(",x", 200)}
	if _, err := k.SignUp(ctx, usher.SignUp{LoginID: "ann@example.com", Password: goodPassword}, c); err != nil {
		t.Fatal(err)
	}
	m := k.lastMail(usher.MessageVerifyEmail)
	if !strings.HasPrefix(m.Language, "de-AT,en;q=0.5,x") || len(m.Language) > 128 {
		t.Errorf("language %q", m.Language)
	}
}
