package texts_test

import (
	"fmt"
	"log"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/texts"
)

// One changed text, and Dutch as a further language. handlers.Config takes the
// same Catalogue for the pages.
func ExampleCatalogue() {
	own := texts.Catalogue{Texts: map[string]map[string]string{
		"en": {"mail.password_changed.subject": "%s: new password"},
		"nl": {"mail.password_changed.subject": "%s: nieuw wachtwoord"},
	}}
	composer := mail.Composer{Name: "Example", Texts: own}
	for _, language := range []string{"en", "nl"} {
		subject, _, _, err := composer.Render(usher.Message{
			ID: "1", Kind: usher.MessagePasswordChanged, To: "ann@example.com", At: time.Now(), Language: language,
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(subject)
	}
	// Output:
	// Example: new password
	// Example: nieuw wachtwoord
}
