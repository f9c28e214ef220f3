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
