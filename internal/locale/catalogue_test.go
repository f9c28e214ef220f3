package locale_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/locale"
)

func TestFor_AcceptLanguage(t *testing.T) {
	c := locale.Default()
	for _, test := range []struct{ header, want string }{
		{"", "en"},
		{"de", "de"},
		{"de-AT,de;q=0.9,en;q=0.5", "de"},
		{"ja, fr;q=0.8", "fr"},
		{"ja", "en"},
		{"he-IL", "he"},
		{"iw", "he"},
		{"es-419", "es"},
		{"*", "en"},
		{"en;q=0.1, fr;q=0.9", "fr"},
		{"\x00;;q=x", "en"},
		{strings.Repeat("de,", 400), "en"},
	} {
		if got := c.For(test.header).Lang(); got != test.want {
			t.Errorf("%.30q gives %s, want %s", test.header, got, test.want)
		}
	}
}

// Many headers are one list, so they share its limit.
func TestLM10_TheLanguagesThatAreParsedAreBounded(t *testing.T) {
	c := locale.Default()
	full := strings.Repeat("tlh,", 127)
	for want, headers := range map[string][]string{"de": {full, "de"}, "en": {full, "tlh,", "de"}, "fr": {"fr", full, full}} {
		if got := c.For(headers...).Lang(); got != want {
			t.Errorf("%d headers of %d bytes give %s, want %s", len(headers), len(full), got, want)
		}
	}
}

func TestNew_OwnTextsAndLanguages(t *testing.T) {
	c, err := locale.New(nil, map[string]locale.Texts{
		"en": {"signin.title": "Welcome"},
		"nl": {"signin.title": "Inloggen", "minutes#one": "%d minuut", "minutes#other": "%d minuten"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.For("en").Text("signin.title"); got != "Welcome" {
		t.Errorf("English: %q", got)
	}
	nl := c.For("nl-BE")
	if got := nl.Text("signin.title"); got != "Inloggen" {
		t.Errorf("Dutch: %q", got)
	}
	if got := nl.Span(3 * time.Minute); got != "3 minuten" {
		t.Errorf("Dutch plural: %q", got)
	}
	if got := nl.Text("sent.text", "ann@example.com"); !strings.Contains(got, "If ann@example.com belongs") {
		t.Errorf("a missing key: %q", got)
	}
	if got := nl.Text("policy.too_short", 15); got != "Use at least 15 characters." {
		t.Errorf("a missing plural: %q", got)
	}
	if got := nl.Text("no.such.key"); got != "no.such.key" {
		t.Errorf("an unknown key: %q", got)
	}
	if got := locale.Default().For("en").Text("signin.title"); got != "Sign in" {
		t.Errorf("the built-in text has changed to %q", got)
	}
}

func TestNew_OneLanguage(t *testing.T) {
	c, err := locale.New([]string{"fr"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.For("de").Lang(); got != "fr" {
		t.Errorf("got %s", got)
	}
}

func TestNew_RefusesBadTexts(t *testing.T) {
	for name, f := range map[string]func() error{
		"tag": func() error { _, err := locale.New([]string{"not a tag"}, nil); return err },
		"misspelt": func() error {
			_, err := locale.New(nil, map[string]locale.Texts{"en": {"signin.titel": "x"}})
			return err
		},
		"no texts": func() error { _, err := locale.New([]string{"ja"}, nil); return err },
		"category": func() error {
			_, err := locale.New(nil, map[string]locale.Texts{"en": {"own.x#several": "%d"}})
			return err
		},
		"no other": func() error {
			_, err := locale.New(nil, map[string]locale.Texts{"en": {"own.x#one": "%d"}})
			return err
		},
	} {
		if f() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzFor(f *testing.F) {
	for _, s := range []string{"", "de", "de-AT,de;q=0.9", "*;q=0", "x-klingon", "zh-Hant-TW-u-co-pinyin"} {
		f.Add(s)
	}
	known := slices.Collect(maps.Keys(map[string]bool{"en": true, "de": true, "es": true, "fr": true, "he": true}))
	f.Fuzz(func(t *testing.T, header string) {
		if got := locale.Default().For(header).Lang(); !slices.Contains(known, got) {
			t.Errorf("%q gives %q", header, got)
		}
	})
}
