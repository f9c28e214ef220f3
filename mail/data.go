package mail

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/internal/useragent"
)

// Data is what a template gets.
type Data struct {
	// Kind is the message's kind.
	Kind usher.MessageKind
	// Subject is the finished subject. It is empty while the subject itself is
	// rendered.
	Subject string
	// Name and Support are the Composer's.
	Name, Support string
	// Logo is the Composer's, or nil.
	Logo *Logo
	// Light and Dark are the Composer's Accent on a light and on a dark ground.
	Light, Dark Shades
	// Link is the mailed link, a secret; empty in notices.
	Link string
	// ExpiresIn is how long Link works, counted from At; zero if it is not
	// known.
	ExpiresIn Span
	// At is when it happened, in the Composer's time zone.
	At time.Time
	// Address is the client's IP address, or empty.
	Address string
	// Device is what the client said it is.
	Device Device

	speaker *locale.Speaker
}

// T returns the text of a key in the reader's language. Its arguments take the
// place of the verbs in it.
func (d *Data) T(key string, args ...any) string { return d.speaker.Text(key, args...) }

// Say returns the kind's words of that part: "subject", "title", "intro",
// "action" or "notyou".
func (d *Data) Say(part string) string {
	return d.speaker.Text("mail."+string(d.Kind)+"."+part, d.Name)
}

// Paragraphs returns the kind's words of that part, paragraph by paragraph.
func (d *Data) Paragraphs(part string) []string { return strings.Split(d.Say(part), "\n\n") }

// Lang and Dir are for the attributes of the root element.
func (d *Data) Lang() string { return d.speaker.Lang() }

// Dir is "ltr" or "rtl".
func (d *Data) Dir() string { return d.speaker.Dir() }

// Time is At in words.
func (d *Data) Time() string { return d.speaker.Time(d.At) }

// Once says that the link works once, and how long.
func (d *Data) Once() string {
	if d.ExpiresIn.Count == 0 {
		return d.T("mail.once")
	}
	return d.T("mail.once.for", d.T(d.ExpiresIn.Unit+"s", d.ExpiresIn.Count))
}

// DeviceName is Device in words. It begins with a name in Latin letters in every
// language, so that its direction has to be said (UAX #9 §2.4): else it would be
// turned around where the language is written from right to left.
func (d *Data) DeviceName() string {
	name := d.speaker.Device(d.Device.Browser, d.Device.System)
	if name != "" && d.Dir() == "rtl" {
		return "\u2067" + name + "\u2069"
	}
	return name
}

// Help says whom to ask for help. It is empty where nobody is named in Support
// and the message is not alarming.
func (d *Data) Help() string {
	switch {
	case d.Support != "":
		return d.T("mail.help", d.Support)
	case d.Alarming():
		return d.T("mail.help.bare", d.Name)
	}
	return ""
}

// Alarming reports whether the message tells of something that its reader may
// have to act upon at once.
func (d *Data) Alarming() bool {
	return !kinds[d.Kind] && d.Kind != usher.MessageAlreadyRegistered
}

// Span is a length of time to be read by people, rounded down.
type Span struct {
	// Count is how many of Unit.
	Count int
	// Unit is "minute", "hour" or "day".
	Unit string
}

// String returns it in English, such as "10 minutes", "1 hour", "24 hours".
func (s Span) String() string {
	if s.Count == 1 {
		return "1 " + s.Unit
	}
	return fmt.Sprintf("%d %ss", s.Count, s.Unit)
}

// newSpan rounds down, so that a mail never promises more than there is. Under
// a minute it is zero.
func newSpan(d time.Duration) Span {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return Span{}
	case d < 2*time.Hour && d%time.Hour != 0:
		return Span{int(d / time.Minute), "minute"}
	case d < 2*day:
		return Span{int(d / time.Hour), "hour"}
	}
	return Span{int(d / day), "day"}
}

// Device is a client's browser and operating system, as far as the user agent
// tells. Both are words of a fixed list: the user agent itself is free text
// that anybody can choose, and a mail that quotes it would carry a stranger's
// words under the product's name.
type Device struct {
	// Browser is such as "Firefox", or empty.
	Browser string
	// System is such as "Windows", or empty.
	System string
}

// String returns it in English: "Firefox on Windows", one of the two, or
// nothing.
func (d Device) String() string {
	switch {
	case d.Browser == "":
		return d.System
	case d.System == "":
		return d.Browser
	}
	return d.Browser + " on " + d.System
}

func newDevice(userAgent string) Device {
	browser, system := useragent.Of(userAgent)
	return Device{Browser: browser, System: system}
}

// cleanIP returns an IP address in its one form, or nothing. A zone goes: it is
// free text.
func cleanIP(s string) string {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return ""
	}
	return a.Unmap().WithZone("").String()
}
