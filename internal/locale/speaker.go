package locale

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Speaker says the texts of a catalogue in one language. It is safe for
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

// Lang is the language as a BCP 47 tag: for the attribute lang and the header
// Content-Language.
func (s *Speaker) Lang() string { return s.tag.String() }

// Dir is "rtl" for a language that is written from right to left, else "ltr".
func (s *Speaker) Dir() string {
	if s.rtl {
		return "rtl"
	}
	return "ltr"
}

// Text returns the text of a key. Where the language is written from right to
// left, text among the arguments is isolated (UAX #9 §2.4.2), so that an
// address or a name does not turn the words around it upside down. A key that
// no language has is returned as it is, and arguments that the text does not
// take are left out.
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

// Has reports whether there is a text of the key, in English at least.
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

// Time returns a date with the time of day and its zone.
func (s *Speaker) Time(t time.Time) string {
	month := s.Text("month." + strconv.Itoa(int(t.Month())))
	zone, _ := t.Zone()
	// The numbers go in as text: a year is not grouped.
	return s.plain("time", strconv.Itoa(t.Day()), month, strconv.Itoa(t.Year()), t.Format("15:04"), zone)
}

// Span returns a length of time, rounded up to whole seconds under a minute,
// to minutes under two hours, to hours under two days.
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

// Device returns what a client is, in words.
func (s *Speaker) Device(browser, system string) string {
	switch {
	case browser != "" && system != "":
		return s.plain("device.both", browser, system)
	case browser+system != "":
		return browser + system
	}
	return ""
}

// plain is Text without isolation, for arguments that are words of this
// package or dates.
func (s *Speaker) plain(key string, args ...any) string {
	ltr := Speaker{catalogue: s.catalogue, tag: s.tag}
	return ltr.Text(key, args...)
}
