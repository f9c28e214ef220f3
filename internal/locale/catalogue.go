package locale

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"github.com/usherkit/usher/texts"
)

// Texts maps keys to texts.
type Texts = map[string]string

// Default returns the catalogue of the built-in texts.
var Default = sync.OnceValue(func() *Catalogue {
	c, err := New(nil, nil)
	if err != nil {
		panic(err)
	}
	return c
})

// Catalogue holds the texts of several languages. It is immutable, and safe for
// concurrent use.
type Catalogue struct {
	texts    map[language.Tag]Texts
	matcher  language.Matcher
	tags     []language.Tag
	english  Texts
	known    map[string]bool
	speakers map[language.Tag]*Speaker
}

// New returns a catalogue of the languages. The first language is used for
// readers who prefer none of them. own holds, by language, texts that replace
// built-in ones or that belong to a new language; a key must be built in or begin
// with [OwnPrefix]. Without languages the catalogue has the built-in ones and
// those of own, English first. The error names the language and the key.
func New(languages []string, own map[string]Texts) (*Catalogue, error) {
	if len(languages) == 0 {
		languages = texts.Languages()
		for _, l := range slices.Sorted(maps.Keys(own)) {
			if !slices.Contains(languages, l) {
				languages = append(languages, l)
			}
		}
	}
	c := &Catalogue{
		texts:    map[language.Tag]Texts{},
		english:  withoutPlurals(merged("en", own)),
		known:    map[string]bool{},
		speakers: map[language.Tag]*Speaker{},
	}
	for _, l := range languages {
		tag, err := language.Parse(l)
		if err != nil {
			return nil, fmt.Errorf("the language %q is not a BCP 47 tag", l)
		}
		if parent, _ := tag.Base(); len(merged(l, own)) == 0 && texts.Of(parent.String()) == nil {
			return nil, fmt.Errorf("the language %q has no texts", l)
		}
		c.tags = append(c.tags, tag)
	}
	// Languages that are not offered are added too, because they may be parents of
	// offered ones.
	sources := slices.Concat(texts.Languages(), slices.Collect(maps.Keys(own)))
	for _, l := range slices.Compact(slices.Sorted(slices.Values(sources))) {
		tag, err := language.Parse(l)
		if err != nil {
			return nil, fmt.Errorf("the language %q is not a BCP 47 tag", l)
		}
		err = checkKeys(own[l])
		if err == nil {
			err = c.add(tag, merged(l, own))
		}
		if err != nil {
			return nil, fmt.Errorf("the texts of %q: %w", l, err)
		}
	}
	c.matcher = language.NewMatcher(c.tags)
	for _, tag := range c.tags {
		c.speakers[tag] = newSpeaker(c, tag)
	}
	return c, nil
}

// OwnPrefix is the prefix of the keys for a program's own templates.
const OwnPrefix = "own."

// checkKeys returns an error for a key that nothing reads.
func checkKeys(own Texts) error {
	english := texts.Of("en")
	for _, key := range slices.Sorted(maps.Keys(own)) {
		name, _, isPlural := strings.Cut(key, "#")
		_, plain := english[name]
		_, plural := english[name+"#other"]
		switch {
		case strings.HasPrefix(name, OwnPrefix), plain && !isPlural, plural && isPlural:
		case plain:
			return fmt.Errorf("%s: the text has no plural categories", key)
		case plural:
			return fmt.Errorf("%s: the text needs a plural category, such as %s#other", key, name)
		default:
			return fmt.Errorf("%s: unknown key; keys for your own templates begin with %q", key, OwnPrefix)
		}
	}
	return nil
}

// merged returns the built-in texts of a language with the program's own ones.
func merged(lang string, own map[string]Texts) Texts {
	all := Texts{}
	maps.Copy(all, texts.Of(lang))
	maps.Copy(all, own[lang])
	return all
}

// withoutPlurals returns the texts by key without the plural category. The text
// of a plural is that of the category "other".
func withoutPlurals(all Texts) Texts {
	out := Texts{}
	for key, text := range all {
		if name, category, found := strings.Cut(key, "#"); !found || category == "other" {
			out[name] = text
		}
	}
	return out
}

// add adds the texts of one language.
func (c *Catalogue) add(tag language.Tag, all Texts) error {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		name, category, isPlural := strings.Cut(key, "#")
		switch {
		case isPlural && !slices.Contains(categories[:], category):
			return fmt.Errorf("%s: %q is not a plural category", key, category)
		case isPlural && all[name+"#other"] == "":
			return fmt.Errorf("%s: the plural category \"other\" is missing", name)
		}
		c.known[name] = true
	}
	c.texts[tag] = all
	return nil
}

// For returns a Speaker of the language that matches the preferences best. A
// preference is the value of an Accept-Language header (RFC 9110 §12.5.4) or a
// BCP 47 tag; invalid ones are ignored.
func (c *Catalogue) For(preferences ...string) *Speaker {
	var tags []language.Tag
	size := 0
	for _, p := range preferences {
		if size += len(p); size > maxHeader {
			break
		}
		if t, _, err := language.ParseAcceptLanguage(p); err == nil {
			tags = append(tags, t...)
		}
	}
	_, i, confidence := c.matcher.Match(tags...)
	if confidence == language.No {
		i = 0
	}
	return c.speakers[c.tags[i]]
}

// Name returns the name of an offered language in the language itself, or its tag if the
// texts of the language do not have it.
func (c *Catalogue) Name(tag string) string {
	for l := language.Make(tag); l != language.Und; l = l.Parent() {
		if name := c.texts[l]["language.name"]; name != "" {
			return name
		}
	}
	return tag
}

// Knows reports whether any language has a text for the key.
func (c *Catalogue) Knows(key string) bool { return c.known[key] }

// maxHeader limits the preferences that are parsed, in bytes: those after it are ignored. A
// client may send many headers, and each tag takes time.
const maxHeader = 512

// Languages returns the offered languages as BCP 47 tags.
func (c *Catalogue) Languages() []string {
	all := make([]string, len(c.tags))
	for i, tag := range c.tags {
		all[i] = tag.String()
	}
	return all
}
