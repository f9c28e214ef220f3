package locale

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message/catalog"
)

//go:embed texts
var embedded embed.FS

// Texts are texts by key.
type Texts = map[string]string

// shipped reads the built-in texts once.
var shipped = sync.OnceValue(func() map[string]Texts {
	all := map[string]Texts{}
	files, err := fs.Glob(embedded, "texts/*/*.json")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for _, name := range files {
		b, err := embedded.ReadFile(name)
		if err != nil {
			panic(err)
		}
		var texts Texts
		if err := json.Unmarshal(b, &texts); err != nil {
			panic(name + ": " + err.Error())
		}
		lang := path.Base(path.Dir(name))
		if all[lang] == nil {
			all[lang] = Texts{}
		}
		maps.Copy(all[lang], texts)
	}
	return all
})

// Shipped returns the built-in languages, English first.
func Shipped() []string {
	all := slices.Sorted(maps.Keys(shipped()))
	all = slices.DeleteFunc(all, func(l string) bool { return l == "en" })
	return append([]string{"en"}, all...)
}

// ShippedTexts returns a copy of the built-in texts of a language, or nil.
func ShippedTexts(lang string) Texts { return maps.Clone(shipped()[lang]) }

// Default is the catalogue of the built-in texts.
var Default = sync.OnceValue(func() *Catalogue {
	c, err := New(nil, nil)
	if err != nil {
		panic(err)
	}
	return c
})

// Catalogue holds the texts of some languages. It is never changed, and safe
// for concurrent use.
type Catalogue struct {
	builder *catalog.Builder
	matcher language.Matcher
	tags    []language.Tag
	english Texts
	known   map[string]bool
	speaker map[language.Tag]*Speaker
}

// New returns a catalogue of the languages, the first of which is for readers
// of none of them. own has texts by language that replace built-in ones or add
// to them; keys that are in neither nor begin with [OwnPrefix] are refused.
// Without languages they are all that are built in or in own, English first. An
// error names the language and the key.
func New(languages []string, own map[string]Texts) (*Catalogue, error) {
	if len(languages) == 0 {
		languages = Shipped()
		for _, l := range slices.Sorted(maps.Keys(own)) {
			if !slices.Contains(languages, l) {
				languages = append(languages, l)
			}
		}
	}
	c := &Catalogue{
		builder: catalog.NewBuilder(catalog.Fallback(language.English)),
		english: base(merged("en", own)),
		known:   map[string]bool{},
		speaker: map[language.Tag]*Speaker{},
	}
	for _, l := range languages {
		tag, err := language.Parse(l)
		if err != nil {
			return nil, fmt.Errorf("the language %q is no BCP 47 tag", l)
		}
		texts := merged(l, own)
		if parent, _ := tag.Base(); len(texts) == 0 && shipped()[parent.String()] == nil {
			return nil, fmt.Errorf("the language %q has no texts", l)
		}
		c.tags = append(c.tags, tag)
	}
	// Every language is a source, whether it is offered or not: parents of the
	// offered ones are looked up too.
	sources := slices.Concat(Shipped(), slices.Collect(maps.Keys(own)))
	for _, l := range slices.Compact(slices.Sorted(slices.Values(sources))) {
		tag, err := language.Parse(l)
		if err != nil {
			return nil, fmt.Errorf("the language %q is no BCP 47 tag", l)
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
		c.speaker[tag] = newSpeaker(c, tag)
	}
	return c, nil
}

// OwnPrefix begins the keys for the templates of a program.
const OwnPrefix = "own."

// checkKeys refuses keys that nothing reads.
func checkKeys(texts Texts) error {
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		name, _, isPlural := strings.Cut(key, "#")
		_, plain := shipped()["en"][name]
		_, plural := shipped()["en"][name+"#other"]
		switch {
		case strings.HasPrefix(name, OwnPrefix), plain && !isPlural, plural && isPlural:
		case plain:
			return fmt.Errorf("%s: the text has no plural categories", key)
		case plural:
			return fmt.Errorf("%s: the text needs a plural category, such as %s#other", key, name)
		default:
			return fmt.Errorf("%s: there is no such text; keys of your own begin with %q", key, OwnPrefix)
		}
	}
	return nil
}

func merged(lang string, own map[string]Texts) Texts {
	texts := Texts{}
	maps.Copy(texts, shipped()[lang])
	maps.Copy(texts, own[lang])
	return texts
}

// base returns the texts by key without the plural category, for which the
// category "other" stands.
func base(texts Texts) Texts {
	out := Texts{}
	for key, text := range texts {
		if name, category, found := strings.Cut(key, "#"); !found || category == "other" {
			out[name] = text
		}
	}
	return out
}

// add puts the texts of one language into the builder.
func (c *Catalogue) add(tag language.Tag, texts Texts) error {
	for name := range base(texts) {
		c.known[name] = true
	}
	plurals, others := map[string][]any{}, Texts{}
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		name, category, isPlural := strings.Cut(key, "#")
		if !isPlural {
			if err := c.builder.SetString(tag, key, texts[key]); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			continue
		}
		switch category {
		case "zero", "one", "two", "few", "many":
			plurals[name] = append(plurals[name], category, texts[key])
		case "other":
			others[name] = texts[key]
		default:
			return fmt.Errorf("%s: %q is no plural category", key, category)
		}
	}
	for name := range plurals {
		if others[name] == "" {
			return fmt.Errorf("%s: the plural category \"other\" is missing", name)
		}
	}
	for name, other := range others {
		// The first case that fits counts, and "other" fits every number.
		cases := append(plurals[name], "other", other)
		if err := c.builder.Set(tag, name, plural.Selectf(1, "%d", cases...)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// For returns who speaks the language that fits the wishes best: values of an
// Accept-Language header (RFC 9110 §12.5.4), or single tags. What cannot be
// read counts for nothing.
func (c *Catalogue) For(wishes ...string) *Speaker {
	var tags []language.Tag
	for _, w := range wishes {
		if len(w) > maxHeader {
			continue
		}
		if t, _, err := language.ParseAcceptLanguage(w); err == nil {
			tags = append(tags, t...)
		}
	}
	_, i, confidence := c.matcher.Match(tags...)
	if confidence == language.No {
		i = 0
	}
	return c.speaker[c.tags[i]]
}

// Knows reports whether any language has a text of the key.
func (c *Catalogue) Knows(key string) bool { return c.known[key] }

// maxHeader is how long an Accept-Language header may be in bytes to be read.
const maxHeader = 512

// Languages returns the languages that are offered, as BCP 47 tags.
func (c *Catalogue) Languages() []string {
	all := make([]string, len(c.tags))
	for i, tag := range c.tags {
		all[i] = tag.String()
	}
	return all
}
