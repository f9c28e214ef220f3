package mail_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/texts"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", name, d)
	}
}

func TestRender_EveryKind(t *testing.T) {
	for _, kind := range allKinds {
		t.Run(string(kind), func(t *testing.T) {
			subject, text, html, err := composer().Render(message(kind))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, string(kind)+".txt", "Subject: "+subject+"\n\n"+text)
			golden(t, string(kind)+".html", html)
			for name, body := range map[string]string{"text": text, "html": html} {
				want := 0
				if hasLink(kind) {
					want = 1
				}
				if n := strings.Count(body, linkCanary); n != want {
					t.Errorf("%s has the link %d times, want %d", name, n, want)
				}
				if n := strings.Count(body, "http"); n != want {
					t.Errorf("%s has %d URLs, want %d", name, n, want)
				}
			}
			for _, remote := range []string{"src=", "url(", "<link", "<script", "@import"} {
				if strings.Contains(html, remote) {
					t.Errorf("html has %s", remote)
				}
			}
		})
	}
}

// Every notice says what to do if it was somebody else, and holds no secret.
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

func TestRender_SaysHowLongTheLinkWorks(t *testing.T) {
	for _, tt := range []struct {
		life time.Duration
		want string
	}{
		{10 * time.Minute, "is valid for 10 minutes."},
		{10*time.Minute + 59*time.Second, "is valid for 10 minutes."},
		{time.Minute, "is valid for 1 minute."},
		{time.Hour, "is valid for 1 hour."},
		{90 * time.Minute, "is valid for 90 minutes."},
		{24 * time.Hour, "is valid for 24 hours."},
		{47*time.Hour + 59*time.Minute, "is valid for 47 hours."},
		{48 * time.Hour, "is valid for 2 days."},
		{30 * time.Second, "works once."},
		{-time.Hour, "works once."},
	} {
		m := message(usher.MessageResetPassword)
		m.ExpiresAt = m.At.Add(tt.life)
		_, text, html, err := composer().Render(m)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, tt.want) || !strings.Contains(html, tt.want) {
			t.Errorf("%s: no %q in:\n%s", tt.life, tt.want, text)
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

// withSubject replaces the subject of one kind.
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

func TestML02_StrangersTextStaysOut(t *testing.T) {
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

// Whom to ask for help is said once, below the line that mail programs take a
// signature by (RFC 3676 §4.3), and the product is named above everything.
func TestRender_SaysOnceWhoWritesAndWhomToAsk(t *testing.T) {
	for _, kind := range allKinds {
		_, text, html, err := composer().Render(message(kind))
		if err != nil {
			t.Fatal(err)
		}
		for name, body := range map[string]string{"text": text, "html": html} {
			if n := strings.Count(body, "help@example.com"); n != 1 {
				t.Errorf("%s, %s: the address for help is there %d times", kind, name, n)
			}
		}
		if !strings.HasSuffix(text, "\n\n-- \nExample\nFor help: help@example.com\n") {
			t.Errorf("%s ends with %q", kind, text[max(0, len(text)-60):])
		}
		if name, h1 := strings.Index(html, ">Example<"), strings.Index(html, "<h1"); name < 0 || name > h1 {
			t.Errorf("%s: the product is not named above the heading", kind)
		}
	}
	// Nobody is named: what may be urgent says so all the same, in its own place.
	c := composer()
	c.Support = ""
	for kind, want := range map[usher.MessageKind]string{
		usher.MessagePasswordChanged: "\n-- \nExample\n" + fmt.Sprintf(texts.Of("en")["mail.help.bare"], "Example") + "\n",
		usher.MessageResetPassword:   "\n-- \nExample\n",
	} {
		if _, text, _, err := c.Render(message(kind)); err != nil || !strings.HasSuffix(text, want) {
			t.Errorf("%s: %v\n%s", kind, err, text)
		}
	}
}

func TestRender_NamesTheDevice(t *testing.T) {
	for ua, want := range map[string]string{
		firefox: "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0": "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1":       "Safari on iOS",
		"Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36":              "Chrome on Android",
		"curl/8.14.1": "Device: curl\n",
		"Windows":     "Device: Windows\n",
	} {
		m := message(usher.MessageSignInNotice)
		m.UserAgent = ua
		_, text, html, err := composer().Render(m)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, want) || !strings.Contains(html, strings.TrimPrefix(strings.TrimSpace(want), "Device: ")) {
			t.Errorf("%s: no %q in:\n%s", ua, want, text)
		}
	}
	m := message(usher.MessageSignInNotice)
	m.UserAgent, m.Address = "something else", "::ffff:192.0.2.7"
	_, text, _, err := composer().Render(m)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, "Device:") || !strings.Contains(text, "IP address: 192.0.2.7\n") {
		t.Errorf("unknown device or mapped address:\n%s", text)
	}
}

func TestRender_RefusesWhatIsNoLink(t *testing.T) {
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

func TestComposer_Templates(t *testing.T) {
	c := composer()
	c.Templates = fstest.MapFS{
		"en/reset_password.txt":  {Data: []byte(`{{define "subject"}}Hello from {{.Name}}{{end}}{{define "intro"}}Mine.{{end}}{{define "notyou"}}{{end}}`)},
		"de/layout.txt":          {Data: []byte(`{{define "layout"}}{{template "intro" .}} {{.Link}}{{end}}`)},
		"de/layout.html":         {Data: []byte(`{{define "layout"}}<p>{{.Subject}}{{end}}`)},
		"de/reset_password.txt":  {Data: []byte(`{{define "subject"}}Neues Passwort{{end}}{{define "intro"}}Gilt {{.ExpiresIn.Minutes}} Minuten:{{end}}`)},
		"de/reset_password.html": {Data: []byte(``)},
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	subject, text, html, err := c.Render(message(usher.MessageResetPassword))
	if err != nil || subject != "Hello from Example" || !strings.HasPrefix(text, "Mine.\n\n"+linkCanary) || !strings.Contains(html, linkCanary) {
		t.Errorf("replaced text beside built-in html: %q %q %v", subject, text, err)
	}
	german := message(usher.MessageResetPassword)
	german.Language = "de-AT, en;q=0.5"
	subject, text, _, err = c.Render(german)
	if err != nil || subject != "Neues Passwort" || text != "Gilt 10 Minuten: "+linkCanary+"\n" {
		t.Errorf("another language: %q %q %v", subject, text, err)
	}
	c.Templates = withSubject("{{.Nothing}}")
	var e *mail.MessageError
	if _, _, _, err := c.Render(message(usher.MessageResetPassword)); !errors.As(err, &e) || e.Field != "template" {
		t.Errorf("broken template: %v", err)
	}
}

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

func TestComposer_EscapesItsOwnSettings(t *testing.T) {
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
		// What a stranger wrote changes at most two lines, within a length.
		m.Address, m.UserAgent = "", ""
		_, plain, _, err := composer().Render(m)
		if err != nil || len(text)-len(plain) > 2*64 {
			t.Fatalf("%d bytes more: %v\n%s", len(text)-len(plain), err, text)
		}
	})
}
