package mail_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher"
)

// An address outside ASCII goes to a server that takes it (RFC 6531 §3.4), and
// no other mail asks for that.
func TestSMTP_AddressesOutsideASCII(t *testing.T) {
	const unicode = "änn.canary@bücher.example"
	for _, tt := range []struct {
		to, from string
		offered  []string
		want     string
	}{
		{unicode, "no-reply@example.com", []string{"SMTPUTF8"}, "MAIL FROM:<no-reply@example.com> SMTPUTF8"},
		{addressCanary, "nö-reply@example.com", []string{"SMTPUTF8"}, "MAIL FROM:<nö-reply@example.com> SMTPUTF8"},
		{addressCanary, "no-reply@example.com", []string{"SMTPUTF8"}, "MAIL FROM:<no-reply@example.com>"},
		{"ann.canary@bücher.example", "no-reply@example.com", nil, "MAIL FROM:<no-reply@example.com>"},
		{unicode, "no-reply@example.com", nil, ""},
		{addressCanary, "nö-reply@example.com", nil, ""},
	} {
		s := talker{plain: tt.offered}
		cfg := s.config(t)
		cfg.InsecurePlaintextLoopback, cfg.Composer.From = true, tt.from
		m := message(usher.MessageResetPassword)
		m.To = tt.to
		err := send(t, cfg, m)
		i := slices.IndexFunc(s.lines(), func(line string) bool { return strings.HasPrefix(line, "MAIL") })
		if tt.want == "" {
			e := fails(t, &inbox{}, err, "MAIL FROM", false)
			if i >= 0 || !strings.Contains(e.Error(), "SMTPUTF8") {
				t.Errorf("%s: %v, %q", tt.to, e, s.lines())
			}
			continue
		}
		if err != nil || i < 0 || s.lines()[i] != tt.want {
			t.Errorf("%s: %v, %q, want %q", tt.to, err, s.lines(), tt.want)
		}
	}
}
