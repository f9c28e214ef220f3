package mail_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

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

// A code is in the text and not in the subject, which phones show while they are locked.
// Without a code there is no sentence about one.
func TestCO11_TheCodeInTheEmail(t *testing.T) {
	for _, kind := range allKinds {
		for _, lang := range []string{"en", "de", "fr", "es", "he"} {
			m := message(kind)
			m.Language = lang
			want := 0
			if m.Code != "" {
				want = 1
			}
			subject, text, html, err := composer().Render(m)
			if err != nil || strings.Contains(subject, codeCanary) || strings.Count(text, codeCanary) != want || strings.Count(html, codeCanary) != want {
				t.Errorf("%s %s: %v, subject %q:\n%s", lang, kind, err, subject, text)
			}
			oneLine := func(s string) string { return strings.Join(strings.Fields(s), " ") }
			warning, _, _ := strings.Cut(texts.Of(lang)["mail.code.warning"], "%s")
			if strings.Contains(oneLine(text), oneLine(warning)) != (want == 1) {
				t.Errorf("%s %s: the warning:\n%s", lang, kind, text)
			}
			m.Code = ""
			_, text, html, err = composer().Render(m)
			lead := oneLine(texts.Of(lang)["mail.code"])
			if err != nil || strings.Contains(oneLine(html), lead) || strings.Contains(oneLine(text), lead) {
				t.Errorf("%s %s without a code: %v:\n%s", lang, kind, err, text)
			}
		}
	}
	m := message(usher.MessageResetPassword)
	m.Code = "<b>1"
	var e *mail.MessageError
	if _, _, _, err := composer().Render(m); !errors.As(err, &e) || e.Field != "Code" {
		t.Errorf("a code that is none: %v", err)
	}
}

func TestRender_EveryLanguage(t *testing.T) {
	for _, lang := range []string{"de", "fr", "es", "he"} {
		for _, kind := range allKinds {
			m := message(kind)
			m.Language = lang + ",en;q=0.1"
			subject, text, html, err := composer().Render(m)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, lang+"_"+string(kind)+".txt", "Subject: "+subject+"\n\n"+text)
			for _, body := range []string{subject, text, html} {
				if strings.Contains(body, "%!") || strings.Contains(body, "mail."+string(kind)) || strings.Contains(body, "%s") {
					t.Errorf("%s %s:\n%s", lang, kind, body)
				}
			}
			if want := `<html lang="` + lang + `" dir="`; !strings.Contains(html, want) {
				t.Errorf("%s %s has no %s", lang, kind, want)
			}
			if hasLink(kind) && (strings.Count(text, linkCanary) != 1 || strings.Count(html, linkCanary) != 1) {
				t.Errorf("%s %s: not one link", lang, kind)
			}
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

func TestComposer_Funcs(t *testing.T) {
	c := composer()
	c.Funcs = map[string]any{"shout": strings.ToUpper}
	c.Templates = fstest.MapFS{
		"message.txt":  {Data: []byte(`{{define "subject"}}{{shout .Name}}{{end}}{{define "intro"}}{{wrap (shout "hello")}}{{end}}{{define "notyou"}}{{end}}`)},
		"message.html": {Data: []byte(`{{define "title"}}{{shout .Name}}{{end}}{{define "intro"}}{{end}}{{define "action"}}{{end}}{{define "notyou"}}{{end}}`)},
	}
	subject, text, html, err := c.Render(message(usher.MessagePasswordChanged))
	if err != nil || subject != "EXAMPLE" || !strings.HasPrefix(text, "HELLO\n") || !strings.Contains(html, ">EXAMPLE</h1>") {
		t.Errorf("%q, %v\n%s\n%s", subject, err, text, html)
	}
}
