package mail_test

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/texts"
)

func TestComposer_ZeroValueWorks(t *testing.T) {
	var c mail.Composer
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	subject, text, _, err := c.Render(message(usher.MessagePasswordChanged))
	if err != nil || subject != "Your localhost password was changed" || !strings.Contains(text, "For help, contact localhost.") {
		t.Errorf("%q %v\n%s", subject, err, text)
	}
	for name, bad := range map[string]mail.Composer{
		"From": {From: "nobody"}, "Composer.Texts": {Texts: texts.Catalogue{Languages: []string{"../en"}}}, "no texts": {Texts: texts.Catalogue{Languages: []string{"ja"}}},
		"plural": {Texts: texts.Catalogue{Texts: map[string]map[string]string{"en": {"minutes#few": "x", "minutes#other": ""}}}},
		"Texts":  {Texts: texts.Catalogue{Texts: map[string]map[string]string{"en": {"minutes#several": "x"}}}},
	} {
		if err := bad.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The program is named once, in the usher.Config, unless the Composer names it.
func TestComposer_NameOfTheMessage(t *testing.T) {
	m := message(usher.MessagePasswordChanged)
	m.Name = "Northwind"
	for want, c := range map[string]mail.Composer{"Your Northwind password was changed": {}, "Your Example password was changed": composer()} {
		if subject, _, _, err := c.Render(m); err != nil || subject != want {
			t.Errorf("%q, %v; want %q", subject, err, want)
		}
	}
	m.Name = "North\r\nwind"
	var e *mail.MessageError
	if _, _, _, err := composer().Render(m); !errors.As(err, &e) || e.Field != "Name" {
		t.Errorf("two lines: %v", err)
	}
}

func TestComposer_LanguagesAndTexts(t *testing.T) {
	c := composer()
	c.Texts = texts.Catalogue{Languages: []string{"de", "nl"}, Texts: map[string]map[string]string{
		"nl": {"mail.password_changed.subject": "Nieuw wachtwoord"},
		"de": {"mail.password_changed.subject": "Passwort neu"},
	}}
	c.Templates = fstest.MapFS{"layout.txt": {Data: []byte(`{{define "layout"}}{{.Lang}}: {{template "intro" .}}{{end}}`)}}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	for lang, want := range map[string][2]string{
		"nl": {"Nieuw wachtwoord", "nl: The password of"}, "fr": {"Passwort neu", "de: Das Passwort"}, "": {"Passwort neu", "de: Das Passwort"},
		"\x00\r\nBcc: x": {"Passwort neu", "de: Das Passwort"}, strings.Repeat("x", 5000): {"Passwort neu", "de: Das Passwort"},
	} {
		m := message(usher.MessagePasswordChanged)
		m.Language = lang
		subject, text, _, err := c.Render(m)
		if err != nil || subject != want[0] || !strings.HasPrefix(text, want[1]) {
			t.Errorf("%.20q: %q %q %v", lang, subject, text, err)
		}
	}
}

func TestComposer_EscapesSettings(t *testing.T) {
	c := composer()
	c.Name, c.Support = "Tom & <Jerry>", `"Ask" <b>us</b>`
	subject, text, html, err := c.Render(message(usher.MessagePasswordChanged))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(subject+text, "Tom & <Jerry>") || strings.Contains(html, "<Jerry>") || strings.Contains(html, "<b>") {
		t.Errorf("%s\n%s", text, html)
	}
}

func TestComposer_Location(t *testing.T) {
	c := composer()
	c.Location = time.FixedZone("CET", 3600)
	if _, text, _, _ := c.Render(message(usher.MessagePasswordChanged)); !strings.Contains(text, "Time: 23 November 2026, 19:35 CET\n") {
		t.Error(text)
	}
}

// Every notice says what to do if someone else caused it, and contains no secret.
func TestRS14_NoticesHaveAdviceAndNoSecret(t *testing.T) {
	for _, kind := range allKinds {
		if hasLink(kind) {
			continue
		}
		subject, text, html, err := composer().Render(message(kind))
		if err != nil {
			t.Fatal(err)
		}
		noCanary(t, subject+text+html)
		for _, body := range []string{text, html} {
			if !strings.Contains(body, "If it wasn’t you") || !strings.Contains(body, "help@example.com") {
				t.Errorf("%s: no advice in:\n%s", kind, body)
			}
		}
	}
}

func TestML01_NoControlCharacters(t *testing.T) {
	for _, bad := range []string{"\r", "\n", "\x00", "\r\nBcc: evil@example.net", "\u2028", "\x1b[2J", "\xff"} {
		for name, change := range map[string]func(*mail.Composer, *usher.Message){
			"To, local":    func(_ *mail.Composer, m *usher.Message) { m.To = "ann" + bad + "@example.com" },
			"To, domain":   func(_ *mail.Composer, m *usher.Message) { m.To = "ann@example.com" + bad },
			"From":         func(c *mail.Composer, _ *usher.Message) { c.From = "no-reply@example.com" + bad },
			"From, name":   func(c *mail.Composer, _ *usher.Message) { c.From = `"Ex` + bad + `" <no-reply@example.com>` },
			"Name":         func(c *mail.Composer, _ *usher.Message) { c.Name += bad },
			"Support":      func(c *mail.Composer, _ *usher.Message) { c.Support += bad },
			"Link":         func(_ *mail.Composer, m *usher.Message) { m.Link += usher.Secret(bad) },
			"template":     func(c *mail.Composer, _ *usher.Message) { c.Templates = withSubject("a" + bad + "b") },
			"Kind":         func(_ *mail.Composer, m *usher.Message) { m.Kind += usher.MessageKind(bad) },
			"encoded name": func(c *mail.Composer, _ *usher.Message) { c.From = "=?utf-8?q?a=0D=0Ab?= <no-reply@example.com>" },
		} {
			c, m := composer(), message(usher.MessageResetPassword)
			change(&c, &m)
			folder := t.TempDir()
			err := (&mail.Folder{Path: folder, Composer: c}).Send(t.Context(), m)
			if err == nil {
				t.Errorf("%s with %q: no error", name, bad)
				continue
			}
			if strings.Contains(err.Error(), "\r") || strings.Contains(err.Error(), "\x00") {
				t.Errorf("%s with %q: the error repeats it: %q", name, bad, err)
			}
			noCanary(t, err.Error())
			if files, _ := os.ReadDir(folder); len(files) != 0 {
				t.Errorf("%s with %q: sent", name, bad)
			}
		}
	}
}

// withSubject returns templates that replace the subject of one kind.
func withSubject(s string) fstest.MapFS {
	return fstest.MapFS{"en/reset_password.txt": {Data: []byte(
		`{{define "subject"}}` + s + `{{end}}{{define "intro"}}{{end}}{{define "notyou"}}{{end}}`)}}
}

func TestML01_OneAddressOnly(t *testing.T) {
	for _, to := range []string{
		"", "ann", "@example.com", "ann@", "a@example.com,b@example.net", "a@example.com, b@example.net",
		"Ann <ann@example.com>", "<ann@example.com>", `"ann b"@example.com`, "ann@example.com (x)",
		"ann@example.com@example.net", "ann@[192.0.2.1]", "ann @example.com", "ann@exa mple.com", "a;b@example.com",
	} {
		m := message(usher.MessageResetPassword)
		m.To = to
		_, _, _, err := composer().Render(m)
		var e *mail.MessageError
		if !errors.As(err, &e) || e.Field != "To" || !e.Permanent() {
			t.Errorf("To %q: %v", to, err)
		}
	}
}

func TestML02_UntrustedTextIsLeftOut(t *testing.T) {
	link := regexp.MustCompile(`(?i)evil|pay at|<a href=/|www\.|//`)
	for _, s := range []string{
		"<a href=//evil.test>", "Pay at http://evil.test", "evil.test", "www.evil.test", "mailto:x@evil.test",
		"{{.Link}} evil", "Firefox/140.0 Pay at http://evil.test", "evil\r\nBcc: x@evil.test",
		strings.Repeat("evil ", 100_000), "fe80::1%evil.test", "192.0.2.1 evil", "\u202elive", "<script>evil()</script>",
	} {
		for _, kind := range allKinds {
			m := message(kind)
			m.Address, m.UserAgent = s, s
			subject, text, html, err := composer().Render(m)
			if err != nil {
				t.Fatal(err)
			}
			for _, body := range []string{subject, text, html} {
				body = strings.ReplaceAll(body, linkCanary, "")
				if found := link.FindString(body); found != "" {
					t.Errorf("%s: %q brought %q into:\n%s", kind, s, found, body)
				}
			}
		}
	}
}

func TestRender_InvalidLink(t *testing.T) {
	for _, link := range []string{
		"", "/auth/reset?token=x", "//example.com/x", "javascript:alert(1)", "ftp://example.com", "https:///x",
		"https://example.com/a b", `https://example.com/"x`, "https://ann@example.com/", "https://example.com/<x>", "https://exämple.com/",
	} {
		m := message(usher.MessageVerifyEmail)
		m.Link = usher.Secret(link)
		_, _, _, err := composer().Render(m)
		var e *mail.MessageError
		if !errors.As(err, &e) || e.Field != "Link" {
			t.Errorf("%q: %v", link, err)
		}
	}
}

// A link with the scheme of an app is in both parts of the email.
func TestRS15_LinksOfAppsAreShown(t *testing.T) {
	m := message(usher.MessageVerifyEmail)
	m.Link = "com.example.app:/verify?token=abc"
	_, text, html, err := composer().Render(m)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "\ncom.example.app:/verify?token=abc\n") || !strings.Contains(html, `href="com.example.app:/verify?token=abc"`) ||
		!strings.Contains(html, ">com.example.app:/verify?token=abc<") {
		t.Errorf("the email lacks the link:\n%s\n%s", text, html)
	}
	m.Link = "https://example.com/verify?token=abc"
	if _, _, html, err = composer().Render(m); err != nil || strings.Contains(html, ">"+m.Link.Reveal()) {
		t.Errorf("the text of the HTML part has an https link: %v\n%s", err, html)
	}
}

func FuzzRender(f *testing.F) {
	f.Add("192.0.2.1", firefox, "ann@example.com")
	f.Add("fe80::1%eth0", "<a href=//evil.test>", "ann@bücher.example")
	f.Add("::ffff:1.2.3.4", "Pay at http://evil.test", "a\r\nBcc: b@example.com")
	f.Fuzz(func(t *testing.T, address, userAgent, to string) {
		m := message(usher.MessageResetPassword)
		m.Address, m.UserAgent, m.To = address, userAgent, to
		subject, text, html, err := composer().Render(m)
		if err != nil {
			var e *mail.MessageError
			if !errors.As(err, &e) || e.Field != "To" {
				t.Fatalf("address %q, user agent %q: %v", address, userAgent, err)
			}
			return
		}
		if strings.ContainsAny(subject, "\r\n\x00") || strings.ContainsAny(text+html, "\r\x00") {
			t.Fatal("control character")
		}
		if strings.Count(text, "//") != 1 || strings.Count(text, linkCanary) != 1 || strings.Count(html, "<a ") != 1 {
			t.Fatalf("not one link:\n%s", text)
		}
		// Untrusted text changes at most two lines, and adds a limited length.
		m.Address, m.UserAgent = "", ""
		_, plain, _, err := composer().Render(m)
		if err != nil || len(text)-len(plain) > 2*64 {
			t.Fatalf("%d bytes more: %v\n%s", len(text)-len(plain), err, text)
		}
	})
}
