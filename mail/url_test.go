package mail_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
)

func TestParseURL(t *testing.T) {
	for _, s := range []string{
		"smtp://smtp.example.com", "smtp://smtp.example.com:2525/", "smtps://[2001:db8::1]:465",
		"smtps://" + url.UserPassword(usernameCanary, passwordCanary).String() + "@smtp.example.com",
	} {
		m, err := mail.ParseURL(s, composer())
		if _, ok := m.(*mail.Sender); !ok || err != nil {
			t.Errorf("%s: %T, %v", s, m, err)
		}
		noCanary(t, fmt.Sprintf("%v %+v %#v", m, m, m))
	}
	path := filepath.Join(t.TempDir(), "mail")
	m, err := mail.ParseURL("dir:"+path, composer())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Send(t.Context(), message(usher.MessageResetPassword)); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(path, "*.eml")); len(files) != 1 {
		t.Errorf("files: %v", files)
	}
}

func TestParseURL_Refuses(t *testing.T) {
	for _, s := range []string{
		"", "dir:", "mail", "http://example.com", "smtp:example.com", "smtp://", "smtp://:587", "smtp://example.com:0",
		"smtp://example.com:x", "smtp://example.com:99999", "smtp://example.com/path", "smtp://example.com?tls=no",
		"smtp://example.com#x", "smtp://CANARYuser@example.com", "smtp://:CANARY@example.com",
		"smtp://CANARYuser:CANARY%zz@example.com", "smtp://CANARYuser:CANARY/word@example.com", "smtp://u:CANARY\n@example.com",
		"smtp://u:CANARY@exa mple.com", "ftp://u:CANARY@example.com",
	} {
		m, err := mail.ParseURL(s, composer())
		if err == nil || m != nil {
			t.Errorf("%q: %T, %v", s, m, err)
			continue
		}
		noCanary(t, err.Error())
	}
	if m, err := mail.ParseURL("smtp://example.com", mail.Composer{}); err == nil || m != nil {
		t.Errorf("without a sender: %T, %v", m, err)
	}
	if m, err := mail.ParseURL("dir:mail", mail.Composer{From: "x"}); err == nil || m != nil {
		t.Errorf("dir with a wrong composer: %T, %v", m, err)
	}
}

func TestParseURL_ReadsUserAndPassword(t *testing.T) {
	in := newSMTPServer(t, serverOptions{mechanisms: plain})
	// The certificate is not trusted, so only host and port are tested here.
	// TestSMTP_Delivers tests the sign-in.
	m, err := mail.ParseURL(fmt.Sprintf("smtp://%s@127.0.0.1:%d", url.UserPassword(usernameCanary, passwordCanary), in.port), composer())
	if err != nil {
		t.Fatal(err)
	}
	fails(t, in, m.Send(t.Context(), message(usher.MessageResetPassword)), "TLS", false)
}

func FuzzParseURL(f *testing.F) {
	f.Add("smtp://user:CANARY@host:587")
	f.Add("smtps://[::1]:465/")
	f.Add("smtp://%zz:CANARY@%00")
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 4 && s[:4] == "dir:" {
			return
		}
		m, err := mail.ParseURL(s, composer())
		if (m == nil) == (err == nil) {
			t.Fatalf("%q: %v, %v", s, m, err)
		}
		if err != nil {
			noCanary(t, err.Error())
		}
	})
}
