package mail

import (
	"html/template"
	"net/netip"
	"strings"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/ipaddr"
	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/internal/weburl"
)

// Data is the data of the templates.
type Data struct {
	// Kind is the message's kind.
	Kind usher.MessageKind
	// Subject is the rendered subject, and empty while the subject is rendered.
	Subject string
	// Name and Support are those of the Composer.
	Name, Support string
	// Logo is the Composer's logo, or nil.
	Logo *Logo
	// Light and Dark are the colors for light and for dark mode.
	Light, Dark Shades
	// Link is the message's link, which is a secret. Notices have none. Its type lets
	// templates show a link with the scheme of an app.
	Link template.URL
	// Code is the six-digit code beside Link, which is a secret, or empty.
	Code string
	// CodeExpiresIn is how long Code works, counted from At.
	CodeExpiresIn time.Duration
	// ExpiresIn is how long Link works, counted from At, or zero if that is unknown.
	ExpiresIn time.Duration
	// At is the time of the event that the email reports, in the Composer's time zone.
	At time.Time
	// Address is the client's IP address, or empty.
	Address string
	// Browser and System are names from a fixed list, such as "Firefox" and "Windows",
	// or empty. The client's user agent is never quoted, because the client can put
	// any text into it.
	Browser, System string

	speaker *locale.Speaker
}

// T returns the text of a key in the reader's language, formatted with the
// arguments.
func (d *Data) T(key string, args ...any) string { return d.speaker.Text(key, args...) }

// ShowLink reports whether the link must be readable in the HTML part, too: mail programs
// remove links with the scheme of an app.
func (d *Data) ShowLink() bool { return weburl.HasAppScheme(string(d.Link)) }

// Part returns a part of the kind's text: "subject", "title", "intro", "action" or
// "notyou".
func (d *Data) Part(part string) string {
	return d.speaker.Text("mail."+string(d.Kind)+"."+part, d.Name)
}

// Paragraphs returns the paragraphs of a part.
func (d *Data) Paragraphs(part string) []string { return strings.Split(d.Part(part), "\n\n") }

// Lang returns the language as a BCP 47 tag.
func (d *Data) Lang() string { return d.speaker.Lang() }

// Dir returns the direction of the language's script, "ltr" or "rtl".
func (d *Data) Dir() string { return d.speaker.Dir() }

// Time returns At in the reader's language.
func (d *Data) Time() string { return d.speaker.Time(d.At) }

// Validity returns a sentence which says that the link works once, and for how long.
// The time is rounded down, so that the link works at least that long.
func (d *Data) Validity() string {
	const day = 24 * time.Hour
	valid := func(key string, unit time.Duration) string {
		return d.T("mail.once.for", d.T(key, int(d.ExpiresIn/unit)))
	}
	switch {
	case d.ExpiresIn < time.Minute:
		return d.T("mail.once")
	case d.ExpiresIn < 2*time.Hour && d.ExpiresIn%time.Hour != 0:
		return valid("minutes", time.Minute)
	case d.ExpiresIn < 2*day:
		return valid("hours", time.Hour)
	}
	return valid("days", day)
}

// CodeHint says how long the code is valid, rounded down to minutes, and that users must
// not give it to anyone.
func (d *Data) CodeHint() string {
	warning := d.T("mail.code.warning", d.Name)
	if d.CodeExpiresIn < time.Minute {
		return warning
	}
	return d.T("mail.code.for", d.T("minutes", int(d.CodeExpiresIn/time.Minute))) + " " + warning
}

// Device returns the browser and the operating system in the reader's language,
// such as "Firefox on Windows", or "" if both are unknown.
func (d *Data) Device() string {
	name := d.speaker.Device(d.Browser, d.System)
	if name != "" && d.Dir() == "rtl" {
		// It begins with a Latin name, which would set the wrong direction (UAX #9 §2.4).
		return "\u2067" + name + "\u2069"
	}
	return name
}

// Help returns a sentence that tells users where to get help. It is empty if
// Support is empty and the message does not report a change or a sign-in.
func (d *Data) Help() string {
	switch {
	case d.Support != "":
		return d.T("mail.help", d.Support)
	case !kinds[d.Kind] && d.Kind != usher.MessageAlreadyRegistered:
		return d.T("mail.help.bare", d.Name)
	}
	return ""
}

// cleanIP returns the canonical form of an IP address, or "" if s is not an IP address.
// It removes the zone, because a zone may be any text.
func cleanIP(s string) string {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return ""
	}
	return ipaddr.Canonical(a).String()
}
