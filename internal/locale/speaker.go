package locale

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Speaker returns the texts of a catalogue in one language. It is safe for
// concurrent use.
type Speaker struct {
	catalogue *Catalogue
	tag       language.Tag
	rtl       bool
}

func newSpeaker(c *Catalogue, tag language.Tag) *Speaker {
	script, _ := tag.Script()
	rtl := false
	switch script.String() {
	case "Adlm", "Arab", "Hebr", "Mand", "Mend", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa":
		rtl = true
	}
	return &Speaker{catalogue: c, tag: tag, rtl: rtl}
}

// Lang returns the language as a BCP 47 tag, for the attribute lang and the
// header Content-Language.
func (s *Speaker) Lang() string { return s.tag.String() }

// Dir returns "rtl" for a language that is written from right to left, else
// "ltr".
func (s *Speaker) Dir() string {
	if s.rtl {
		return "rtl"
	}
	return "ltr"
}

// Text returns the text of a key, formatted with the arguments. It returns an
// unknown key unchanged, and ignores arguments that the text does not use. If the
// language is written from right to left, string arguments are isolated (UAX #9
// §2.4.2), so that an address or a name does not change the order of the words
// around it.
func (s *Speaker) Text(key string, args ...any) string {
	if s.rtl {
		args = isolated(args)
	}
	fallback := key
	if english, ok := s.catalogue.english[key]; ok {
		fallback = english
	}
	// A Printer is not safe for concurrent use.
	p := message.NewPrinter(s.tag, message.Catalog(s.catalogue.builder))
	if len(args) == 0 && !s.Has(key) {
		return fallback
	}
	text, _, _ := strings.Cut(p.Sprintf(message.Key(key, fallback), args...), "%!(EXTRA ")
	return text
}

// Has reports whether there is a text for the key, at least in English.
func (s *Speaker) Has(key string) bool {
	_, ok := s.catalogue.english[key]
	return ok
}

func isolated(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		if text, ok := a.(string); ok {
			a = "\u2068" + text + "\u2069"
		}
		out[i] = a
	}
	return out
}

// Time formats a date with the time of day and the time zone.
func (s *Speaker) Time(t time.Time) string {
	month := s.Text("month." + strconv.Itoa(int(t.Month())))
	zone, _ := t.Zone()
	// As strings, because the digits of a year are not grouped.
	return s.plain("time", strconv.Itoa(t.Day()), month, strconv.Itoa(t.Year()), t.Format("15:04"), zone)
}

// Span formats a duration. It rounds up to seconds below one minute, to minutes
// below two hours, to hours below two days, and else to days.
func (s *Speaker) Span(d time.Duration) string {
	const day = 24 * time.Hour
	up := func(unit time.Duration) int { return int((d + unit - 1) / unit) }
	switch {
	case d < time.Minute:
		return s.Text("seconds", max(1, up(time.Second)))
	case d < 2*time.Hour && d%time.Hour != 0:
		return s.Text("minutes", up(time.Minute))
	case d < 2*day:
		return s.Text("hours", up(time.Hour))
	}
	return s.Text("days", up(day))
}

// Device formats a browser and an operating system, such as "Firefox on
// Windows". Either may be empty.
func (s *Speaker) Device(browser, system string) string {
	switch {
	case browser != "" && system != "":
		return s.plain("device.both", browser, system)
	case browser+system != "":
		return browser + system
	}
	return ""
}

// plain is Text without isolation, for arguments that are not input of a user.
func (s *Speaker) plain(key string, args ...any) string {
	ltr := Speaker{catalogue: s.catalogue, tag: s.tag}
	return ltr.Text(key, args...)
}
