package locale

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Speaker returns the texts of a catalogue in one language. It is safe for
// concurrent use.
type Speaker struct {
	catalogue *Catalogue
	tag       language.Tag
	rtl       bool
	// sources are the languages that have texts: that of the reader, its parents and
	// English.
	sources []language.Tag
}

func newSpeaker(c *Catalogue, tag language.Tag) *Speaker {
	script, _ := tag.Script()
	rtl := false
	switch script.String() {
	case "Adlm", "Arab", "Hebr", "Mand", "Mend", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa":
		rtl = true
	}
	s := &Speaker{catalogue: c, tag: tag, rtl: rtl}
	for l := tag; l != language.Und; l = l.Parent() {
		s.sources = append(s.sources, l)
	}
	s.sources = append(s.sources, language.English)
	return s
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
// unknown key unchanged, and ignores arguments that the text does not use. A percent
// sign that is not part of a verb with an argument is part of the text. If the
// language is written from right to left, string arguments are isolated (UAX #9
// §2.4.2), so that an address or a name does not change the order of the words
// around it.
func (s *Speaker) Text(key string, args ...any) string {
	if s.rtl {
		args = isolated(args)
	}
	return s.format(s.find(key, args), args)
}

// find returns the text of a key in the language, in one of its parents or in English.
// Of a text with plural categories it returns the one for the first argument.
func (s *Speaker) find(key string, args []any) string {
	for _, l := range s.sources {
		all := s.catalogue.texts[l]
		if text, ok := all[key]; ok {
			return text
		}
		if other, ok := all[key+"#other"]; ok {
			return cmp.Or(all[key+"#"+category(l, args)], other)
		}
	}
	return key
}

// categories are the plural categories of Unicode CLDR, indexed by plural.Form.
var categories = [...]string{
	plural.Other: "other", plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many",
}

// category returns the plural category of the first argument in a language.
func category(l language.Tag, args []any) string {
	if len(args) == 0 {
		return "other"
	}
	n, ok := args[0].(int)
	if !ok {
		return "other"
	}
	return categories[plural.Cardinal.MatchPlural(l, n, 0, 0, 0, 0)]
}

// verb is a verb of package fmt, with its index. A space is no flag, because a percent
// sign before a space ends a word: "50% of".
var verb = regexp.MustCompile(`%(?:%|(?:\[(\d+)\])?([-+#0]*\d*(?:\.\d+)?[a-zA-Z]))`)

// format replaces the verbs of a text by the arguments. A verb without an argument, or
// with one of another type, is part of the text.
func (s *Speaker) format(text string, args []any) string {
	next := 0
	return verb.ReplaceAllStringFunc(text, func(found string) string {
		if found == "%%" {
			return "%"
		}
		m := verb.FindStringSubmatch(found)
		i := next
		if m[1] != "" {
			n, _ := strconv.Atoi(m[1])
			i = n - 1
		}
		if i < 0 || i >= len(args) {
			return found
		}
		formatted := fmt.Sprint(args[i])
		if _, isText := args[i].(string); !isText || m[2] != "s" {
			// A Printer is not safe for concurrent use.
			formatted = message.NewPrinter(s.tag).Sprintf("%"+m[2], args[i])
			if strings.HasPrefix(formatted, "%!"+m[2][len(m[2])-1:]) {
				return found
			}
		}
		next = i + 1
		return formatted
	})
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

// Ago formats how long ago something was, rounded down to minutes below an hour, to
// hours below a day, and else to days.
func (s *Speaker) Ago(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return s.Text("ago.now")
	case d < time.Hour:
		return s.Text("ago.minutes", int(d/time.Minute))
	case d < day:
		return s.Text("ago.hours", int(d/time.Hour))
	}
	return s.Text("ago.days", int(d/day))
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
	return s.format(s.find(key, args), args)
}
