// Package locale is the catalogue of the texts that people read: on the pages,
// in mails, and in problem documents. It is shipped in English,
// German, French, Spanish and Hebrew; a program may change each text and add
// languages.
//
// A text has a key and may hold verbs of package fmt, with explicit indexes
// where a language turns the words around: "Confirm %[1]s". Where a number
// decides about the words, the key is there once for each plural category of
// Unicode CLDR that the language has:
//
//	"minutes#one":   "%d minute",
//	"minutes#other": "%d minutes"
//
// What a language lacks is said in its parent ("de-AT" in "de"), and at last in
// English.
package locale
