package locale_test

import (
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/internal/locale"
)

func TestText_IsolatesArgumentsFromRightToLeft(t *testing.T) {
	he := locale.Default().For("he")
	if he.Dir() != "rtl" || locale.Default().For("fr").Dir() != "ltr" {
		t.Error("directions are wrong")
	}
	if got := he.Text("verify.lead", "ann@example.com"); !strings.Contains(got, "\u2068ann@example.com\u2069") {
		t.Errorf("not isolated: %q", got)
	}
	if got := he.Text("minutes", 2); got != "שתי דקות" {
		t.Errorf("the dual is %q", got)
	}
}

func TestTimesAndSpans(t *testing.T) {
	at := time.Date(2026, 11, 3, 8, 5, 1, 0, time.UTC)
	for lang, want := range map[string]string{
		"en": "3 November 2026, 08:05 UTC",
		"de": "3. November 2026, 08:05 UTC",
		"fr": "3 novembre 2026, 08:05 UTC",
		"es": "3 de noviembre de 2026, 08:05 UTC",
		"he": "3 בנובמבר 2026, 08:05 UTC",
	} {
		if got := locale.Default().For(lang).Time(at); got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
	en := locale.Default().For("en")
	for d, want := range map[time.Duration]string{
		0: "1 second", time.Second: "1 second", 29500 * time.Millisecond: "30 seconds", time.Minute: "1 minute",
		90 * time.Second: "2 minutes", 2 * time.Hour: "2 hours", 47 * time.Hour: "47 hours", 72 * time.Hour: "3 days",
	} {
		if got := en.Span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestText_IgnoresUnusedArguments(t *testing.T) {
	c, err := locale.New(nil, map[string]locale.Texts{"en": {"sent.text": "Check your inbox."}})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.For("en").Text("sent.text", "ann@example.com"); got != "Check your inbox." {
		t.Errorf("got %q", got)
	}
	if got := c.For("en").Text("signup.sent.text", "100%!"); !strings.Contains(got, "to 100%!.") {
		t.Errorf("got %q", got)
	}
}

// A percent sign in a text of the program, or in an argument, is shown as it is.
func TestHP12_APercentSignIsText(t *testing.T) {
	c, err := locale.New(nil, map[string]locale.Texts{"en": {
		"signin.title": "100% yours", "signin.submit": "50%!", "signup.title": "20%discount", "sent.text": "90% sure that %s is 100%",
		"minutes#one": "%d% minute", "minutes#other": "100% of %[1]d minutes, %%d", "own.price": "%.2f, now 30% less, %[2]d%", "verify.lead": "%d of %s: %[9]s",
	}})
	if err != nil {
		t.Fatal(err)
	}
	en := c.For("en")
	for got, want := range map[string]string{
		en.Text("signin.title"):              "100% yours",
		en.Text("signin.submit"):             "50%!",
		en.Text("signup.title"):              "20%discount",
		en.Text("sent.text", "a%s%!(EXTRA "): "90% sure that a%s%!(EXTRA  is 100%",
		en.Text("minutes", 1):                "1% minute",
		en.Text("minutes", 1500):             "100% of 1,500 minutes, %d",
		en.Text("own.price", 2.5, 7):         "2.50, now 30% less, 7%",
		en.Text("verify.lead", "Ann"):        "%d of Ann: %[9]s",
		en.Text("100% unknown"):              "100% unknown",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
