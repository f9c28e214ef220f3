package handlers_test

import (
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/pages"
)

func TestEV05_ThePresentAddressIsCalledSo(t *testing.T) {
	k, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	k.forget()
	for lang, want := range map[string]string{
		"en": "This is already the address of your account.",
		"de": "Das ist bereits die Adresse Ihres Kontos.",
		"fr": "C’est déjà l’adresse de votre compte.",
		"es": "Este ya es el correo de su cuenta.",
		"he": "זו כבר כתובת החשבון שלך.",
	} {
		b.lang = lang
		b.send("/email/change", "newEmail", ann, "currentPassword", goodPassword).page(t, 400, want, `id="newEmail-error"`)
	}
	if got := k.mails(); got != "" {
		t.Errorf("mails are %q", got)
	}
}

// What the Service finds wrong with an input stands beside it, in words of its own.
func TestInputsSayWhatIsWrongWithThem(t *testing.T) {
	_, b := newPages(t, pages.Config{}, setup{})
	b.signUp(ann)
	long := strings.Repeat("a", 65) + "@example.com"
	for _, test := range []struct {
		path, input string
		fields      []string
		want        string
	}{
		{"/email/change", "newEmail", []string{"newEmail", long, "currentPassword", goodPassword}, "This email address is too long."},
		{"/email/change", "newEmail", []string{"newEmail", "ann", "currentPassword", goodPassword}, "Enter an email address like"},
		{"/email/change", "currentPassword", []string{"newEmail", bob, "currentPassword", strings.Repeat("a", 300)}, "Use at most 256 characters."},
		{"/account/name", "name", []string{"name", "Ann\aLindqvist"}, "This name contains characters that can’t be used."},
		{"/account/name", "name", []string{"name", strings.Repeat("a", 300)}, "This name is too long."},
		{"/signup", "loginId", []string{"loginId", long, "password", goodPassword}, "This email address is too long."},
		{"/password/reset", "loginId", []string{"loginId", long}, "This email address is too long."},
	} {
		v := b.send(test.path, test.fields...).page(t, 400)
		_, beside, _ := strings.Cut(v.body, `id="`+test.input+`-error"`)
		if beside, _, _ = strings.Cut(beside, "</div>"); !strings.Contains(beside, test.want) {
			t.Errorf("%s %v: beside %s stands %q", test.path, test.fields, test.input, beside)
		}
	}
}

// Where the address is confirmed first, a login id that is none is what has to be
// mended, not the name before it.
func TestEN05_ALoginIDThatIsNoAddressIsBlamed(t *testing.T) {
	_, b := newPages(t, pages.Config{}, setup{service: func(c *usher.Config) { c.ConfirmFirst = true }})
	v := b.send("/signup", "name", "Ann", "loginId", "ann", "password", goodPassword).page(t, 400, "Enter your email address.", `id="loginId-error"`)
	if strings.Contains(v.body, `id="name-error"`) {
		t.Error("the name is blamed")
	}
}
