// Package texts holds every text that users read: on the pages, in the emails,
// and in the titles and details of problem documents.
//
// There is one JSON file for each built-in language: en.json, de.json, es.json,
// fr.json and he.json. A program changes texts and adds languages with a
// [Catalogue], which it passes to the pages and to the emails:
//
//	own := texts.Catalogue{Texts: map[string]map[string]string{
//		"en": {"signin.title": "Welcome back"},
//	}}
//	composer := mail.Composer{Texts: own, …}
//	config := handlers.Config{Texts: own, …}
//
// # Keys
//
// A key begins with the page or the group that it belongs to:
//
//	signin.title                  the page signin.html
//	mail.reset_password.subject   the email of that kind
//	problem.not_found             the title of a problem document
//	problem.not_found.text        its detail
//	problem.not_found.page        the detail on a page, if it differs
//	invalid.newEmail.required     an error at an input field
//	policy.too_short              a rule that a new password does not meet
//	notice.name_changed           the confirmation of an action
//
// # Values
//
// A text may contain verbs of package fmt. Explicit indexes change the order of
// the arguments: "Confirm %[1]s". A percent sign that is not part of a verb with an
// argument is shown as it is. A text that depends on a number has one key
// for each plural category that Unicode CLDR defines for the language:
//
//	"minutes#one":   "%d minute",
//	"minutes#other": "%d minutes"
package texts

import (
	"embed"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Catalogue selects languages and replaces texts. The zero Catalogue offers all
// built-in languages with their built-in texts. The packages that take a
// Catalogue check it and return an error that names the language and the key.
type Catalogue struct {
	// Languages are the languages to offer, as BCP 47 tags. The first is used for
	// readers who prefer none of them. Defaults to the built-in languages and those
	// in Texts, English first.
	Languages []string
	// Texts maps a language and a key to a text that replaces the built-in one, or
	// that belongs to a new language. A text that a language lacks is taken from its
	// parent ("de-AT" from "de"), and then from English. A key for the program's own
	// templates begins with "own."; any other key must be a built-in one. Defaults
	// to none.
	Texts map[string]map[string]string
}

// Of returns a copy of the built-in texts of a language by key, or nil if the
// language is not built in.
func Of(language string) map[string]string { return maps.Clone(builtIn()[language]) }

// Languages returns the built-in languages as BCP 47 tags, English first.
func Languages() []string {
	all := slices.DeleteFunc(slices.Sorted(maps.Keys(builtIn())), func(l string) bool { return l == "en" })
	return slices.Insert(all, 0, "en")
}

//go:embed *.json
var files embed.FS

// builtIn returns the texts by language and key.
var builtIn = sync.OnceValue(func() map[string]map[string]string {
	all := map[string]map[string]string{}
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // the files are embedded
	}
	for _, entry := range entries {
		b, err := files.ReadFile(entry.Name())
		if err != nil {
			panic(err)
		}
		var texts map[string]string
		if err := json.Unmarshal(b, &texts); err != nil {
			panic("texts: " + entry.Name() + ": " + err.Error())
		}
		all[strings.TrimSuffix(entry.Name(), ".json")] = texts
	}
	return all
})
