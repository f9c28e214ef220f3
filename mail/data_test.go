package mail_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/texts"
)

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

// An email says once where to get help, after the signature mark (RFC 3676 §4.3),
// and names the product at the top.
func TestRender_NamesProductAndHelpOnce(t *testing.T) {
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
	// Without Support, urgent notices still say where to get help.
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

// The name of a device is isolated, because it begins with Latin letters (UAX #9
// §2.4.2).
func TestRender_DirectionOfTheDevice(t *testing.T) {
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

// Every kind has all of its texts, and no other text of the emails exists.
func TestTextsOfEveryKind(t *testing.T) {
	want := []string{"mail.once", "mail.once.for", "mail.code", "mail.code.for", "mail.code.warning", "mail.when", "mail.from", "mail.with", "mail.help", "mail.help.bare"}
	for _, kind := range allKinds {
		parts := []string{"subject", "title", "intro", "notyou"}
		if hasLink(kind) {
			parts = append(parts, "action")
		}
		for _, part := range parts {
			want = append(want, "mail."+string(kind)+"."+part)
		}
	}
	var got []string
	for key := range texts.Of("en") {
		if strings.HasPrefix(key, "mail.") {
			got = append(got, key)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
