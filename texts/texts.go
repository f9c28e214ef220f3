// Package texts is what people read: on the pages of package handlers, in the
// mails of package mail, and in problem documents. It is there in English,
// German, French, Spanish and Hebrew. A program that has words of its own gives
// one [Catalogue] to both:
//
//	words := texts.Catalogue{Texts: map[string]map[string]string{
//		"en": {"signin.title": "Welcome aboard"},
//	}}
//	mailer, err := mail.SMTP(mail.SMTPConfig{Composer: mail.Composer{Texts: words}, …})
//	…
//	auth, err := handlers.New(service, handlers.Config{Texts: words, …})
//
// A text has a key and may hold verbs of package fmt, with explicit indexes where
// a language turns the words around: "Confirm %[1]s". Where a number decides
// about the words, the key is there once for each plural category of Unicode
// CLDR that the language has: "minutes#one", "minutes#other".
package texts

import "github.com/usherkit/usher/internal/locale"

// Catalogue is a choice of languages and texts. The zero Catalogue is all that
// is built in. Whoever takes one checks it and names what is wrong.
type Catalogue struct {
	// Languages are the languages that are offered, as BCP 47 tags; the first
	// is for readers of none of them. Defaults to all that there are, English
	// first.
	Languages []string
	// Texts are texts by language and key that replace built-in ones, or add a
	// language: see [Of]. What a language lacks is said in its parent ("de-AT"
	// in "de"), and at last in English. A key for templates of one's own begins
	// with "own."; any other that is not built in is an error, since nothing
	// would read it. Defaults to none.
	Texts map[string]map[string]string
}

// Of returns a copy of the built-in texts of a language ("en", "de", "es", "fr",
// "he") by key, or nil. Those of mails begin with "mail.".
func Of(language string) map[string]string { return locale.ShippedTexts(language) }
