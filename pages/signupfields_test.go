package pages_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store/memory"
)

// input returns the tag of an input.
func input(t *testing.T, v View, name string) string {
	t.Helper()
	tag := regexp.MustCompile(`<input id="` + name + `"[^>]*>`).FindString(v.Body)
	if tag == "" {
		t.Fatalf("no input %s:\n%s", name, MainElement(v.Body))
	}
	return tag
}

func TestSF05_ThePageKeepsWhatWasTypedAndShowsEachErrorAtItsField(t *testing.T) {
	t.Parallel()
	_, b := NewPages(t, pages.Config{}, Setup{Service: Fields, Config: FieldTexts})
	for lang, texts := range map[string][3]string{
		"en": {"Company", "Fill in this field.", "Tick this box to continue."},
		"de": {"Firma", "Bitte ausfüllen.", "Setzen Sie hier ein Häkchen, um fortzufahren."},
		"fr": {"Société", "Veuillez remplir ce champ.", "Cochez cette case pour continuer."},
		"es": {"Empresa", "Rellene este campo.", "Marque esta casilla para continuar."},
		"he": {"חברה", "יש למלא שדה זה.", "יש לסמן את התיבה הזאת כדי להמשיך."},
	} {
		b.Lang = lang
		v := b.Open("/auth/signup").WantPage(t, 200, texts[0])
		if tag := input(t, v, "company"); !strings.Contains(tag, `autocomplete="organization"`) || !strings.Contains(tag, " required") {
			t.Errorf("%s: %s", lang, tag)
		}
		// A weak password, no company and an open box, all at once.
		v = b.Send("/signup", "loginId", Ann, "password", "secret", "name", "Ann", "code", "LET-ME-IN", "news", "yes").WantPage(t, 400, texts[1], texts[2])
		for name, want := range map[string][]string{
			"loginId": {`value="` + Ann + `"`}, "name": {`value="Ann"`}, "code": {`value="LET-ME-IN"`}, "news": {" checked"},
			"password": {`aria-invalid="true"`, "autofocus"}, "company": {`aria-invalid="true"`, `aria-describedby="company-error"`},
			"terms": {`aria-invalid="true"`, `aria-describedby="terms-error"`},
		} {
			for _, part := range want {
				if tag := input(t, v, name); !strings.Contains(tag, part) {
					t.Errorf("%s: %s has no %s", lang, tag, part)
				}
			}
		}
		if strings.Contains(v.Body, `value="secret"`) || strings.Contains(input(t, v, "terms"), " checked") || strings.Contains(input(t, v, "code"), "aria-invalid") {
			t.Errorf("%s: the page shows too much:\n%s", lang, MainElement(v.Body))
		}
		// The program refuses, at its field.
		v = b.Send("/signup", "loginId", Ann, "password", GoodPassword, "company", "ACME", "code", "guess", "terms", "yes").WantPage(t, 422, "This code is not known.")
		if tag := input(t, v, "code"); !strings.Contains(tag, `aria-describedby="code-error"`) || !strings.Contains(tag, `value="guess"`) || !strings.Contains(input(t, v, "terms"), " checked") {
			t.Errorf("%s: %s", lang, MainElement(v.Body))
		}
	}
	b.Send("/signup", "loginId", Ann, "password", GoodPassword, "company", "ACME", "terms", "true").WantPage(t, 400, `id="terms-error"`)
	b.Send("/signup", "loginId", Ann, "password", GoodPassword, "company", "ACME", "terms", "yes").WantRedirect(t, "/")
}

// A field without a label, or with the name of another input, stops the start.
func TestSF06_AFieldWithoutALabelStopsTheStart(t *testing.T) {
	t.Parallel()
	start := func(f usher.SignUpField) (*usher.Service, error) {
		return usher.New(context.Background(), memory.New(), usher.Config{
			Secret: Secret, BaseURL: "https://app.example", Mailer: &Mailbox{}, SignUpFields: []usher.SignUpField{f},
		})
	}
	service, err := start(usher.SignUpField{Name: "company"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close(context.Background()) })
	if _, err := handlers.New(service, handlers.Config{Pages: &pages.Config{}}); err == nil || !strings.Contains(err.Error(), `"own.field.company"`) {
		t.Errorf("a field without a label: %v", err)
	}
	for _, f := range []usher.SignUpField{
		{}, {Name: "1st"}, {Name: "a b"}, {Name: strings.Repeat("a", 33)}, {Name: "Email"}, {Name: "return_to"}, {Name: "otherPassword"},
		{Name: "x", MaxLength: 2049}, {Name: "x", MaxLength: -1}, {Name: "x", Autocomplete: "new-password"},
	} {
		if _, err := start(f); err == nil || !strings.Contains(err.Error(), "Config.SignUpFields[0]") {
			t.Errorf("%+v: %v", f, err)
		}
	}
}
