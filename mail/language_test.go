package mail_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/texts"
)

func TestMailsSpeakTheReadersLanguage(t *testing.T) {
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

// A device begins with a Latin name, whose direction is not that of the words
// around it (UAX #9 §2.4.2).
func TestRender_TheDeviceReadsInTheDirectionOfItsLanguage(t *testing.T) {
	for lang, want := range map[string]string{
		"he": "\u2068\u2067Firefox ב-Linux\u2069\u2069", "de": "Gerät: Firefox unter Linux",
	} {
		m := message(usher.MessagePasswordChanged)
		m.Language = lang
		_, text, html, err := composer().Render(m)
		if err != nil || !strings.Contains(strings.ToLower(text), strings.ToLower(want)) || !strings.Contains(strings.ToLower(html), strings.ToLower(want)) {
			t.Errorf("%s: %v\n%s", lang, err, text)
		}
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
