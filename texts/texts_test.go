package texts_test

import (
	"testing"

	"github.com/usherkit/usher/texts"
)

func TestOfIsACopy(t *testing.T) {
	de := texts.Of("de")
	if de["signin.title"] != "Anmelden" || de["mail.reset_password.action"] != "Neues Passwort festlegen" || texts.Of("xx") != nil {
		t.Error("not the texts of the language")
	}
	de["signin.title"] = "changed"
	if texts.Of("de")["signin.title"] != "Anmelden" {
		t.Error("the built-in texts can be changed")
	}
}
